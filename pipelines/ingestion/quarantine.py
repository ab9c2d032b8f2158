"""Rows that may not be published, kept with their reasons: ``lake/quarantine/<table>/<content hash>/data.parquet``.

An import adds a file of its own and never changes another's; importing the same rows again finds its file there.
"""

import hashlib
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core.lake import DATA, Lake

FOLDER = "quarantine"


class Quarantine:
    """Streams the bad rows of one table to a staging file and publishes it at the end."""

    def __init__(self, lake: Lake, table: str, staging: Path) -> None:
        self._lake, self._table = lake, table
        self._path = staging / f"quarantine-{table}.parquet"
        self._writer: pq.ParquetWriter | None = None

    def add(self, bad: pa.Table) -> None:
        """Append rows, which all have one schema, the last column being the reason."""
        if not len(bad):
            return
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, bad.schema, compression="zstd")
        self._writer.write_table(bad)

    def publish(self) -> None:
        """Move the file into the lake under the hash of its content; nothing when there were no bad rows."""
        if self._writer is None:
            return
        self._writer.close()
        with self._path.open("rb") as file:
            name = hashlib.file_digest(file, "sha256").hexdigest()[:16]
        with self._lake.writing(f"{FOLDER}/{self._table}/{name}") as staged:
            os.replace(self._path, staged)


def read(lake: Lake, table: str) -> pa.Table | None:
    """Every quarantined row of a table with its reason, over all imports; None when there never was one."""
    files = sorted((lake.root / FOLDER / table).glob(f"*/{DATA}"))
    if not files:
        return None
    return pa.concat_tables([pq.read_table(f, partitioning=None) for f in files], promote_options="default")
