"""Feast's SQLite online store, mended: a row never gives way to an older one, and its time is kept to the microsecond.

Feast loads this module by the name in feature_store.yaml. Its own SQLite store writes whatever comes last (its Redis
store does not), and keeps whole seconds only, in which a member may watch and search.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Literal

from feast.infra.online_stores.helpers import compute_table_id
from feast.infra.online_stores.sqlite import SqliteOnlineStore, SqliteOnlineStoreConfig
from feast.protos.feast.types.Value_pb2 import Value

from pipelines.adapters import online_values
from pipelines.adapters.online_values import EPOCH, MICROSECOND, Columns, Encoded


class NewestSqliteOnlineStoreConfig(SqliteOnlineStoreConfig):  # type: ignore[misc]
    """Feast's settings of a SQLite online store."""

    type: Literal["pipelines.adapters.online_sqlite.NewestSqliteOnlineStore"] = (
        "pipelines.adapters.online_sqlite.NewestSqliteOnlineStore"
    )


class NewestSqliteOnlineStore(SqliteOnlineStore):  # type: ignore[misc]
    """Feast's tables with one column more, ``event_us``: microseconds since 1970, by which the newest row wins."""

    def __init__(self) -> None:
        super().__init__()
        self._writing = threading.Lock()

    def _get_conn(self, config: Any) -> sqlite3.Connection:
        fresh = self._conn is None
        connection: sqlite3.Connection = super()._get_conn(config)
        if fresh:  # Readers wait for no writer.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    def update(self, config: Any, tables_to_delete: Any, tables_to_keep: Any, *others: Any, **more: Any) -> None:
        """Create and drop tables as Feast does."""
        super().update(config, tables_to_delete, tables_to_keep, *others, **more)
        connection = self._get_conn(config)
        for table in tables_to_keep:
            name = _name(config, table)
            if not any(column[1] == "event_us" for column in connection.execute(f"PRAGMA table_info({name})")):
                connection.execute(f"ALTER TABLE {name} ADD COLUMN event_us INTEGER")

    def online_write_batch(
        self, config: Any, table: Any, data: Sequence[Any], progress: Callable[[int], Any] | None
    ) -> None:
        """Write Feast's rows, each unless the store holds a newer one; one transaction."""
        self.write(config, table, *online_values.of_feast(config, data))
        if progress:
            progress(len(data))

    def write(
        self,
        config: Any,
        table: Any,
        keys: Sequence[bytes],
        micros: Sequence[int],
        values: Columns,
    ) -> None:
        """Write rows whose keys and values are Feast's bytes already, each unless the store holds a newer one.

        micros: (n,) the times of the rows, microseconds since 1970. values: feature -> (n,) values.
        """
        connection = self._get_conn(config)
        with self._writing, connection:
            connection.executemany(_upsert(_name(config, table)), _cells(keys, micros, values))

    def online_read(
        self, config: Any, table: Any, entity_keys: Sequence[Any], requested_features: list[str] | None = None
    ) -> list[tuple[datetime | None, dict[str, Any] | None]]:
        """For each key the time of its row and the values by name; None and None for an unknown one."""
        keys = [online_values.key_of_feast(config, key) for key in entity_keys]
        rows = (row[0] for row in self.rows(config, [table], keys))
        return [_feasts(row) if row else (None, None) for row in rows]

    def rows(self, config: Any, tables: Sequence[Any], keys: Sequence[bytes]) -> list[list[Encoded | None]]:
        """For each key, for each table, the row's time and the bytes of its values."""
        return [list(row) for row in zip(*(self._of_table(config, table, keys) for table in tables), strict=True)]

    def _of_table(self, config: Any, table: Any, keys: Sequence[bytes]) -> list[Encoded | None]:
        found: dict[bytes, Encoded] = {}
        asked = f"SELECT entity_key, feature_name, value, event_us FROM {_name(config, table)}"
        marks = ",".join("?" * len(keys))
        for key, name, value, micros in self._get_conn(config).execute(f"{asked} WHERE entity_key IN ({marks})", keys):
            found.setdefault(key, (micros, {}))[1][name] = value
        return [found.get(key) for key in keys]


def _name(config: Any, table: Any) -> str:
    name = compute_table_id(config.project, table, config.registry.enable_online_feature_view_versioning)
    return f'"{name}"'


def _feasts(row: Encoded) -> tuple[datetime, dict[str, Any]]:
    micros, values = row
    return EPOCH + micros * MICROSECOND, {name: Value.FromString(value) for name, value in values.items()}


def _upsert(table: str) -> str:
    return f"""
        INSERT INTO {table} (entity_key, feature_name, value, event_ts, created_ts, event_us) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (entity_key, feature_name) DO UPDATE SET
            value = excluded.value, event_ts = excluded.event_ts, created_ts = excluded.created_ts,
            event_us = excluded.event_us
        WHERE event_us IS NULL OR excluded.event_us >= event_us"""


def _cells(keys: Sequence[bytes], micros: Sequence[int], values: Columns) -> Iterator[tuple[Any, ...]]:
    """One row a value, as Feast stores them; its own times in whole seconds."""
    names = tuple(values)
    for key, at, row in zip(keys, micros, zip(*values.values(), strict=True), strict=True):
        seconds = at // 1_000_000
        for name, value in zip(names, row, strict=True):
            yield key, name, value, seconds, seconds, at
