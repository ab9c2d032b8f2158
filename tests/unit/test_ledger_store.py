"""The ledger's table on SQLite: it can only be added to, one line after the other, and nothing is spelt anew."""

import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.adapters.event_store import EventStore
from pipelines.adapters.ledger_store import LedgerStore
from pipelines.core import keys
from pipelines.core.errors import LedgerError, MoveRefused, StackError
from pipelines.core.ledger import Draft, Entry, check, seal
from pipelines.core.settings import Settings

AT = datetime(2026, 3, 1, 12, 0, 0, 123_457, tzinfo=UTC)
FACTS = {
    "gain": 0.30000000000000004,
    "tiny": 5e-324,
    "large": 1e300,
    "minus": -0.0,
    "text": "ö,\"'\u2028",
    "none": None,
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def store(settings: Settings) -> Iterator[LedgerStore]:
    with LedgerStore(settings.event_store_address) as opened:
        opened.migrate()
        yield opened


def add(store: LedgerStore, settings: Settings, release_id: str = "r1", **facts: Any) -> Entry:
    told = Draft(event="judged", at=AT, actor="ada", release_id=release_id, version=1, facts=facts)
    entry = store.append(lambda _: told, keys.signer(settings, "promoter"))
    assert entry is not None
    return entry


@contextlib.contextmanager
def behind_its_back(settings: Settings, *, without_triggers: bool = True) -> Iterator[sqlite3.Connection]:
    """A connection to the database file; by default its triggers are dropped first."""
    with contextlib.closing(sqlite3.connect(settings.root / "events.db", timeout=30)) as database:
        if without_triggers:
            names = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for (name,) in names:
                database.execute(f"DROP TRIGGER {name}")
        yield database
        database.commit()


def test_lines_come_back_exactly_as_they_were_written(store: LedgerStore, settings: Settings) -> None:
    assert (store.read(), store.head()) == ([], None)
    written = [add(store, settings, "r1", **FACTS), add(store, settings, "r2")]
    read = store.read()
    assert read == written
    assert (read[0].facts, read[0].at) == (FACTS, AT)
    assert store.head() == (1, written[1].hash)
    check(read, keys.trust(settings))


def test_the_schema_is_the_canonical_one(store: LedgerStore, settings: Settings) -> None:
    with EventStore(settings.event_store_address) as events:
        assert events.differences() == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger SET actor = 'eve'",
        "DELETE FROM ledger",
        "INSERT OR REPLACE INTO ledger SELECT * FROM ledger WHERE sequence = 0",
        "INSERT INTO ledger SELECT sequence + 9, at, event, actor, release_id, facts, previous, key_id, hash, "
        "signature, version FROM ledger WHERE sequence = 0",
    ],
)
def test_the_database_itself_refuses_every_change(store: LedgerStore, settings: Settings, change: str) -> None:
    written = [add(store, settings), add(store, settings, "r2")]
    with (
        behind_its_back(settings, without_triggers=False) as database,
        pytest.raises(sqlite3.IntegrityError, match="the ledger is append-only"),
    ):
        database.execute(change)
    assert store.read() == written


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            'UPDATE ledger SET facts = \'{"verdict":"promote"}\' WHERE sequence = 1',
            "entry 1 .* does not match its hash",
        ),
        ("DELETE FROM ledger WHERE sequence = 1", "entry 1 .* does not follow"),
        ("UPDATE ledger SET sequence = 2 - sequence", "entry 0 .* does not follow"),
        ("UPDATE ledger SET signature = hex(randomblob(64)) WHERE sequence = 2", "entry 2 .* a signature that is not"),
        ("UPDATE ledger SET event = 'crowned' WHERE sequence = 2", "entry 2 cannot be read"),
        ("UPDATE ledger SET facts = 'x' WHERE sequence = 0", "entry 0 cannot be read"),
    ],
)
def test_what_was_done_behind_the_triggers_back_is_found(
    store: LedgerStore, settings: Settings, change: str, said: str
) -> None:
    for n in range(3):
        add(store, settings, f"r{n}", verdict="reject")
    with behind_its_back(settings) as database:
        if "2 - sequence" in change:  # SQLite checks that a number is there once, row by row.
            database.execute("UPDATE ledger SET sequence = sequence - 10")
            change = "UPDATE ledger SET sequence = -8 - sequence"
        database.execute(change)
    with pytest.raises(LedgerError, match=said):
        check(store.read(), keys.trust(settings))


