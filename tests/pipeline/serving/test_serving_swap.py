"""The champion is swapped whole when it moves, and kept when the new one is corrupt; pages come when things fail."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from pydantic import SecretStr

from pipelines.core.errors import StackError
from pipelines.core.settings import Settings
from serving.app import create_app
from serving.degradation import PatientRows
from serving.recommender import Recommender

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_without_a_champion_the_remedy_is_named(bare_api: Any) -> None:
    bare_api.until(lambda: "no release is champion" in str(bare_api.recommender.problem))

    for answer in (bare_api.client.get("/readyz"), bare_api.client.post("/v1/page", json={"user_id": "u1"})):
        assert answer.status_code == 503
        assert "no release is champion: run the retrain DAG" in answer.json()["error"]["message"]
    assert bare_api.client.get("/healthz").json() == {"status": "alive", "loading": False}


def test_a_recommender_is_loading_until_its_first_look_has_ended(bare_api: Any) -> None:
    recommender = Recommender(bare_api.settings, clock=lambda: NOON, registry=lambda: bare_api.shelf)
    assert recommender.loading
    recommender.refresh()
    assert not recommender.loading
    recommender.close()


def test_without_a_snapshot_the_remedy_is_named(bare_api: Any) -> None:
    bare_api.shelf.add(1)
    bare_api.shelf.alias = 1
    bare_api.until(lambda: "no media snapshot: run the refresh_features DAG" in str(bare_api.recommender.problem))
    assert bare_api.client.get("/readyz").status_code == 503


def test_the_page_follows_the_champion_when_it_moves_and_back(own_api: Any) -> None:
    first = own_api.page()["release_id"]
    second = own_api.shelf.add(2, seed=2)
    assert second != first

    for version, expected in ((2, second), (1, first)):
        own_api.shelf.alias = version
        own_api.until(lambda wanted=version: own_api.recommender.live.version == wanted)
        assert own_api.page()["release_id"] == expected
        assert own_api.client.get("/readyz").json()["version"] == version


def test_a_new_snapshot_is_taken_without_fetching_the_release_again(
    own_api: Any, new_snapshot: Callable[[Path, str], None]
) -> None:
    new_snapshot(own_api.settings.root, "s2")

    own_api.until(lambda: own_api.page()["snapshot"] == "s2")
    assert own_api.shelf.downloads == [1]


@pytest.mark.parametrize("harm", ["changed", "missing", "added"])
def test_a_corrupt_release_is_refused_and_the_old_one_kept(own_api: Any, harm: str) -> None:
    first = own_api.page()["release_id"]
    own_api.shelf.add(2, seed=2)
    victim = own_api.shelf.root / "2" / "ranker" / "encoder.json"
    match harm:
        case "changed":
            victim.write_text(victim.read_text() + " ")
        case "missing":
            victim.unlink()
        case "added":
            (victim.parent / "extra.json").write_text("{}")
    own_api.shelf.alias = 2

    own_api.until(lambda: "is not whole" in str(own_api.recommender.problem))
    ready = own_api.client.get("/readyz").json()
    assert (ready["release_id"], ready["version"]) == (first, 1)
    assert f"was {harm}" in ready["refused"] or f"is {harm}" in ready["refused"]
    assert own_api.page()["release_id"] == first
    own_api.shelf.alias = 1
    own_api.until(lambda: own_api.recommender.problem is None)


def test_a_corrupt_release_is_not_fetched_at_every_poll(own_api: Any) -> None:
    own_api.shelf.add(2, seed=2)
    (own_api.shelf.root / "2" / "manifest.json").write_text("{")
    own_api.shelf.alias = 2

    own_api.until(lambda: "cannot be read" in str(own_api.recommender.problem))
    time.sleep(0.1)
    assert own_api.shelf.downloads.count(2) == 1


def test_a_release_of_other_features_is_refused(own_api: Any) -> None:
    own_api.rows.defined = "others"
    own_api.shelf.add(2, seed=2)
    own_api.shelf.alias = 2

    own_api.until(lambda: "was trained on features none" in str(own_api.recommender.problem))
    assert own_api.client.get("/readyz").json()["version"] == 1


def test_without_the_registry_the_loaded_release_serves_on(own_api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def down() -> None:
        raise StackError("the model registry did not answer")

    monkeypatch.setattr(own_api.shelf, "champion", down)
    own_api.until(lambda: own_api.recommender.problem is not None)

    assert len(own_api.page()["items"]) == 10
    assert own_api.client.get("/readyz").json()["refused"] == "the model registry did not answer"


def test_without_the_feature_store_there_is_a_page_that_says_so(own_api: Any) -> None:
    def down() -> None:
        raise ConnectionError("no route")

    own_api.rows.trouble = down

    page = own_api.page("stranger")
    assert (page["degraded"], page["known"], len(page["items"])) == (True, None, 10)
    assert "the feature store did not answer (ConnectionError)" in page["degradations"][0]
    own_api.rows.trouble = lambda: None
    own_api.until(lambda: not own_api.page()["degraded"])


def test_rows_that_are_too_old_at_the_moment_of_the_page_are_counted(own_api: Any) -> None:
    assert own_api.client.get("/readyz").json()["stale_features"] == {}
    own_api.page(at="2026-09-01T12:00:00Z")
    assert own_api.client.get("/readyz").json()["stale_features"] == {"user_recent": 1}


def test_readyz_says_how_far_the_members_features_reach(own_api: Any) -> None:
    assert datetime.fromisoformat(own_api.client.get("/readyz").json()["features_through"]) == NOON

    def down() -> None:
        raise ConnectionError("no route")

    own_api.rows.trouble = down
    assert own_api.client.get("/readyz").json()["features_through"] is None


def test_a_slow_feature_store_does_not_make_the_page_slow(own_api: Any) -> None:
    own_api.rows.trouble = lambda: time.sleep(1.0)

    started = time.monotonic()
    pages = [own_api.page() for _ in range(5)]
    assert time.monotonic() - started < 0.9
    assert all(page["degraded"] and len(page["items"]) == 10 for page in pages)


def test_when_the_ranker_fails_titles_come_by_popularity(own_api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise FloatingPointError("broken")

    monkeypatch.setattr(type(own_api.recommender.live.pager), "assemble", broken)

    page = own_api.page(k=3)
    assert [item["media_id"] for item in page["items"]] == ["m39", "m38", "m37"]
    assert {(item["policy"], item["score"], item["propensity"]) for item in page["items"]} == {("popularity", None, 1)}
    assert "the ranker failed (FloatingPointError)" in page["degradations"][0]


def test_when_nothing_can_be_logged_the_page_says_so(own_api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object) -> None:
        raise StackError("the event store did not answer")

    for name in ("latest", "record_page", "page"):
        monkeypatch.setattr(f"pipelines.adapters.event_store.EventStore.{name}", down)

    page = own_api.page(request_id="r1")
    assert len(page["items"]) == 10
    assert any("not logged" in said for said in page["degradations"])


def test_a_source_that_failed_is_asked_again_once_it_opens() -> None:
    failing, asked = [False], []

    class Source:
        stale: ClassVar[dict[str, int]] = {}

        def user_row(self, user_id: str, at: datetime | None = None) -> dict[str, object]:
            asked.append(user_id)
            if failing[0]:
                raise OSError
            return {"user_age": 40}

        def loaded_through(self) -> datetime | None:
            return NOON

        def fingerprint(self) -> str:
            return "f"

    patient = PatientRows(Source)
    assert patient.row("u1", NOON) == ({}, "the feature store is not open yet")
    patient.open()
    failing[0] = True
    assert patient.row("u1", NOON) == ({"user_age": None}, "the feature store did not answer (OSError)")
    patient.open()
    asked.clear()
    assert patient.row("u1", NOON)[0] == {"user_age": None}
    assert asked == []
    failing[0] = False
    patient.open()
    assert patient.row("u1", NOON) == ({"user_age": 40}, None)
    patient.close()


def test_production_refuses_another_moment_and_takes_the_given_key(
    own_api: Any, serve: Callable[[Any], Any], tmp_path: Path
) -> None:
    production = Settings(
        profile="production",
        home=tmp_path / "production",
        event_store_url=SecretStr(f"sqlite:///{tmp_path}/production.db"),
        mlflow_url="http://localhost:1",
        redis_url=SecretStr("redis://localhost:1"),
        feast_registry_url=SecretStr("sqlite://"),
        api_key=SecretStr("given"),
    )
    with serve(create_app(production, own_api.recommender)) as address:
        body = {"user_id": "u1", "at": "2024-01-01T00:00:00Z"}
        answer = httpx.post(f"{address}/v1/page", json=body, headers={"X-API-Key": "given"})

    assert answer.status_code == 400
    assert "only the embedded profile" in answer.json()["error"]["message"]
    assert not production.api_key_path.exists()
