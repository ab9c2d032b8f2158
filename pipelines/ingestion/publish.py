"""Batches in, partitions out: staged first, then merged into the lake a few days at a time and published by rename."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.core.dataset import Dataset
from pipelines.core.lake import Lake
from pipelines.core.tables import TABLES, Table, earlier
from pipelines.ingestion import merge
from pipelines.ingestion.merge import CONFLICT, DAY, EARLIER, OLDER, ORDER, SNAPSHOT, Merge
from pipelines.ingestion.quarantine import Quarantine
from pipelines.ingestion.report import IngestReport
from pipelines.ingestion.validate import nullable, validate

_ROWS_A_MERGE = 1_000_000
_ROWS_A_GROUP = 20_000


class Publisher:
    """Takes batches of any tables in any order and size; ``publish`` makes them visible. Memory is bounded.

    staging: an empty folder that the caller removes; until ``publish`` nothing else is written. until: see validate.
    """

    def __init__(self, lake: Lake, dataset: Dataset, staging: Path, until: datetime | None = None) -> None:
        self._lake, self._dataset, self._staging, self._until = lake, dataset, staging, until
        self._parts: dict[str, list[Path]] = {}
        self._rows: dict[str, Counter[date]] = {}
        self._quarantines: dict[str, Quarantine] = {}
        self.report = IngestReport()
        self.changed: set[str] = set()

    def add(self, table: Table, rows: pa.Table) -> None:
        """Validate a batch and stage its good rows; its bad rows are set aside with their reasons."""
        if not len(rows):
            return
        report = self.report.table(table.name)
        checked = validate(table, rows, self._dataset.extras_of(table), until=self._until)
        self._quarantine(table, checked.bad, checked.reasons)
        if len(checked.good):
            self._stage(table, checked.good, first=report.rows_in)
        report.rows_in += len(rows)

    def days(self, table: str) -> list[date]:
        """The days, in order, that good rows of this import fall on."""
        return sorted(self._rows.get(table, ()))

    def publish(self) -> IngestReport:
        """Merge everything staged into the lake, partition by partition, then the quarantine; what was done."""
        with merge.connect(self._staging / "spill") as connection:
            for name in self._parts:
                self._publish(connection, TABLES[name])
        for quarantine in self._quarantines.values():
            quarantine.publish()
        return self.report

    def _publish(self, connection: Any, table: Table) -> None:
        report, columns = self.report.table(table.name), (*table.columns, *self._dataset.extras_of(table))
        merge.note_strays(connection, table, self._parts[table.name])
        for first, last in self._groups(table):
            step = Merge(connection, self._lake, table, columns, self._parts[table.name], first, last)
            fates = step.run()
            report.published += fates.get("publish", 0) + fates.get(EARLIER, 0)
            report.duplicates += fates.get("duplicate", 0)
            if refused := {reason: fates[reason] for reason in (CONFLICT, OLDER) if reason in fates}:
                bad = step.refused().rename_columns([*(c.name for c in columns), nullable(columns).names[-1]])
                self._quarantine(table, bad, Counter(refused))
            before = step.earlier()
            if before is not None:
                # First what goes, then what comes: killed between the two, the row stands in both and not in none.
                self.changed.add(table.name)
                self._lake.publish(earlier(table.name), before.cast(table.schema(self._dataset.extras_of(table))))
            if fates.get("publish"):
                self.changed.add(table.name)
                _write(self._lake, table, table.schema(self._dataset.extras_of(table)), step.changed())

    def _groups(self, table: Table) -> Iterator[tuple[date, date]]:
        """Spans of staged days that are merged in one go: as many as hold a million rows, at least one."""
        group: list[date] = []
        size = 0
        for day, rows in sorted(self._rows[table.name].items()):
            path = self._lake.path(table.name, day if table.time else None)
            rows += pq.read_metadata(path).num_rows if path.exists() else 0
            if group and size + rows > _ROWS_A_MERGE:
                yield group[0], group[-1]
                group, size = [], 0
            group.append(day)
            size += rows
        if group:
            yield group[0], group[-1]

    def _stage(self, table: Table, good: pa.Table, first: int) -> None:
        """A file a batch, sorted by day in small row groups, so that the merge of a day skips the others."""
        rows = good.append_column(DAY, _days(good, table, self._dataset.time_zone))
        rows = rows.append_column(ORDER, pa.array(np.arange(first, first + len(rows)))).sort_by([(DAY, "ascending")])
        counted = rows.group_by(DAY).aggregate([([], "count_all")])
        counts = dict(zip(counted[DAY].to_pylist(), counted["count_all"].to_pylist(), strict=True))
        self._rows.setdefault(table.name, Counter()).update(counts)
        parts = self._parts.setdefault(table.name, [])
        path = self._staging / f"{table.name}-{len(parts):06d}.parquet"
        pq.write_table(rows, path, row_group_size=_ROWS_A_GROUP, compression="lz4")
        parts.append(path)

    def _quarantine(self, table: Table, bad: pa.Table, reasons: Counter[str]) -> None:
        report = self.report.table(table.name)
        report.quarantined += len(bad)
        report.reasons.update(reasons)
        if table.name not in self._quarantines:
            self._quarantines[table.name] = Quarantine(self._lake, table.name, self._staging)
        self._quarantines[table.name].add(bad.cast(nullable((*table.columns, *self._dataset.extras_of(table)))))


def _days(rows: pa.Table, table: Table, zone: str) -> Any:
    if table.time is None:
        return pa.nulls(len(rows), pa.date32()).fill_null(pa.scalar(SNAPSHOT))
    return pc.local_timestamp(rows[table.time].cast(pa.timestamp("us", zone))).cast(pa.date32())


def _write(lake: Lake, table: Table, schema: pa.Schema, batches: Any) -> None:
    """Write rows that come sorted by day, one partition open at a time."""
    open_day: date | None = None
    with ExitStack() as stack:
        writer: Any = None
        for day, rows in _runs(batches, schema):
            if day != open_day:
                stack.close()
                staged = stack.enter_context(lake.writing(table.name, day if table.time else None))
                writer = stack.enter_context(pq.ParquetWriter(staged, schema, compression="zstd"))
                open_day = day
            writer.write_table(rows)


def _runs(batches: Any, schema: pa.Schema) -> Iterator[tuple[date, pa.Table]]:
    """Stretches of one day each."""
    for batch in batches:
        rows = pa.Table.from_batches([batch])
        days = rows[DAY].to_numpy()
        edges = [0, *(np.flatnonzero(days[1:] != days[:-1]) + 1).tolist(), len(rows)]
        typed = rows.drop_columns([DAY]).cast(schema)
        for start, end in pairwise(edges):
            if end > start:
                yield rows[DAY][start].as_py(), typed.slice(start, end - start)
