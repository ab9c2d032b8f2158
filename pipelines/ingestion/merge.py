"""Staged rows against what a few partitions already hold: which are new, which are duplicates, which contradict.

DuckDB does it with bounded memory and spills to the staging folder. A partition is a day; a snapshot table is one
partition, whose day is ``SNAPSHOT``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from pipelines.core.lake import Lake
from pipelines.core.tables import AVAILABLE, Column, Table, earlier

SNAPSHOT = date(1970, 1, 1)
DAY, ORDER, FATE = "_day", "_order", "_fate"
CONFLICT, OLDER = "same key, other content", "same key, older than the row kept"
EARLIER = "earlier"
_MEMORY = "2GB"


def connect(spill: Path) -> Any:
    """A private in-memory database that spills to the folder ``spill``."""
    connection = duckdb.connect()
    connection.execute(f"SET memory_limit = '{_MEMORY}'")
    connection.execute(f"SET temp_directory = '{spill}'")
    connection.execute("SET preserve_insertion_order = false")
    return connection


def note_strays(connection: Any, table: Table, staged: Sequence[Path]) -> None:
    """Note the keys that stand on several days of this import, and the first of them: the others contradict it."""
    wandering = bool(table.time) and table.time not in table.key
    key = _quoted(table.key)
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE strays AS SELECT {key}, min({DAY}) AS _first_day
        FROM {_parquet(staged)} WHERE {wandering} GROUP BY {key} HAVING min({DAY}) <> max({DAY})""")


