"""Text as words, the same for titles and for what members search."""

import re
import unicodedata
from functools import cache

_PLAIN = re.compile(r"[^\W_]+")
_UNSPACED = "\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"
_PARTS = re.compile(f"[{_UNSPACED}]+|[^{_UNSPACED}]+")
"""Han and kana, which are written without spaces, and everything else."""


def words(text: str) -> list[str]:
    """The words of a text in any script, in order: letters and digits, case folded, compatible forms made one.

    A mark belongs to the letter before it (Hindi, Thai, pointed Hebrew). Han and kana know no spaces and are cut into
    overlapping pairs of characters; other scripts without spaces stay whole.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    if folded.isascii():
        return _PLAIN.findall(folded)
    runs = "".join(c if _in_a_word(c) else " " for c in folded).split()
    return [word for run in runs for part in _PARTS.findall(run) for word in _cut(part) if any(map(str.isalnum, word))]


@cache
def _in_a_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character)[0] == "M"


def _cut(part: str) -> list[str]:
    if len(part) < 2 or not re.match(f"[{_UNSPACED}]", part):
        return [part]
    return [part[place : place + 2] for place in range(len(part) - 1)]
