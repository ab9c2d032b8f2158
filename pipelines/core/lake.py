"""The lake: parquet, one file a partition, published by rename, so that a reader sees the old file or the new one.

    lake/dataset.yaml
    lake/<table>/data.parquet                    a snapshot table
    lake/<table>/day=2022-04-29/data.parquet     a table by day
    lake/<table>/watermark.json                  how far the table is complete

A table's name may hold slashes (``features/user_activity``). Timestamps are microseconds UTC.
"""

import fcntl
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq

from pipelines.core import dataset as datasets
from pipelines.core.dataset import Dataset
from pipelines.core.errors import DataError

DATA = "data.parquet"


@dataclass(frozen=True)
class Watermark:
    """Everything of the table up to and including ``through`` has been published. ``version`` counts publications."""

    through: date
    version: int


class Lake:
    """A folder of tables. Nothing is created until something is published."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def dataset(self) -> Dataset:
        """The data set imported into this lake; DataError when none was."""
        if not (self.root / datasets.FILE).exists():
            raise DataError(f"the lake {self.root} holds no data set: run `marquee import` first")
        return datasets.read(self.root)

    def path(self, table: str, day: date | None = None) -> Path:
        """Where a partition lies (or will lie)."""
        folder = self.root / table
        return (folder / f"day={day.isoformat()}" if day else folder) / DATA

    def publish(self, table: str, data: pa.Table, day: date | None = None) -> Path:
        """Replace one partition (or the snapshot, without ``day``) by ``data``, whole or not at all."""
        with self.writing(table, day) as staged:
            pq.write_table(data, staged, coerce_timestamps="us", compression="zstd")
        return self.path(table, day)

    @contextmanager
    def writing(self, table: str, day: date | None = None) -> Iterator[Path]:
        """A staging path for a partition that is streamed; it is published when the block ends without an error."""
        target = self.path(table, day)
        target.parent.mkdir(parents=True, exist_ok=True)
        staged = target.parent / f".{DATA}.{uuid.uuid4().hex}.tmp"
        try:
            yield staged
            os.replace(staged, target)
        finally:
            staged.unlink(missing_ok=True)

    @contextmanager
    def alone(self, table: str) -> Iterator[None]:
        """Wait for others that write ``table`` or below it, and remove what one that was killed left half-written."""
        root = self.root / table
        root.mkdir(parents=True, exist_ok=True)
        with (root / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for torn in root.rglob(f".{DATA}.*.tmp"):
                torn.unlink(missing_ok=True)
            yield

    def days(self, table: str, first: date | None = None, last: date | None = None) -> list[date]:
        """The days published, in order, optionally only from ``first`` to ``last`` (both included)."""
        found = (date.fromisoformat(p.parent.name[4:]) for p in (self.root / table).glob(f"day=*/{DATA}"))
        return sorted(d for d in found if (first is None or d >= first) and (last is None or d <= last))

    def files(self, table: str, first: date | None = None, last: date | None = None) -> list[Path]:
        """The parquet files of a table: its snapshot, or its days from ``first`` to ``last`` (both included)."""
        snapshot = self.path(table)
        return [snapshot] if snapshot.exists() else [self.path(table, d) for d in self.days(table, first, last)]

    def read(
        self,
        table: str,
        first: date | None = None,
        last: date | None = None,
        columns: list[str] | None = None,
    ) -> pa.Table:
        """The rows of a table; DataError when nothing was published for those days."""
        files = self.files(table, first, last)
        if not files:
            span = f" for {first or 'the beginning'} to {last or 'the end'}" if first or last else ""
            raise DataError(
                f"{table} has no rows{span} in {self.root}: publish it first (marquee import, refresh_features)"
            )
        schema = pq.read_schema(files[0])
        return pads.dataset(files, schema=schema, format="parquet").to_table(columns=columns)

    def exists(self, table: str) -> bool:
        return bool(self.files(table))

    def watermark(self, table: str) -> Watermark | None:
        """How far the table is complete; None when it was never published."""
        path = self.root / table / "watermark.json"
        if not path.exists():
            return None
        stored = json.loads(path.read_text(encoding="utf-8"))
        return Watermark(through=date.fromisoformat(stored["through"]), version=stored["version"])

    def advanced_at(self, table: str) -> datetime | None:
        """When the table's watermark was last written, UTC; None when it never was."""
        path = self.root / table / "watermark.json"
        return datetime.fromtimestamp(path.stat().st_mtime, UTC) if path.exists() else None

    def advance(self, table: str, through: date) -> Watermark:
        """Note that the table is complete through that day. It never moves back; the version always moves on."""
        before = self.watermark(table)
        after = Watermark(max(through, before.through) if before else through, before.version + 1 if before else 1)
        path = self.root / table / "watermark.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = path.with_name(f".watermark.{uuid.uuid4().hex}.tmp")
        staged.write_text(
            json.dumps({"through": after.through.isoformat(), "version": after.version}), encoding="utf-8"
        )
        os.replace(staged, path)
        return after
