"""Where the ledger's lines lie: a table of the event store's database that can only be added to."""

import json
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from pipelines.adapters.event_database import EventDatabase
from pipelines.adapters.event_tables import LEDGER
from pipelines.core.errors import LedgerError, StackError
from pipelines.core.keys import Signer
from pipelines.core.ledger import Draft, Entry, canonical, seal

LOCK = 5_118_220
"""The advisory lock under which PostgreSQL takes one line at a time."""
TRIES = 5

Wanted = Callable[[list[Entry]], Draft | None]
"""Given all lines so far: what to add; None for nothing; or it raises, and nothing is added."""


class LedgerStore(EventDatabase):
    """The ledger, unchecked: who reads it calls ``pipelines.core.ledger.check``."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        if self._sqlite:
            sa.event.listen(self._engine, "connect", _wait_for_the_disk)

    def read(self) -> list[Entry]:
        """Every line, the oldest first.

        Raises:
            LedgerError: naming a line that is none.
        """
        with self._connected() as connection:
            return self._read(connection)

    def head(self) -> tuple[int, str] | None:
        """The number and hash of the last line: whether there is anything new to read."""
        newest = sa.select(LEDGER.c.sequence, LEDGER.c.hash).order_by(LEDGER.c.sequence.desc()).limit(1)
        with self._connected() as connection:
            row = connection.execute(newest).first()
        return (int(row[0]), str(row[1])) if row else None

    def append(self, wanted: Wanted, signer: Signer) -> Entry | None:
        """Ask ``wanted`` while nobody else can write, then add, sign and keep what it says.

        It may be asked again where a writer that takes no lock came first, so it only looks and decides.
        """
        for _ in range(TRIES):
            try:
                with self._answering(), self._alone(LOCK) as connection:
                    entries = self._read(connection)
                    draft = wanted(entries)
                    if draft is None:
                        return None
                    entry = seal(draft, entries[-1] if entries else None, signer)
                    connection.execute(sa.insert(LEDGER), _row(entry))
                return entry
            except sa.exc.IntegrityError as exc:
                taken = exc
        raise StackError(f"the ledger took no line in {TRIES} tries, others were always first: try again") from taken

    def _read(self, connection: sa.Connection) -> list[Entry]:
        rows = connection.execute(LEDGER.select().order_by(LEDGER.c.sequence)).mappings()
        return [_entry(dict(row), place) for place, row in enumerate(rows)]


def _wait_for_the_disk(connection: Any, _: object) -> None:
    """A line that was added is there after a power cut too."""
    connection.execute("PRAGMA synchronous=FULL").close()


def _row(entry: Entry) -> dict[str, Any]:
    return entry.model_dump() | {"facts": canonical(entry.facts)}


def _entry(row: dict[str, Any], place: int) -> Entry:
    try:
        return Entry.model_validate(row | {"facts": json.loads(row["facts"])})
    except ValueError as exc:
        raise LedgerError(
            f"ledger entry {place} cannot be read: the ledger was changed; restore it from a backup"
        ) from exc
