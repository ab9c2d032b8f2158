"""Words of titles and of members as columns, for what learns how one kind of member likes one kind of title."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.core.contracts import CHOSEN, DEVICE, Floats
from pipelines.core.tables import MEDIA

OF_MEDIA = ("genres", "original_language", "maturity_rating", "kind")
OF_MEMBER = ("country", "language", "gender", "age", "age and gender", DEVICE)
FALLS = 0.6
"""How much less each further genre of a title says than the one before it."""
AGE_BANDS = (18.0, 25.0, 35.0, 45.0, 55.0)
RAREST = 2
"""A word of fewer titles or members says nothing of its own."""

Words = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Vocabulary:
    """groups: attribute -> its words. A column a word, the groups one after the other."""

    groups: Words

    @cached_property
    def column(self) -> dict[tuple[str, str], int]:
        pairs = [(group, word) for group, words in self.groups.items() for word in words]
        return {pair: place for place, pair in enumerate(pairs)}

    def __len__(self) -> int:
        return len(self.column)

    @cached_property
    def spans(self) -> dict[str, slice]:
        """The columns of each group."""
        ends = np.cumsum([len(words) for words in self.groups.values()]).tolist()
        return {g: slice(e - len(w), e) for (g, w), e in zip(self.groups.items(), ends, strict=True)}

    def fill(self, rows: Sequence[Mapping[str, Sequence[str]]]) -> Floats:
        """(len(rows), len(self)) float32: of a group's words the first weighs most, and all together 1."""
        filled = np.zeros((len(rows), len(self)), dtype=np.float32)
        for row, held in enumerate(rows):
            for group, words in held.items():
                known = [self.column[group, word] for word in words if (group, word) in self.column]
                weight = FALLS ** np.arange(len(known))
                filled[row, known] = weight / weight.sum() if known else 0
        return filled


def vocabulary(rows: Sequence[Mapping[str, Sequence[str]]], groups: Sequence[str], most: int) -> Vocabulary:
    """At most ``most`` words a group, the commonest first; a group of one word tells nothing apart and has none."""
    found = {}
    for group in groups:
        words = [word for row in rows for word in dict.fromkeys(row.get(group, ()))]
        names, counts = np.unique(np.array(words, dtype=str), return_counts=True)
        order = np.lexsort((names, -counts))
        kept = [str(names[n]) for n in order if counts[n] >= RAREST][:most]
        found[group] = tuple(kept) if len(kept) > 1 else ()
    return Vocabulary(found)


def of_media(table: pa.Table) -> tuple[list[dict[str, Sequence[str]]], tuple[str, ...]]:
    """The words of each title, and the groups: OF_MEDIA and the declared columns of text."""
    canonical = {column.name for column in MEDIA.columns}
    texts = [f.name for f in table.schema if pa.types.is_string(f.type) or pa.types.is_list(f.type)]
    groups = tuple(n for n in (*OF_MEDIA, *texts) if n in texts and (n in OF_MEDIA or n not in canonical))
    columns = {name: table[name].to_pylist() for name in dict.fromkeys(groups)}
    rows = [{n: words_of(values[row]) for n, values in columns.items()} for row in range(table.num_rows)]
    return rows, tuple(columns)


def of_member(known: Mapping[str, object]) -> dict[str, Sequence[str]]:
    """The words of a member and of the request, from a context."""
    age, gender = known.get("age"), known.get("gender")
    band = str(int(np.searchsorted(AGE_BANDS, float(age), side="right"))) if isinstance(age, (int, float)) else None
    both = f"{band} {gender}" if band is not None and isinstance(gender, str) else None
    found: dict[str, object] = {**known, "age": band, "age and gender": both}
    return {group: words_of(found.get(group)) for group in OF_MEMBER}


def chosen(known: Mapping[str, object]) -> Sequence[str]:
    """The genres that a member chose."""
    return words_of(known.get(CHOSEN))


def words_of(value: Any) -> Sequence[str]:
    """A word, a list of words or nothing, as words."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(word for word in value if isinstance(word, str))
