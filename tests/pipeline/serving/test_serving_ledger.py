"""The alias is moved by anybody; what serves is what the ledger lets serve, and the ledger says what served."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from pipelines.core import keys
from pipelines.core.errors import SettingsError
from pipelines.core.ledger import Draft
from pipelines.core.settings import Settings
from pipelines.promotion import ledger, moves
from serving.ledgered import PATIENCE, Ledgered
from serving.recommender import Recommender


def told(api: Any) -> list[tuple[Any, ...]]:
    """What the API wrote: (event, version, accepted)."""
    mine = (e for e in ledger.read(api.settings) if e.actor == "api")
    return [(e.event, e.version, e.facts["accepted"]) if "accepted" in e.facts else (e.event, e.version) for e in mine]


def write(api: Any, event: str, version: int, at: Any, **facts: Any) -> None:
    about = {"event": event, "at": at, "actor": "ada", "release_id": api.shelf.ids[version], "version": version}
    draft = Draft.model_validate(about | {"facts": facts})
    ledger.append(api.settings, "promoter", lambda _: draft)


def started_again(api: Any) -> Recommender:
    """Another process of the API, which has looked once."""
    own = Recommender(api.settings, clock=api.clock, registry=lambda: api.shelf, features=lambda: api.rows)
    own.refresh()
    return own


def test_what_serves_is_written_once_however_many_processes_serve_it(own_api: Any) -> None:
    own_api.until(lambda: ("serving", 1) in told(own_api))
    before = told(own_api)
    other = started_again(own_api)
    assert (other.live.version, other.problem) == (1, None)
    assert told(own_api) == before == [("alias_moved", 1, True), ("serving", 1)]
    line = ledger.read(own_api.settings)[-1]
    assert line.facts == {"snapshot": "s1", "before": None}
    other.close()


@pytest.mark.parametrize("verdict", ["reject", "inconclusive"])
def test_an_alias_that_the_ledger_does_not_back_is_noted_and_the_champion_kept(own_api: Any, verdict: str) -> None:
    champion = own_api.page()["release_id"]
    refused = own_api.shelf.add(2, seed=2, verdict=verdict)
    own_api.shelf.alias = 2
    own_api.until(lambda: "may not be served" in str(own_api.recommender.problem))
    ready = own_api.client.get("/readyz").json()
    assert (ready["release_id"], ready["version"]) == (champion, 1)
    assert f"names version 2 ({refused}), which may not be served: the gate said {verdict}" in ready["refused"]
    assert f"{champion}, the last champion of the ledger, stays: set the alias back" in ready["refused"]
    assert own_api.page()["release_id"] == champion
    assert 2 not in own_api.shelf.downloads
    assert told(own_api)[-1] == ("alias_moved", 2, False)

    time.sleep(0.2)
    assert told(own_api).count(("alias_moved", 2, False)) == 1
    own_api.shelf.alias = 1
    own_api.until(lambda: own_api.recommender.problem is None)
    assert told(own_api)[-1] == ("alias_moved", 1, True)


def test_it_is_said_once_at_the_level_of_an_error(own_api: Any, caplog: pytest.LogCaptureFixture) -> None:
    own_api.shelf.add(2, seed=2, verdict="reject")
    own_api.shelf.alias = 2
    own_api.until(lambda: own_api.recommender.problem is not None)
    time.sleep(0.2)
    errors = [r for r in caplog.records if r.levelname == "ERROR" and "may not be served" in r.getMessage()]
    assert len(errors) == 1


def test_an_approval_lets_serve_what_the_gate_did_not(own_api: Any) -> None:
    own_api.shelf.add(2, seed=2, verdict="inconclusive")
    own_api.shelf.alias = 2
    own_api.until(lambda: own_api.recommender.problem is not None)
    write(own_api, "approved", 2, own_api.clock(), reason="seen")
    own_api.until(lambda: ("serving", 2) in told(own_api))
    assert told(own_api)[-2:] == [("alias_moved", 2, True), ("serving", 2)]
    assert moves.champion(own_api.settings).release_id == own_api.page()["release_id"]


def test_an_alias_that_was_taken_away_leaves_the_champion_in_place(own_api: Any) -> None:
    own_api.until(lambda: ("serving", 1) in told(own_api))
    own_api.shelf.alias = None
    own_api.until(lambda: "the alias champion names nothing" in str(own_api.recommender.problem))
    assert own_api.client.get("/readyz").json()["version"] == 1
    assert started_again(own_api).live.version == 1


def test_after_a_restart_the_last_ledgered_champion_is_found_whatever_the_alias_names(own_api: Any) -> None:
    own_api.until(lambda: ("serving", 1) in told(own_api))
    own_api.shelf.add(2, seed=2, verdict="reject")
    own_api.shelf.alias = 2
    own_api.until(lambda: own_api.recommender.problem is not None)
    other = started_again(own_api)
    assert other.live.version == 1
    assert "may not be served" in other.problem
    other.close()


def test_after_a_restart_with_a_corrupt_champion_the_one_that_served_before_serves(own_api: Any) -> None:
    own_api.until(lambda: ("serving", 1) in told(own_api))
    own_api.shelf.add(2, seed=2)
    (own_api.shelf.root / "2" / "ranker" / "encoder.json").write_text("{}")
    own_api.shelf.alias = 2
    own_api.until(lambda: "is not whole" in str(own_api.recommender.problem))
    other = started_again(own_api)
    assert other.live.version == 1
    assert "encoder.json was changed" in other.problem
    other.refresh()
    assert (other.live.version, "encoder.json was changed" in other.problem) == (1, True)
    other.close()


def test_an_alias_without_a_line_and_no_champion_serves_nothing(
    bare_api: Any, new_snapshot: Callable[..., None]
) -> None:
    new_snapshot(bare_api.settings.root)
    bare_api.shelf.add(1, verdict="reject")
    bare_api.shelf.alias = 1
    bare_api.until(lambda: "may not be served: the gate said reject" in str(bare_api.recommender.problem))
    assert bare_api.client.get("/readyz").status_code == 503


def test_a_version_that_holds_another_release_than_it_says_is_not_served(own_api: Any) -> None:
    """The ledger's line is of exactly that release: a tag that was edited in MLflow gives nothing."""
    own_api.shelf.add(2, seed=2, verdict="reject")
    own_api.shelf.ids[2] = own_api.shelf.ids[1]
    own_api.shelf.alias = 2
    own_api.until(lambda: "version 2 holds release" in str(own_api.recommender.problem))
    assert own_api.client.get("/readyz").json()["version"] == 1


