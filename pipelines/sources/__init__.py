"""Foreign data to canonical tables: one module a layout, one registry line each."""

from collections.abc import Callable

from pipelines.sources import kuairand, movielens, tables
from pipelines.sources.source import Source

__all__ = ["SOURCES", "Source"]

SOURCES: dict[str, Callable[..., Source]] = {
    "kuairand": kuairand.read,
    "movielens": movielens.read,
    "tables": tables.read,
}
"""``read(path, *, chunk_rows=200_000) -> Source`` by the name that `marquee import` takes."""
