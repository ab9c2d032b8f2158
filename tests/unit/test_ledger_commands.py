"""`marquee ledger` and `marquee release verify`: what they print, and their exit codes."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from marquee.cli import app
from pipelines.core.ledger import Draft
from pipelines.core.settings import Settings
from pipelines.promotion import ledger

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home where r1 served from noon on and r2 from one o'clock on; MLflow holds no version."""
    monkeypatch.setenv("MARQUEE_HOME", str(tmp_path))
    monkeypatch.setattr(ledger, "ModelRegistry", lambda _: SimpleNamespace(releases=list))
    found = Settings(home=tmp_path)
    told = [("promoter", "judged", "r1", 0), ("server", "serving", "r1", 0), ("server", "serving", "r2", 60)]
    for role, event, release_id, minutes in told:
        about: dict[str, Any] = {"event": event, "actor": "ada", "release_id": release_id, "version": 1}
        draft = Draft.model_validate(about | {"at": AT + timedelta(minutes=minutes), "facts": {"verdict": "promote"}})
        ledger.append(found, role, lambda _, draft=draft: draft)  # type: ignore[arg-type]
    return found


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def test_the_ledger_is_listed_with_the_newest_line_last(settings: Settings) -> None:
    said = run("ledger")
    assert said.exit_code == 0
    lines = [line for line in said.stdout.splitlines() if "ada" in line]
    assert ["serving" in line for line in lines] == [False, True, True]
    assert "r2" in lines[-1]
    listed = json.loads(run("ledger", "--json").stdout)["entries"]
    assert [e["sequence"] for e in listed] == [0, 1, 2]
    assert listed[0]["facts"] == {"verdict": "promote"}


@pytest.mark.parametrize(
    ("at", "release"),
    [
        ("2026-03-01T11:59:59Z", None),
        ("2026-03-01T12:00:00Z", "r1"),
        ("2026-03-01T12:30", "r1"),
        ("2026-03-01T15:00:00+02:00", "r2"),
        ("2026-04-01", "r2"),
    ],
)
def test_it_says_which_release_served_at_a_moment(settings: Settings, at: str, release: str | None) -> None:
    assert json.loads(run("ledger", "--at", at, "--json").stdout)["release_id"] == release
    assert (f"release {release} (version 1) served" if release else "nothing served") in run(
        "ledger", "--at", at
    ).stdout


def test_a_moment_that_is_none_is_refused(settings: Settings) -> None:
    said = run("ledger", "--at", "yesterday")
    assert said.exit_code == 2
    assert "--at yesterday is no time: write it like" in said.stderr


def test_a_whole_ledger_verifies_and_a_changed_one_names_its_first_bad_line(settings: Settings) -> None:
    assert run("ledger", "verify").stdout.startswith("the ledger is whole: 3 entries")
    with closing(sqlite3.connect(settings.root / "events.db")) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.execute("UPDATE ledger SET release_id = 'r9' WHERE sequence > 0")
        database.commit()
    said = run("ledger", "verify")
    assert said.exit_code == 1
    assert "ledger entry 1 (serving of r9) does not match its hash: the ledger was changed" in said.stderr


def test_a_set_of_keys_is_printed_as_lines_of_an_environment_file() -> None:
    lines = dict(line.split("=", 1) for line in run("ledger", "keys").stdout.splitlines())
    assert set(lines) == {f"MARQUEE_{r}_{k}" for r in ("TRAINER", "PROMOTER", "SERVER") for k in ("KEY", "PUBLIC_KEY")}
    assert len(set(lines.values())) == 6


def test_a_command_after_the_options_of_the_list_is_refused(settings: Settings) -> None:
    assert run("ledger", "--json", "verify").exit_code == 2
