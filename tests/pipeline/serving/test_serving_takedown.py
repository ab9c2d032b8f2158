"""Takedowns over real HTTP: a title off every page, whoever decided it and whatever was answered before."""

from threading import Event, Thread
from typing import Any

import pytest
from typer.testing import CliRunner

from marquee.cli import app as command
from pipelines.adapters.event_store import EventStore
from pipelines.core.errors import StackError
from serving.decisions import Decisions


def shown(api: Any, **asked: Any) -> list[str]:
    return [item["media_id"] for item in api.page(k=100, **asked)["items"]]


def decide(api: Any, media_id: str, *, lift: bool = False) -> dict[str, Any]:
    answer = api.client.post("/v1/takedowns", json={"media_id": media_id, "reason": "court order", "lift": lift})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_title_taken_down_is_on_no_page_until_that_is_lifted(own_api: Any) -> None:
    assert "m02" in shown(own_api)
    assert decide(own_api, "m02") == {"media_id": "m02", "down": True, "known": True}
    assert "m02" not in shown(own_api)
    assert "m02" not in shown(own_api, user_id="stranger")
    assert [held["media_id"] for held in own_api.client.get("/v1/takedowns").json()] == ["m02"]
    assert decide(own_api, "m02", lift=True)["down"] is False
    assert own_api.client.get("/v1/takedowns").json() == []
    assert "m02" in shown(own_api)


def test_the_page_without_a_ranker_leaves_it_out_too(own_api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    decide(own_api, "m39")
    monkeypatch.setattr("pipelines.page.Pager.features", lambda *_: 1 / 0)
    page = own_api.page(k=100)
    assert page["degraded"]
    assert "m39" not in {item["media_id"] for item in page["items"]}


def test_a_page_that_was_given_before_comes_back_without_it_and_as_it_was_logged(own_api: Any) -> None:
    before = own_api.page(request_id="r1", k=5)["items"]
    decide(own_api, before[1]["media_id"])
    assert own_api.page(request_id="r1", k=5)["items"] == [before[0], *before[2:]]


def test_what_another_process_decides_holds_here_within_a_poll(own_api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARQUEE_HOME", str(own_api.settings.root))
    done = CliRunner().invoke(command, ["takedown", "m02", "--reason", "licence"])
    assert done.exit_code == 0, done.output
    own_api.until(lambda: "m02" not in shown(own_api))
    assert CliRunner().invoke(command, ["takedown", "m02", "--reason", "renewed", "--lift"]).exit_code == 0
    own_api.until(lambda: "m02" in shown(own_api))


def test_a_takedown_of_a_title_that_nobody_knows_is_kept_and_says_so(own_api: Any) -> None:
    assert decide(own_api, "m99") == {"media_id": "m99", "down": True, "known": False}


def test_a_takedown_needs_the_key_and_a_reason(api: Any) -> None:
    body = {"media_id": "m02", "reason": "court order"}
    assert api.client.post("/v1/takedowns", json=body, headers={"X-API-Key": "wrong"}).status_code == 401
    refused = api.client.post("/v1/takedowns", json={"media_id": "m02"})
    assert (refused.status_code, refused.json()["error"]["thing"]) == (422, "reason")


def test_events_of_a_title_taken_down_are_still_heard(own_api: Any) -> None:
    decide(own_api, "m02")
    watch = {"type": "watch", "event_id": "e1", "user_id": "u1", "media_id": "m02", "completion": 1.0}
    assert own_api.events(watch | {"at": "2026-03-01T11:00:00Z"})["accepted"] == 1


def test_what_is_taken_down_stays_down_while_the_event_store_is_silent(own_api: Any) -> None:
    with EventStore(own_api.settings.event_store_address) as store:
        decide(own_api, "m02")
        held = Decisions(store, poll_seconds=0.01)
        held.start()
        try:
            silent: list[int] = []

            def down() -> list[dict[str, Any]]:
                silent.append(1)
                raise StackError("down")

            store.takedowns = down  # type: ignore[method-assign]
            own_api.until(lambda: len(silent) > 2)
            assert held.down == {"m02"}
        finally:
            held.close()


def test_an_older_answer_of_the_event_store_does_not_undo_a_decision(own_api: Any) -> None:
    with EventStore(own_api.settings.event_store_address) as store:
        held, at_once = Decisions(store, poll_seconds=60), store.takedowns
        heard, told = Event(), Event()

        def slowly() -> list[dict[str, Any]]:
            found = at_once()
            heard.set()
            assert told.wait(10)
            return found

        store.takedowns = slowly  # type: ignore[method-assign]
        older = Thread(target=held.refresh)
        older.start()
        assert heard.wait(10)
        store.takedowns = at_once  # type: ignore[method-assign]
        decide(own_api, "m02")
        newer = Thread(target=held.refresh)
        newer.start()
        newer.join(0.3)
        told.set()
        for asked in (older, newer):
            asked.join(10)
        assert held.down == {"m02"}
