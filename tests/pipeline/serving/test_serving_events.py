"""Posted events over real HTTP: kept once, judged one by one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipelines.adapters.event_store import EventStore
from pipelines.core.contracts import History

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event(type_: str, event_id: str = "e1", **other: Any) -> dict[str, Any]:
    return {"type": type_, "event_id": event_id, "user_id": "u1", "at": NOON.isoformat()} | other


def watch(event_id: str = "e1", **other: Any) -> dict[str, Any]:
    return event("watch", event_id, **{"media_id": "m05", "watched_seconds": 90, "total_seconds": 100} | other)


def kept(api: Any, table: str) -> list[dict[str, Any]]:
    with EventStore(api.settings.event_store_address) as store:
        return list(store.read(table, NOON - timedelta(days=1), NOON + timedelta(days=1)).to_pylist())


def test_events_of_every_kind_are_kept(api: Any) -> None:
    page = api.page(request_id="r1", k=3)
    shown = page["items"][0]

    heard = api.events(
        watch("w1", media_id=shown["media_id"], impression_id="r1-0", request_id="r1", device="tv"),
        event("search", "q1", query="heist"),
        event("session", "v1", session_id="v1"),
        event("click", "c1", impression_id="r1-0"),
        event("dismissal", "d1", media_id="m07"),
        event("preference", "p1", kind="genre", value="drama"),
    )

    assert heard == {"accepted": 6, "duplicates": 0, "rejected": []}
    seen = kept(api, "watches")[0]
    assert (seen["watch_id"], seen["completion"], seen["impression_id"]) == ("w1", 0.9, "r1-0")
    assert (seen["started_at"], seen["available_at"]) == (NOON, NOON)
    assert [row["query"] for row in kept(api, "searches")] == ["heist"]
    assert [row["session_id"] for row in kept(api, "sessions")] == ["v1"]
    assert [row["media_id"] for row in kept(api, "dismissals")] == ["m07"]
    chosen = {"user_id": "u1", "kind": "genre", "value": "drama", "chosen_at": NOON, "available_at": NOON}
    assert kept(api, "preferences") == [chosen]
    assert [row["clicked"] for row in kept(api, "impressions")] == [True, False, False]


def test_an_event_sent_again_is_a_duplicate(api: Any) -> None:
    api.page(request_id="r1", k=1)
    sent = [watch("w1"), watch("w2"), event("click", "c1", impression_id="r1-0")]

    assert api.events(*sent)["accepted"] == 3
    assert api.events(*sent, watch("w3")) == {"accepted": 1, "duplicates": 3, "rejected": []}
    assert len(kept(api, "watches")) == 3


def test_a_session_is_closed_by_its_end(api: Any) -> None:
    end = (NOON + timedelta(minutes=3)).isoformat()
    api.events(event("session", "v1", session_id="v1"))

    assert api.events(event("session", "v2", session_id="v1", ended_at=end))["accepted"] == 1
    assert [row["ended_at"].isoformat() for row in kept(api, "sessions")] == [end]


def test_a_purchase_may_say_its_completion(api: Any) -> None:
    api.events(watch("w1", watched_seconds=None, total_seconds=None, completion=1))
    assert kept(api, "watches")[0]["completion"] == 1.0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (watch(media_id="m99"), "media_id 'm99' is not in the catalogue"),
        (event("dismissal", media_id="m99"), "media_id 'm99' is not in the catalogue"),
        (watch(at="2026-03-01T12:06:00Z"), "lies in the future: it is 2026-03-01T12:00:00+00:00 here"),
        (watch(at="2026-03-01T12:00:00"), "at '2026-03-01T12:00:00': Input should have timezone info"),
        (watch(watched_seconds=-1), "watched_seconds -1: Input should be greater than or equal to 0"),
        (watch(watched_seconds=None), "neither watched_seconds nor completion"),
        (watch(seconds=3), "seconds 3: Extra inputs are not permitted"),
        (event("click", impression_id="r9-0"), "impression_id 'r9-0' was never shown"),
        (event("click", user_id="u2", impression_id="r1-0"), "was shown to another member than 'u2'"),
        (watch(impression_id="r1-0", media_id="m30"), "'r1-0' showed 'm02', not 'm30'"),
        (event("search", query=""), "query '': String should have at least 1 character"),
        (event("purchase"), "Input tag 'purchase' found using 'type' does not match"),
        ({"event_id": "e1"}, "Unable to extract tag using discriminator 'type'"),
    ],
)
def test_a_wrong_event_is_rejected_by_name_and_the_others_are_kept(api: Any, wrong: dict[str, Any], said: str) -> None:
    api.page(request_id="r1", k=1, country="NL")

    heard = api.events(wrong, watch("right"))

    assert (heard["accepted"], heard["duplicates"]) == (1, 0)
    assert [rejected["event_id"] for rejected in heard["rejected"]] == ["e1"]
    assert said in heard["rejected"][0]["reason"]
    assert [row["watch_id"] for row in kept(api, "watches")] == ["right"]


def test_what_is_watched_or_dismissed_leaves_the_next_page(api: Any) -> None:
    before = [item["media_id"] for item in api.page(k=20)["items"]]
    assert {"m05", "m06"} <= set(before)

    moment = (NOON - timedelta(seconds=1)).isoformat()
    api.events(watch(at=moment), event("dismissal", media_id="m06", at=moment))

    after = {item["media_id"] for item in api.page(k=20)["items"]}
    assert not {"m05", "m06"} & after


def test_what_a_new_member_chooses_counts_for_the_next_page(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[History] = []
    recommend = api.recommender.recommend

    def noting(live: Any, request: Any, history: History, *others: Any) -> Any:
        asked.append(history)
        return recommend(live, request, history, *others)

    monkeypatch.setattr(api.recommender, "recommend", noting)
    moment = (NOON - timedelta(seconds=1)).isoformat()
    choices = [("genre", "war"), ("genre", "drama"), ("person", "Uma Tanaka"), ("genre", "war")]
    told = [event("preference", f"p{n}", kind=k, value=v, user_id="new", at=moment) for n, (k, v) in enumerate(choices)]

    assert api.page("new")["known"] is False
    assert api.events(*told) == {"accepted": 3, "duplicates": 1, "rejected": []}
    assert api.page("new")["known"] is True
    assert asked[0].context == {}
    assert set(asked[1].context["chosen_genres"]) == {"drama", "war"}


def test_an_event_of_the_next_minutes_counts_as_of_now(api: Any) -> None:
    ahead = (NOON + timedelta(minutes=5)).isoformat()
    assert api.events(watch("w1", at=ahead), event("search", "q1", query="heist", at=ahead))["accepted"] == 2

    assert [(row["started_at"], row["available_at"]) for row in kept(api, "watches")] == [(NOON, NOON)]
    assert [row["searched_at"] for row in kept(api, "searches")] == [NOON]


@pytest.mark.parametrize(("events", "said"), [([], "at least 1 item"), ([{}] * 1001, "at most 1000 items")])
def test_a_call_brings_one_to_a_thousand_events(api: Any, events: list[Any], said: str) -> None:
    answer = api.client.post("/v1/events", json={"events": events})
    assert answer.status_code == 422
    assert said in answer.json()["error"]["message"]


def test_events_are_heard_before_there_is_a_champion(bare_api: Any) -> None:
    assert bare_api.events(watch("w1", media_id="m99"))["accepted"] == 1
