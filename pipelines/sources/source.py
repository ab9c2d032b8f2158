"""A source: a foreign data set on its way to the canonical tables, in batches of bounded size."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.core.dataset import Dataset
from pipelines.core.errors import DataError
from pipelines.core.tables import REASON, STRING, Column, Table

ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
"""Availability of a row about which the data set gives no time at all: known from the beginning."""

Batch = tuple[Table, pa.Table]


@dataclass(frozen=True)
class Part:
    """One file: ``read(report)`` yields its batches and calls ``report`` with the bytes of the file consumed so far."""

    path: Path
    read: Callable[[Callable[[int], None]], Iterator[Batch]]


@dataclass
class Source:
    """What ``read`` of a source returns. ``bytes_read`` moves towards ``total_bytes`` while batches are taken."""

    dataset: Dataset
    parts: Sequence[Part]
    bytes_read: int = field(default=0, init=False)

    @property
    def total_bytes(self) -> int:
        return sum(part.path.stat().st_size for part in self.parts)

    def batches(self) -> Iterator[Batch]:
        """Every batch of every file: (the canonical table, rows with its columns, then the declared extra columns).

        Values are as the file has them, so that validation can judge them. DataError when a file cannot be read.
        """
        done = 0
        for part in self.parts:
            yield from part.read(lambda within, start=done: self._report(start + within))  # type: ignore[misc]
            done += part.path.stat().st_size
            self._report(done)

    def _report(self, consumed: int) -> None:
        self.bytes_read = max(self.bytes_read, consumed)


def fill(table: Table, columns: Mapping[str, Any], extras: Sequence[Column] = ()) -> pa.Table:
    """Rows of ``table`` from the columns that a source has: the others are null. A REASON column is passed on."""
    rows = len(next(iter(columns.values())))
    wanted = {c.name: c.type for c in (*table.columns, *extras)}
    if REASON in columns:
        wanted[REASON] = STRING
    arrays = [
        _combined(columns[name]).cast(type_) if name in columns else pa.nulls(rows, type_)
        for name, type_ in wanted.items()
    ]
    return pa.table(arrays, names=list(wanted))


def _combined(values: Any) -> Any:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def folder_of(path: Path, remedy: str) -> Path:
    """``path`` when it is a folder; DataError otherwise."""
    if not path.is_dir():
        problem = "is a file, not a folder" if path.exists() else "does not exist"
        raise DataError(f"the folder {path} {problem}: {remedy}")
    return path
