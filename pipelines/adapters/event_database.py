"""The database of live events, takedowns, pins and the ledger: how it is reached, migrated and locked."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

from pipelines.core.errors import SettingsError, StackError

MIGRATIONS = Path(__file__).with_name("migrations")
MIGRATION_LOCK = 5_118_219
"""The advisory lock under which PostgreSQL is migrated."""
SECONDS, BUSY_SECONDS = 5, 30
"""Seconds to wait for a server's connection, and for SQLite's other writer."""


class EventDatabase:
    """The database that ``url`` names. Close it, or use it as a context manager."""

    def __init__(self, url: str) -> None:
        try:
            self._url = sa.make_url(url)
            known = self._url.get_dialect().name in ("sqlite", "postgresql")
        except sa.exc.ArgumentError as exc:
            raise SettingsError(
                "event_store_url is not a URL: write postgresql+psycopg://user:password@host/db"
            ) from exc
        if not known:
            raise SettingsError(f"event_store_url names {self._url.drivername}: use postgresql+psycopg or sqlite")
        self._sqlite = self._url.get_dialect().name == "sqlite"
        if self._sqlite and self._url.database:
            Path(self._url.database).parent.mkdir(parents=True, exist_ok=True)
        self._engine = _engine(self._url, self._sqlite)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        """A transaction; StackError when the database does not answer."""
        with self._answering(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """StackError when the database does not answer."""
        try:
            yield
        except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as exc:
            said = str(getattr(exc, "orig", exc)).splitlines()[0]
            raise StackError(f"the event store did not answer ({said}): see that its database runs") from exc

    def migrate(self) -> None:
        """Bring the schema up to date. Safe to repeat, and when several processes start at once: one does it."""
        from alembic import command
        from alembic.config import Config
        from alembic.migration import MigrationContext

        with self._connected() as connection:
            if MigrationContext.configure(connection).get_current_revision() == _newest():
                return
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        with self._alone(MIGRATION_LOCK) as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @contextmanager
    def _alone(self, lock: int) -> Iterator[sa.Connection]:
        """A transaction that no other one can enter that names the same lock (on SQLite, no other that writes)."""
        if not self._sqlite:
            with self._engine.begin() as connection:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock)))
                yield connection
            return
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise


@cache
def _newest() -> str | None:
    """The last migration there is; reading them takes ten times as long as asking a database for its own."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory(str(MIGRATIONS)).get_current_head()


def _engine(url: sa.URL, embedded: bool) -> sa.Engine:
    if not embedded:
        return sa.create_engine(
            url, pool_pre_ping=True, pool_timeout=SECONDS, connect_args={"connect_timeout": SECONDS}
        )
    engine = sa.create_engine(url)
    sa.event.listen(engine, "connect", _tune_sqlite)
    return engine


def _tune_sqlite(connection: Any, _: object) -> None:
    """Let readers and one writer work side by side, and a second writer wait instead of failing."""
    connection.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}").close()
    _use_write_ahead_log(connection)
    connection.execute("PRAGMA synchronous=NORMAL").close()


def _use_write_ahead_log(connection: Any) -> None:
    """Once a file. SQLite does not wait, whatever the timeout, where two connections make the change at once."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
            return
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