def test_a_ledger_that_was_changed_is_not_believed(own_api: Any) -> None:
    own_api.until(lambda: ("serving", 1) in told(own_api))
    own_api.shelf.add(2, seed=2, verdict="reject")
    with closing(sqlite3.connect(own_api.settings.root / "events.db", timeout=30)) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.execute("UPDATE ledger SET facts = replace(facts, 'reject', 'promote')")
        database.commit()
    own_api.shelf.alias = 2
    other = started_again(own_api)
    assert other.live is None
    assert "the ledger was changed" in other.problem
    other.close()
    assert own_api.recommender.live.version == 1


def test_a_line_that_the_promoter_did_not_sign_lets_nothing_serve(own_api: Any, tmp_path: Path) -> None:
    stranger = Settings(home=tmp_path / "stranger", event_store_url=SecretStr(own_api.settings.event_store_address))
    own_api.until(lambda: ("serving", 1) in told(own_api))
    own_api.shelf.add(2, seed=2, verdict="reject")
    draft = Draft(event="approved", at=own_api.clock(), actor="eve", release_id=own_api.shelf.ids[2], version=2)
    from pipelines.adapters.ledger_store import LedgerStore

    with LedgerStore(stranger.event_store_address) as store:
        store.append(lambda _: draft, keys.signer(stranger, "promoter"))
    own_api.shelf.alias = 2
    own_api.until(lambda: "that is not the promoter's" in str(own_api.recommender.problem))
    assert own_api.client.get("/readyz").json()["version"] == 1


def test_a_move_that_was_written_and_not_yet_made_is_waited_for(own_api: Any) -> None:
    own_api.until(lambda: ("serving", 1) in told(own_api))
    own_api.shelf.add(2, seed=2)
    chooser = Ledgered(own_api.settings, own_api.clock)
    seen = own_api.shelf.champion()
    write(own_api, "promoted", 2, own_api.clock(), before=own_api.shelf.ids[1])
    chosen = [chooser.choose(seen) for _ in range(PATIENCE)]
    assert {(c.version, c.problem) for c in chosen} == {(1, None)}
    chooser.close()
    own_api.shelf.alias = 2
    own_api.until(lambda: ("serving", 2) in told(own_api))
    assert [line for line in told(own_api) if line[0] == "alias_moved"] == [("alias_moved", 1, True)]


def test_a_move_that_was_never_made_is_seen_in_the_end(own_api: Any) -> None:
    own_api.until(lambda: ("serving", 1) in told(own_api))
    own_api.shelf.add(2, seed=2)
    write(own_api, "promoted", 2, own_api.clock(), before=own_api.shelf.ids[1])
    own_api.until(lambda: told(own_api).count(("alias_moved", 1, True)) == 2)
    assert own_api.client.get("/readyz").json()["version"] == 1


def test_when_the_ledger_cannot_be_written_pages_go_on_and_the_line_is_written_later(
    own_api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.adapters.ledger_store import LedgerStore
    from pipelines.core.errors import StackError

    def down(*_: object) -> None:
        raise StackError("the event store did not answer")

    own_api.until(lambda: ("serving", 1) in told(own_api))
    own_api.shelf.add(2, seed=2)
    write(own_api, "promoted", 2, own_api.clock(), before=own_api.shelf.ids[1])
    with monkeypatch.context() as patch:
        patch.setattr(LedgerStore, "append", down)
        own_api.shelf.alias = 2
        own_api.until(lambda: own_api.recommender.live.version == 2)
        own_api.until(lambda: "did not answer" in str(own_api.recommender.problem))
        assert own_api.page()["release_id"] == own_api.shelf.ids[2]
    own_api.until(lambda: own_api.recommender.problem is None)
    assert told(own_api)[-1] == ("serving", 2)


def test_an_api_in_production_starts_only_where_it_can_verify_and_sign(tmp_path: Path) -> None:
    given = {name.removeprefix("MARQUEE_").lower(): value for name, value in keys.made().items()}
    servers = {"event_store_url": f"sqlite:///{tmp_path}/e.db", "mlflow_url": "http://localhost:1", "api_key": "k"}
    servers |= {"redis_url": "redis://localhost:1", "feast_registry_url": "sqlite://"}

    def start(*names: str) -> Ledgered:
        own = {name: given[name] for name in names}
        return Ledgered(Settings(profile="production", home=tmp_path, **servers, **own), lambda: None)  # type: ignore

    start("server_key", "promoter_public_key").close()
    with pytest.raises(SettingsError, match="MARQUEE_PROMOTER_PUBLIC_KEY is not set"):
        start("server_key")
    with pytest.raises(SettingsError, match="MARQUEE_SERVER_KEY is not set"):
        start("promoter_public_key")