@dataclass(frozen=True)
class Merge:
    """One merge of staged files into the partitions ``first`` to ``last`` of a table, after ``note_strays``.

    Within the import the row with the latest ``available_at`` is kept, among those the first; rows equal to it are
    duplicates, others go to quarantine. Against the lake the kept row wins unless it is equal or older. In a snapshot
    table what is older, or is replaced by a newer row, stays as what the member or the title was before.
    """

    connection: Any
    lake: Lake
    table: Table
    columns: Sequence[Column]
    staged: Sequence[Path]
    first: date
    last: date

    def run(self) -> dict[str, int]:
        """Decide every staged row's fate; the count of each: publish, duplicate, EARLIER, CONFLICT, OLDER."""
        self.connection.execute(f"CREATE OR REPLACE TEMP VIEW published AS {self._published()}")
        self.connection.execute(f"CREATE OR REPLACE TEMP VIEW before AS {self._stored(self._before())}")
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE incoming AS {self._judged()}")
        return dict(self.connection.sql(f"SELECT {FATE}, count(*) FROM incoming GROUP BY 1").fetchall())

    def refused(self) -> Any:
        """The rows for quarantine with their fate, in the order they came."""
        return self.connection.sql(
            f"SELECT {self._names}, {FATE} FROM incoming WHERE {FATE} IN ('{CONFLICT}', '{OLDER}') ORDER BY {ORDER}"
        ).to_arrow_table()

    def changed(self) -> Any:
        """An Arrow reader over the whole new content of the partitions that change, by day, time and key."""
        new = f"SELECT {DAY}, {self._names} FROM incoming WHERE {FATE} = 'publish'"
        kept = f"""
            SELECT {DAY}, {self._names} FROM published
            SEMI JOIN (SELECT {DAY} FROM incoming WHERE {FATE} = 'publish') USING ({DAY})
            ANTI JOIN (SELECT {DAY}, {self._key} FROM incoming WHERE {FATE} = 'publish') USING ({DAY}, {self._key})"""
        both = f"{new} UNION ALL {kept}" if self._files() else new
        time = f'"{self.table.time}", ' if self.table.time else ""
        return self.connection.sql(f"SELECT * FROM ({both}) ORDER BY {DAY}, {time}{self._key}").to_arrow_reader(50_000)

    def earlier(self) -> Any:
        """The whole new content of the table of earlier rows, by key and time; None where nothing joins it."""
        at = AVAILABLE.name
        replaced = _quoted((c.name for c in self.columns), of="p")
        joining = self.connection.sql(f"""
            SELECT {self._names}, 0 AS _rank FROM incoming WHERE {FATE} = '{EARLIER}' UNION ALL
            SELECT {replaced}, 1 FROM published p JOIN incoming i USING ({self._key})
            WHERE i.{FATE} = 'publish' AND i.{at} > p.{at}""")
        if self.table.time or not joining.limit(1).fetchall():
            return None
        return self.connection.sql(f"""
            SELECT {self._names} FROM (SELECT * FROM joining UNION ALL SELECT {self._names}, 2 FROM before)
            QUALIFY row_number() OVER (PARTITION BY {self._key}, {at} ORDER BY _rank) = 1
            ORDER BY {self._key}, {at}""").to_arrow_table()

    def _judged(self) -> str:
        at = AVAILABLE.name
        window = f"(PARTITION BY {DAY}, {self._key} ORDER BY {at} DESC, {ORDER})"
        moment = f"(PARTITION BY {DAY}, {self._key}, {at} ORDER BY {ORDER})"
        old = OLDER if self.table.time else EARLIER
        return f"""
            WITH hashed AS (
                SELECT *, hash({self._names}) AS _hash FROM {_parquet(self.staged)}
                WHERE {DAY} BETWEEN DATE '{self.first}' AND DATE '{self.last}'),
            placed AS (
                SELECT *, row_number() OVER w AS _place,
                    row_number() OVER m AS _copy, first_value(_hash) OVER m AS _first
                FROM hashed WINDOW w AS {window}, m AS {moment}),
            stored AS (SELECT {DAY}, {self._key}, hash({self._names}) AS _stored, {at} AS _since FROM published),
            old AS (SELECT {self._key}, {at}, hash({self._names}) AS _old FROM before)
            SELECT placed.*, CASE
                WHEN {DAY} > _first_day THEN '{CONFLICT}'
                WHEN _copy > 1 THEN CASE WHEN _hash = _first THEN 'duplicate' ELSE '{CONFLICT}' END
                WHEN _hash = _old THEN 'duplicate'
                WHEN _place > 1 THEN '{old}'
                WHEN _stored IS NULL THEN 'publish'
                WHEN _hash = _stored THEN 'duplicate'
                WHEN {at} < _since THEN '{old}'
                ELSE 'publish' END AS {FATE}
            FROM placed LEFT JOIN stored USING ({DAY}, {self._key}) LEFT JOIN strays USING ({self._key})
            LEFT JOIN old USING ({self._key}, {at})"""

    def _published(self) -> str:
        return self._stored(self._files())

    def _stored(self, files: Sequence[Path]) -> str:
        if not files:
            return f"SELECT * FROM {_parquet(self.staged)} WHERE false"
        # A column that was declared after the partition was written is null in it.
        stored = set(pq.read_schema(files[-1]).names)
        names = ", ".join(f'"{c.name}"' if c.name in stored else f'NULL AS "{c.name}"' for c in self.columns)
        day = f"day AS {DAY}" if self.table.time else f"DATE '{SNAPSHOT}' AS {DAY}"
        return f"SELECT {names}, {day} FROM {_parquet(files, partitioned=bool(self.table.time))}"

    def _files(self) -> list[Path]:
        if self.table.time:
            return self.lake.files(self.table.name, self.first, self.last)
        return self.lake.files(self.table.name)

    def _before(self) -> list[Path]:
        return [] if self.table.time else self.lake.files(earlier(self.table.name))

    @property
    def _names(self) -> str:
        return _quoted(c.name for c in self.columns)

    @property
    def _key(self) -> str:
        return _quoted(self.table.key)


def _quoted(names: Iterable[str], of: str = "") -> str:
    return ", ".join(f'{of}."{name}"' if of else f'"{name}"' for name in names)


def _parquet(files: Sequence[Path], *, partitioned: bool = False) -> str:
    listed = ", ".join("'" + str(f).replace("'", "''") + "'" for f in files)
    hive = ", hive_partitioning = true, hive_types = {'day': DATE}" if partitioned else ", hive_partitioning = false"
    return f"read_parquet([{listed}]{hive})"
