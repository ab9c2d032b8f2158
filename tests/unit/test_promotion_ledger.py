"""The ledger as promotion uses it: checked before every line, brought in from its old file, compared with MLflow."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.core import standing
from pipelines.core.errors import LedgerError, ReleaseError, SettingsError
from pipelines.core.ledger import Draft, Entry
from pipelines.core.settings import Settings
from pipelines.promotion import ledger

AT = datetime(2022, 5, 3, 12, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home")


@pytest.fixture
def mlflow(monkeypatch):
    """MLflow's stand-in: version -> tags; an exception instead is raised."""
    held: dict[int, Any] = {}

    class Registry:
        def __init__(self, _: Settings) -> None: ...

        def releases(self) -> list[Any]:
            return [SimpleNamespace(version=version) for version in held]

        def tags(self, version: int) -> dict[str, str]:
            if isinstance(held[version], Exception):
                raise held[version]
            return held[version]

    monkeypatch.setattr(ledger, "ModelRegistry", Registry)
    return held


def add(settings: Settings, release_id: str = "r1") -> Entry:
    told = Draft(event="judged", at=AT, actor="ada", release_id=release_id, facts={"verdict": "promote"})
    entry = ledger.append(settings, "promoter", lambda _: told)
    assert entry is not None
    return entry


def behind_its_back(settings: Settings, change: str) -> None:
    with closing(sqlite3.connect(settings.root / "events.db")) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.execute(change)
        database.commit()


def test_a_ledger_without_lines_is_empty_and_whole(settings, mlflow):
    assert ledger.read(settings) == []
    assert ledger.verify(settings).as_dict() == {"entries": 0, "head": None, "anchors": 0}


def test_no_line_is_added_to_a_ledger_that_was_changed(settings):
    add(settings)
    behind_its_back(settings, "UPDATE ledger SET actor = 'eve'")
    for asked in (lambda: add(settings, "r2"), lambda: ledger.read(settings)):
        with pytest.raises(LedgerError, match=r"ledger entry 0 \(judged of r1\) does not match its hash"):
            asked()


def test_lines_that_were_cut_off_at_the_end_are_missed_by_the_version_that_names_one(settings, mlflow):
    kept, cut = add(settings), add(settings, "r2")
    mlflow[1], mlflow[2], mlflow[3] = {"ledger": ledger.anchor(kept)}, {"ledger": ledger.anchor(cut)}, {}
    assert ledger.verify(settings).as_dict() == {"entries": 2, "head": ledger.anchor(cut), "anchors": 2}
    behind_its_back(settings, "DELETE FROM ledger WHERE sequence = 1")
    with pytest.raises(LedgerError, match="ledger entry 1, which version 2 in MLflow names, is gone or another one"):
        ledger.verify(settings)


def test_without_mlflow_the_lines_are_checked_alone(settings, mlflow):
    add(settings)
    mlflow[1] = ReleaseError("MLflow could not answer")
    assert ledger.verify(settings).anchors is None


def test_whoever_lacks_a_public_key_cannot_verify_and_is_told_which(tmp_path, settings):
    servers = {
        "mlflow_url": "http://localhost:1",
        "redis_url": "redis://localhost:1",
        "feast_registry_url": "sqlite://",
    }
    production = Settings(
        profile="production", home=tmp_path, event_store_url=settings.event_store_address, api_key="k", **servers
    )
    with pytest.raises(
        SettingsError, match="set MARQUEE_TRAINER_PUBLIC_KEY, MARQUEE_PROMOTER_PUBLIC_KEY, MARQUEE_SERVER"
    ):
        ledger.verify(production)


def old_line(number: int, release_id: str, verdict: str, forced: str | None = None) -> str:
    facts = {"verdict": verdict, "reasons": [], "forced": forced, "before": None}
    about = {"sequence": number, "at": AT.isoformat(), "event": "decided", "actor": "ada", "release_id": release_id}
    return json.dumps(about | {"version": number + 1, "facts": facts, "previous": "p", "hash": f"h{number}"})


def test_the_lines_of_the_old_file_are_brought_in_once_and_the_file_is_set_aside(settings):
    settings.root.mkdir(parents=True)
    told = [old_line(0, "r1", "promote"), old_line(1, "r2", "reject"), old_line(2, "r3", "reject", "champion")]
    (settings.root / "ledger.jsonl").write_text("\n".join(told) + "\n")
    ledger.bring_in(settings)
    entries = ledger.read(settings)
    assert [(e.event, e.release_id, e.version) for e in entries] == [
        ("judged", "r1", 1),
        ("promoted", "r1", 1),
        ("judged", "r2", 2),
        ("judged", "r3", 3),
        ("approved", "r3", 3),
        ("promoted", "r3", 3),
    ]
    assert {(e.actor, e.at) for e in entries} == {("ada", AT)}
    assert standing.champion(entries) == entries[-1]
    assert [path.name for path in settings.root.glob("ledger*")] == ["ledger.jsonl.imported"]


def test_an_import_that_was_cut_off_is_finished(settings):
    settings.root.mkdir(parents=True)
    path = settings.root / "ledger.jsonl"
    path.write_text(old_line(0, "r1", "promote"))
    ledger.bring_in(settings)
    path.write_text("\n".join([old_line(0, "r1", "promote"), old_line(1, "r2", "reject")]))
    assert [(e.event, e.release_id) for e in ledger.read(settings)] == [
        ("judged", "r1"),
        ("promoted", "r1"),
        ("judged", "r2"),
    ]


def test_an_old_file_that_cannot_be_read_is_named(settings):
    settings.root.mkdir(parents=True)
    (settings.root / "ledger.jsonl").write_text("{\n")
    with pytest.raises(LedgerError, match=r"ledger\.jsonl holds a line that cannot be read"):
        ledger.read(settings)
