"""Saved vocabularies: a value's code is its row, which never changes; new values only join at the end."""

from collections.abc import Iterable, Sequence

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


def coded(rows: Sequence[Sequence[str]], values: Sequence[str], width: int) -> npt.NDArray[np.float32]:
    """(n, width): the codes of each row's first ``width`` words, each once, counted from 1; 0 pads.

    A word that the vocabulary does not have is left out.
    """
    code = {value: place for place, value in enumerate(values, start=1)}
    found = np.zeros((len(rows), width), dtype=np.float32)
    for place, row in enumerate(rows):
        own = [code[word] for word in dict.fromkeys(row) if word in code][:width]
        found[place, : len(own)] = own
    return found
