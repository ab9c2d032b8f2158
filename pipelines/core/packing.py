"""A member's daily features as one row of three arrays: online, cost is per value, however long the value is.

    numbers   the layout's code, the time of each view's row, the length of each array, then the numbers
    words     the words, then the arrays of words, one after another
    floats    the arrays of numbers, one after another

NaN and the empty word stand for absent, which arrays cannot hold; a view without a row has no time, an absent array no
length. Lengths are the row's own, so a vocabulary may grow from one row to the next.
"""

import json
import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.core.contracts import TIMES

COLUMNS = {
    "online_numbers": pa.list_(pa.float64()),
    "online_words": pa.list_(pa.string()),
    "online_floats": pa.list_(pa.float32()),
}
"""The packed columns and their types, in the order in which ``pack`` gives and ``unpack`` takes them."""

Values = dict[str, Any]


@dataclass(frozen=True)
class Layout:
    """What stands where. fields: (view, feature, dtype) in order, dtype as the catalogue has it."""

    fields: tuple[tuple[str, str, str], ...]

    @classmethod
    def read(cls, text: str) -> "Layout":
        """The layout that ``text`` writes down."""
        return cls(tuple((view, name, dtype) for view, name, dtype in json.loads(text)))

    @cached_property
    def text(self) -> str:
        """The layout in writing, for the tag of its view."""
        return json.dumps(self.fields, separators=(",", ":"))

    @cached_property
    def code(self) -> float:
        """A number that tells this layout from others: rows that bear another cannot be read by this one."""
        return float(zlib.crc32(self.text.encode()))

    @cached_property
    def views(self) -> tuple[str, ...]:
        """The views in the row."""
        return tuple(dict.fromkeys(view for view, _, _ in self.fields))

    def names(self, *dtypes: str) -> tuple[str, ...]:
        """The features of these types, in order."""
        return tuple(name for _, name, dtype in self.fields if dtype in dtypes)

    @cached_property
    def of_view(self) -> dict[str, tuple[str, ...]]:
        """View -> its features."""
        return {view: tuple(n for v, n, _ in self.fields if v == view) for view in self.views}

    @cached_property
    def _parts(self) -> tuple[tuple[str, ...], ...]:
        return tuple(self.names(dtype) for dtype in ("float", "string", "strings", "floats"))

    def pack(self, rows: pa.Table) -> dict[str, pa.ListArray]:
        """The packed columns of rows that have every feature and ``<view>__at`` in microseconds UTC for each view.

        rows: (n,); numbers, strings and lists of them, null where absent. At most 2^31 values in all.
        """
        numbers, words, sentences, arrays = self._parts
        lists = {name: _one(rows[name]) for name in (*sentences, *arrays)}
        columns = [np.full(rows.num_rows, self.code)]
        columns += [_seconds(rows[view + TIMES]) for view in self.views]
        columns += [_floats(pc.list_value_length(array)) for array in lists.values()]
        columns += [_floats(rows[name]) for name in numbers]
        scalars = [_ragged(_one(rows[name]).cast(pa.string()).fill_null("")) for name in words]
        said = [_ragged(lists[name], pa.string()) for name in sentences]
        counted = [_ragged(lists[name], pa.float32()) for name in arrays]
        packed = (
            _equal(np.column_stack(columns)),
            _joined([*scalars, *said], rows, pa.string()),
            _joined(counted, rows, pa.float32()),
        )
        return dict(zip(COLUMNS, packed, strict=True))

    def mark(self) -> tuple[list[float], list[str], list[float]]:
        """The packed columns of a row that knows nothing."""
        numbers, words, sentences, arrays = map(len, self._parts)
        return [self.code, *[math.nan] * (len(self.views) + sentences + arrays + numbers)], [""] * words, []

    def unpack(
        self, numbers: Sequence[float], words: Sequence[str], floats: Sequence[float]
    ) -> tuple[Values, dict[str, float]] | None:
        """The features of a row, None where absent, and the time of each view that had a row, in unix seconds.

        None for a row of another layout.
        """
        if not numbers or numbers[0] != self.code:
            return None
        plain, said, sentences, arrays = self._parts
        lengths_from = 1 + len(self.views)
        numbers_from = lengths_from + len(sentences) + len(arrays)
        lengths = numbers[lengths_from:numbers_from]
        times = {view: at for view, at in zip(self.views, numbers[1:lengths_from], strict=True) if at == at}
        found: Values = {n: v if v == v else None for n, v in zip(plain, numbers[numbers_from:], strict=True)}
        found |= {n: w or None for n, w in zip(said, words[: len(said)], strict=True)}
        found |= _cut(sentences, lengths[: len(sentences)], words, len(said))
        found |= _cut(arrays, lengths[len(sentences) :], floats, 0)
        return found, times


def _cut(names: Iterable[str], lengths: Sequence[float], values: Sequence[Any], start: int) -> Values:
    found: Values = {}
    for name, length in zip(names, lengths, strict=True):
        if math.isnan(length):
            found[name] = None
        else:
            found[name] = list(values[start : start + int(length)])
            start += int(length)
    return found


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _floats(column: Any) -> npt.NDArray[np.float64]:
    """NaN where null."""
    return np.asarray(column.cast(pa.float64()).fill_null(math.nan), dtype=np.float64)


def _seconds(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    return _floats(column.cast(pa.int64())) / 1e6


Ragged = tuple[pa.Array, npt.NDArray[np.int64]]
"""Values one after another, and how many of them are each row's."""


def _ragged(column: pa.Array, type_: pa.DataType | None = None) -> Ragged:
    if not pa.types.is_list(column.type):
        return column, np.ones(len(column), dtype=np.int64)
    lengths = np.asarray(pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False), dtype=np.int64)
    return column.flatten().cast(type_), lengths


def _equal(rows: npt.NDArray[np.float64]) -> pa.ListArray:
    """A list of each row of a matrix."""
    count, width = rows.shape
    return pa.ListArray.from_arrays(pa.array(np.arange(count + 1, dtype=np.int32) * width), pa.array(rows.ravel()))


def _joined(columns: Sequence[Ragged], rows: pa.Table, type_: pa.DataType) -> pa.ListArray:
    """One list a row: its values of the first column, then of the second, and so on."""
    if not columns:
        return pa.array([[]] * rows.num_rows, pa.list_(type_))
    lengths = np.column_stack([counts for _, counts in columns])
    edges = np.concatenate([[0], np.cumsum(lengths.sum(axis=1))])
    starts = edges[:-1, None] + np.cumsum(lengths, axis=1) - lengths
    places = np.empty(int(edges[-1]), dtype=np.int64)
    first = 0
    for number, (values, counts) in enumerate(columns):
        within = np.arange(len(values)) - np.repeat(np.cumsum(counts) - counts, counts)
        places[np.repeat(starts[:, number], counts) + within] = np.arange(first, first + len(values))
        first += len(values)
    flat = pa.concat_arrays([values for values, _ in columns]).take(pa.array(places))
    return pa.ListArray.from_arrays(pa.array(edges.astype(np.int32)), flat)
