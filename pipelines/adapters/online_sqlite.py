"""Feast's SQLite online store, mended: a row never gives way to an older one, and its time is kept to the microsecond.

Feast loads this module by the name in feature_store.yaml. Its own SQLite store writes whatever comes last (its Redis
store does not), and keeps whole seconds only, in which a member may watch and search.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.helpers import compute_table_id
from feast.infra.online_stores.sqlite import SqliteOnlineStore, SqliteOnlineStoreConfig
from feast.protos.feast.types.Value_pb2 import Value

EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


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
        connection = self._get_conn(config)
        with self._writing, connection:
            connection.executemany(_upsert(_name(config, table)), _cells(config, data))
        if progress:
            progress(len(data))

    def online_read(
        self, config: Any, table: Any, entity_keys: Sequence[Any], requested_features: list[str] | None = None
    ) -> list[tuple[datetime | None, dict[str, Any] | None]]:
        """For each key the time of its row and the values by name; None and None for an unknown one."""
        keys = [_key(config, key) for key in entity_keys]
        marks = ",".join("?" * len(keys))
        found: dict[bytes, tuple[datetime, dict[str, Any]]] = {}
        asked = f"SELECT entity_key, feature_name, value, event_us FROM {_name(config, table)}"
        rows = self._get_conn(config).execute(f"{asked} WHERE entity_key IN ({marks})", keys)
        for key, name, value, micros in rows:
            found.setdefault(key, (EPOCH + micros * MICROSECOND, {}))[1][name] = Value.FromString(value)
        return [found.get(key, (None, None)) for key in keys]


def _name(config: Any, table: Any) -> str:
    name = compute_table_id(config.project, table, config.registry.enable_online_feature_view_versioning)
    return f'"{name}"'


def _key(config: Any, key: Any) -> bytes:
    return bytes(serialize_entity_key(key, config.entity_key_serialization_version))


def _upsert(table: str) -> str:
    return f"""
        INSERT INTO {table} (entity_key, feature_name, value, event_ts, created_ts, event_us) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (entity_key, feature_name) DO UPDATE SET
            value = excluded.value, event_ts = excluded.event_ts, created_ts = excluded.created_ts,
            event_us = excluded.event_us
        WHERE event_us IS NULL OR excluded.event_us >= event_us"""


def _cells(config: Any, data: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """One row a value, as Feast stores them; its own times in whole seconds."""
    for entity, values, at, created in data:
        key, moment = _key(config, entity), at if at.tzinfo else at.replace(tzinfo=UTC)
        seconds, made = int(moment.timestamp()), None if created is None else int(moment.timestamp())
        micros = (moment - EPOCH) // MICROSECOND
        for name, value in values.items():
            yield key, name, value.SerializeToString(), seconds, made, micros