def test_nothing_is_added_where_nothing_is_wanted_or_the_writer_refuses(store: LedgerStore, settings: Settings) -> None:
    signer = keys.signer(settings, "promoter")
    assert store.append(lambda _: None, signer) is None

    def refuse(_: list[Entry]) -> Draft:
        raise MoveRefused("no")

    with pytest.raises(MoveRefused):
        store.append(refuse, signer)
    assert store.read() == []
    assert add(store, settings).sequence == 0


def test_writers_at_once_take_turns_in_threads(store: LedgerStore, settings: Settings) -> None:
    def write(number: int) -> None:
        with LedgerStore(settings.event_store_address) as own:
            add(own, settings, f"r{number}")

    with ThreadPoolExecutor(4) as writers:
        list(writers.map(write, range(20)))
    entries = store.read()
    assert [e.sequence for e in entries] == list(range(20))
    assert {e.release_id for e in entries} == {f"r{n}" for n in range(20)}
    check(entries, keys.trust(settings))


def test_writers_at_once_take_turns_in_processes(store: LedgerStore, settings: Settings) -> None:
    program = (
        "import sys, pathlib, datetime as d\n"
        "from pipelines.adapters.ledger_store import LedgerStore\n"
        "from pipelines.core import keys\n"
        "from pipelines.core.ledger import Draft\n"
        "from pipelines.core.settings import Settings\n"
        "s = Settings(home=pathlib.Path(sys.argv[1]))\n"
        "at = d.datetime(2026, 3, 1, tzinfo=d.timezone.utc)\n"
        "with LedgerStore(s.event_store_address) as store:\n"
        "    for n in range(10):\n"
        "        told = Draft(event='judged', at=at, actor=sys.argv[2], release_id=str(n))\n"
        "        store.append(lambda _: told, keys.signer(s, 'promoter'))\n"
    )
    started = [subprocess.Popen([sys.executable, "-c", program, str(settings.root), name]) for name in ("ada", "eve")]
    assert [process.wait(60) for process in started] == [0, 0]
    entries = store.read()
    check(entries, keys.trust(settings))
    assert sorted((e.actor, int(e.release_id)) for e in entries) == [(a, n) for a in ("ada", "eve") for n in range(10)]


def test_a_writer_that_takes_no_lock_is_waited_for_and_the_line_follows_its(
    store: LedgerStore, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where somebody does not take the lock: the number is unique, and the next try sees the other line."""
    signer, seen = keys.signer(settings, "promoter"), []
    told = Draft(event="judged", at=AT, actor="ada", release_id="r2")
    first = add(store, settings, "r1")
    stale = [[], store.read()]

    def wanted(entries: list[Entry]) -> Draft:
        seen.append(len(entries))
        return told

    with monkeypatch.context() as patch:
        patch.setattr(LedgerStore, "_read", lambda *_: stale.pop(0))
        entry = store.append(wanted, signer)
    assert seen == [0, 1]
    assert entry == seal(told, first, signer)
    monkeypatch.setattr(LedgerStore, "_read", lambda *_: [])
    with pytest.raises(StackError, match="the ledger took no line in 5 tries"):
        store.append(wanted, signer)


def test_a_database_that_does_not_answer_is_said_so(tmp_path: Path) -> None:
    with LedgerStore(f"sqlite:///{tmp_path}/none.db") as store, pytest.raises(StackError, match="did not answer"):
        store.read()
