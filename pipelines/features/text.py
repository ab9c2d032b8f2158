"""Text as words, the same for titles and for what members search."""

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """The words of a text in any script, in order: letters and digits, case folded, compatible forms made one."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
