"""What the towers know of members and media, as arrays: words of a vocabulary, and what each counts.

Every attribute of a row becomes words of the form ``attribute=value``; a list becomes several, which share one weight
of 1; a number becomes the word of its range. So a new column, of whatever type, is read without code.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.candidates.top import codes_of
from pipelines.core.contracts import DEVICE, MEMBER, Codes, Floats, Ids
from pipelines.core.tables import MEDIA_ID

Words = list[tuple[str, float]]
"""The words of one row, and what each counts."""

LENGTHS, AGES = (1, 2, 4, 8, 16, 32), (18, 25, 35, 45, 55, 65)
"""Where the ranges of a history's length and of an age begin."""

RANGES = 8
"""Ranges that a number of media is cut into, each with as many media."""

SEEN_BY = 2
"""A word of one media alone says nothing that its id does not."""


@dataclass(frozen=True)
class Bags:
    """codes: (n, w) int64 of words, 0 where there is none. weight: (n, w) float32, 0 there too."""

    codes: Codes
    weight: Floats


def bags(rows: Sequence[Words], vocabulary: Mapping[str, int]) -> Bags:
    """The words of each row that the vocabulary (word -> code, from 1 on) holds."""
    known = [[(vocabulary[word], weight) for word, weight in row if word in vocabulary] for row in rows]
    width = max((len(row) for row in known), default=0)
    codes, weights = np.zeros((len(rows), width), np.int64), np.zeros((len(rows), width), np.float32)
    for place, row in enumerate(known):
        if row:
            codes[place, : len(row)], weights[place, : len(row)] = zip(*row, strict=True)
    return Bags(codes, weights)


def vocabulary_of(rows: Iterable[Words], most: int, seen_by: int = 1) -> Ids:
    """(v,) the ``most`` commonest words that ``seen_by`` rows have, sorted."""
    count = Counter(word for row in rows for word in {word for word, _ in row})
    kept = [word for word, rows_with in count.most_common(most) if rows_with >= seen_by]
    return np.array(sorted(kept), dtype=str)


def codes_from_one(vocabulary: Ids) -> dict[str, int]:
    """Word -> code, where 0 is left for the absent."""
    return {word: code + 1 for word, code in codes_of(vocabulary).items()}


def _words(name: str, value: Any) -> Words:
    """Those of a string, a truth or a list; none of an absent value."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return []
    if isinstance(value, str | bool | np.str_):
        return [(f"{name}={value}", 1.0)]
    found = [str(one) for one in value if one is not None]
    return [(f"{name}={one}", 1.0 / len(found)) for one in found]


def member_words(context: Mapping[str, object], watched: int | None) -> Words:
    """Of who asks: how long the history is, unless None; the device and ``contracts.MEMBER``, where they are known."""
    found = [] if watched is None else [(f"watched={np.searchsorted(LENGTHS, watched, side='right')}", 1.0)]
    for name in (DEVICE, *MEMBER):
        value = context.get(name)
        if isinstance(value, int | float | np.number) and not isinstance(value, bool):
            value = None if np.isnan(value) else str(np.searchsorted(AGES, value, side="right"))
        found += _words(name, value)
    return found


def media_words(table: pa.Table | None, size: int) -> list[Words]:
    """Of each media of the catalogue: its categories, lists, truths, and the range of each of its numbers."""
    rows: list[Words] = [[] for _ in range(size)]
    for name in table.column_names if table is not None else ():
        if table is None or name == MEDIA_ID.name:
            continue
        for row, value in zip(rows, _readable(table[name]), strict=True):
            row += _words(name, value)
    return rows


def _readable(column: pa.ChunkedArray) -> list[Any]:
    """Words, truths and lists as they are; a number or a day as its range; a moment is left out: titles age."""
    if pa.types.is_timestamp(column.type):
        return [None] * len(column)
    if pa.types.is_date(column.type):
        return [value and str(value.year) for value in column.to_pylist()]
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return list(column.to_pylist())
    values = np.array([np.nan if value is None else value for value in column.to_pylist()], dtype=np.float64)
    finite = values[np.isfinite(values)]
    if not len(finite):
        return [None] * len(column)
    edges = np.unique(np.quantile(finite, np.linspace(0, 1, RANGES + 1)[1:-1]))
    return [str(np.searchsorted(edges, value, side="right")) if np.isfinite(value) else None for value in values]
