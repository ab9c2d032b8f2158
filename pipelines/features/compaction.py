"""Old snapshots in one file a view: the days behind the horizon fold into the row with which each key came to it.

A file a day is what a refresh replaces; years of them are many small files. Nothing before the horizon is asked for any
more, and a row holds until the key's next one, so of those days only the latest row of each key still answers anything.
"""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core.lake import DATA, Lake
from pipelines.features import views
from pipelines.features.plan import WATERMARK, table_of

ROWS = 50_000
"""Rows that are written at a time."""
MONTH = 31
"""So many days behind the horizon fold at once: folding each alone would write the whole view anew every night."""


@dataclass(frozen=True)
class Fold:
    """The days of a view behind the horizon, oldest first: all but the last go, the last holds what still counts."""

    view: str
    days: tuple[date, ...]
    rows: int
    bytes: int

    @property
    def into(self) -> date:
        """The day whose partition holds the rows afterwards."""
        return self.days[-1]


def plan(lake: Lake, horizon: date, least: int = 2) -> list[Fold]:
    """What may fold while questions from ``horizon`` on are answered as before: ``least`` days of a view or more."""
    found = []
    for view in views.columns_of(lake.dataset):
        old = tuple(day for day in lake.days(table_of(view)) if day < horizon)
        if len(old) >= max(2, least):
            files = [lake.path(table_of(view), day) for day in old]
            rows = sum(pq.read_metadata(file).num_rows for file in files)
            found.append(Fold(view, old, rows, sum(file.stat().st_size for file in files)))
    return found


def fold(lake: Lake, horizon: date, least: int = MONTH) -> dict[str, int]:
    """Fold what is planned; the rows that are left of the folded days, by view. Doing it again finds nothing to do.

    Whoever reads meanwhile, or after a fold that was killed, finds a row twice at most, and never not at all.
    """
    kept = {}
    with lake.alone(WATERMARK):
        for due in plan(lake, horizon, least):
            kept[due.view] = _fold(lake, due)
    return kept


def _fold(lake: Lake, due: Fold) -> int:
    table = table_of(due.view)
    files = [lake.path(table, day) for day in due.days]
    with lake.writing(table, due.into) as staged:
        rows = _write_latest(files, staged)
    for day in due.days[:-1]:
        _remove(lake.path(table, day))
    return rows


def _write_latest(files: Sequence[Path], into: Path) -> int:
    """Each key's latest row of the files, in the order of keys; how many."""
    schema = pq.read_schema(files[-1])
    key, names = schema.names[0], ", ".join(f'"{name}"' for name in schema.names)
    listed = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
    with tempfile.TemporaryDirectory(prefix=".spill-", dir=into.parent) as spill, duckdb.connect() as connection:
        connection.execute(f"SET temp_directory = '{spill}'")
        latest = connection.sql(f"""
            SELECT {names} FROM read_parquet([{listed}], hive_partitioning = false)
            QUALIFY row_number() OVER (
                PARTITION BY "{key}" ORDER BY event_timestamp DESC, created_timestamp DESC) = 1
            ORDER BY "{key}" """).to_arrow_reader(ROWS)
        with pq.ParquetWriter(into, schema, compression="zstd") as writer:
            for batch in latest:
                writer.write_table(pa.Table.from_batches([batch]).cast(schema))
    return int(pq.read_metadata(into).num_rows)


def _remove(file: Path) -> None:
    """The partition's file first: a folder without one is no day."""
    file.unlink(missing_ok=True)
    for torn in file.parent.glob(f".{DATA}.*"):
        torn.unlink(missing_ok=True)
    os.rmdir(file.parent)
