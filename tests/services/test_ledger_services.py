"""The ledger on a real PostgreSQL: added to by many at once, changed by nobody, and found out where somebody did."""

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from pipelines.adapters.event_store import EventStore
from pipelines.adapters.ledger_store import LedgerStore
from pipelines.core import keys
from pipelines.core.errors import LedgerError
from pipelines.core.ledger import Draft, Entry, check
from pipelines.core.settings import Settings
from pipelines.promotion import ledger

pytestmark = pytest.mark.services
AT = datetime(2026, 3, 1, 12, 0, 0, 123_457, tzinfo=UTC)
FACTS = {
    "gain": 0.30000000000000004,
    "tiny": 5e-324,
    "large": 1e300,
    "minus": -0.0,
    "text": "ö,\"'",
    "b": 1,
    "a": [1.0],
}


@pytest.fixture
def settings(new_database: Callable[[str], str], tmp_path: Path) -> Settings:
    found = Settings(home=tmp_path, event_store_url=SecretStr(new_database(f"ledger-{uuid.uuid4().hex}")))
    with EventStore(found.event_store_address) as store:
        store.migrate()
        assert store.differences() == []
    return found


@pytest.fixture
def database(settings: Settings) -> Iterator[Any]:
    """A connection of somebody who owns the database."""
    with psycopg.connect(settings.event_store_address.replace("+psycopg", ""), autocommit=True) as opened:
        yield opened


def add(settings: Settings, release_id: str, **facts: Any) -> Entry:
    told = Draft(event="judged", at=AT, actor="ada", release_id=release_id, version=1, facts=facts)
    entry = ledger.append(settings, "promoter", lambda _: told)
    assert entry is not None
    return entry


def test_lines_come_back_from_postgresql_exactly_as_they_were_written(settings: Settings) -> None:
    written = [add(settings, "r1", **FACTS), add(settings, "r2")]
    assert ledger.read(settings) == written


@pytest.mark.parametrize(
    "change", ["UPDATE ledger SET actor = 'eve'", "DELETE FROM ledger", "TRUNCATE ledger", "TRUNCATE ledger CASCADE"]
)
def test_postgresql_itself_refuses_every_change(settings: Settings, database: Any, change: str) -> None:
    written = add(settings, "r1")
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="the ledger is append-only"):
        database.execute(change)
    assert ledger.read(settings) == [written]


def test_writers_at_once_take_turns_on_postgresql(settings: Settings) -> None:
    with ThreadPoolExecutor(6) as writers:
        list(writers.map(lambda n: add(settings, f"r{n}"), range(30)))
    entries = ledger.read(settings)
    assert [e.sequence for e in entries] == list(range(30))
    assert {e.release_id for e in entries} == {f"r{n}" for n in range(30)}


def test_a_writer_without_the_lock_collides_and_the_line_is_written_after_its(settings: Settings) -> None:
    """Two programs of which one does not take the lock: the number is unique, so one of them tries again."""
    taken = []

    def wanted(entries: list[Entry]) -> Draft:
        if not taken:
            taken.append(_written_past_the_lock(settings))
        return Draft(event="judged", at=AT, actor="ada", release_id="r2")

    with LedgerStore(settings.event_store_address) as store:
        second = store.append(wanted, keys.signer(settings, "promoter"))
    assert second is not None
    assert [e.release_id for e in ledger.read(settings)] == ["r1", "r2"]


def _written_past_the_lock(settings: Settings) -> Entry:
    with pytest.MonkeyPatch.context() as patch, LedgerStore(settings.event_store_address) as store:
        patch.setattr("pipelines.adapters.ledger_store.LOCK", 1)
        told = Draft(event="judged", at=AT, actor="eve", release_id="r1")
        entry = store.append(lambda _: told, keys.signer(settings, "promoter"))
    assert entry is not None
    return entry


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('UPDATE ledger SET facts = \'{"verdict":"promote"}\' WHERE sequence = 1', "entry 1 .* its hash"),
        ("DELETE FROM ledger WHERE sequence = 1", "entry 1 .* does not follow"),
        ("UPDATE ledger SET signature = repeat('0', 128) WHERE sequence = 2", "entry 2 .* signature"),
    ],
)
def test_what_the_owner_of_the_database_did_behind_the_triggers_back_is_found(
    settings: Settings, database: Any, change: str, said: str
) -> None:
    for n in range(3):
        add(settings, f"r{n}", verdict="reject")
    database.execute("ALTER TABLE ledger DISABLE TRIGGER USER")
    database.execute(change)
    with LedgerStore(settings.event_store_address) as store, pytest.raises(LedgerError, match=said):
        check(store.read(), keys.trust(settings))
