"""Saved vocabularies: a value's code is its row, which never changes; new values only join at the end."""

from collections.abc import Iterable

import pyarrow as pa

from pipelines.core.lake import Lake

GENRES = "vocabulary/genres"


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
