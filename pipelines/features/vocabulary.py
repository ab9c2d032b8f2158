"""Saved vocabularies: a value's code is its row, which never changes; new values only join at the end."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.core.lake import Lake

GENRES, TERMS, SYNOPSIS = "vocabulary/genres", "vocabulary/terms", "vocabulary/synopsis"
LANGUAGES, TAGS, MEDIA = "vocabulary/languages", "vocabulary/tags", "vocabulary/media"
ACTORS, DIRECTORS = "vocabulary/actors", "vocabulary/directors"


def read(lake: Lake, name: str) -> tuple[str, ...]:
    """The values by code; empty where the vocabulary was never saved."""
    return tuple(lake.read(name)["value"].to_pylist()) if lake.exists(name) else ()


def grow(lake: Lake, name: str, values: Iterable[str]) -> tuple[str, ...]:
    """Save the vocabulary with the new ones of ``values`` appended in their order, and return it."""
    before = read(lake, name)
    after = tuple(dict.fromkeys((*before, *values)))
    if after != before or not lake.exists(name):
        lake.publish(name, pa.table({"value": pa.array(after, pa.string())}))
    return after


@dataclass(frozen=True)
class Codes:
    """Lists of codes, one after another: row n holds ``values[edges[n] : edges[n + 1]]``, each counted from 1."""

    edges: npt.NDArray[np.int64]
    values: npt.NDArray[np.int64]

    def lists(self, rows: npt.NDArray[np.int64]) -> pa.ListArray:
        """The lists of some rows, as float32."""
        edges = pa.array(self.edges, pa.int32())
        return pa.ListArray.from_arrays(edges, pa.array(self.values.astype(np.float32))).take(pa.array(rows))


def coded(rows: Sequence[Sequence[str]], values: Sequence[str], width: int) -> Codes:
    """The codes of each row's first ``width`` words, each once; words that the vocabulary lacks are left out."""
    code = {value: place for place, value in enumerate(values, start=1)}
    found: list[int] = []
    edges = np.zeros(len(rows) + 1, dtype=np.int64)
    for place, row in enumerate(rows, start=1) if code else ():
        if row:
            found += [code[word] for word in dict.fromkeys(row) if word in code][:width]
        edges[place] = len(found)
    return Codes(edges, np.array(found, dtype=np.int64))
