"""Pins, boosts and reasons over real HTTP: a title at its slot until a moment, and a page that says why."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOMORROW = (NOON + timedelta(days=1)).isoformat()


def decide(api: Any, media_id: str, **other: Any) -> dict[str, Any]:
    body = {"media_id": media_id, "until": TOMORROW, "reason": "the finale"} | other
    answer = api.client.post("/v1/pins", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def shown(api: Any, **asked: Any) -> list[str]:
    return [item["media_id"] for item in api.page(**asked)["items"]]


def test_a_pinned_title_stands_at_its_slot_until_it_is_lifted(own_api: Any) -> None:
    before = shown(own_api, k=5)
    held = decide(own_api, "m20", slot=1)
    assert (held["slot"], held["factor"], held["known"]) == (1, None, True)
    page = own_api.page(k=5, request_id="r1")
    item = page["items"][1]
    assert (item["media_id"], item["policy"], item["propensity"], item["reason"]) == ("m20", "pinned", 1.0, "Featured")
    assert [one["media_id"] for one in page["items"] if one["policy"] == "ranked"] == ["m02", "m03", "m04"]
    assert [one["number"] for one in own_api.client.get("/v1/pins").json()] == [held["number"]]
    assert own_api.client.delete(f"/v1/pins/{held['number']}").json() == {"number": held["number"]}
    assert own_api.client.get("/v1/pins").json() == []
    assert shown(own_api, k=5)[:2] == before[:2]
    again = own_api.client.delete(f"/v1/pins/{held['number']}")
    assert (again.status_code, again.json()["error"]["thing"]) == (404, "number")


def test_an_expired_pin_is_ignored_from_that_moment_on(own_api: Any) -> None:
    decide(own_api, "m20", slot=0, until=(NOON + timedelta(hours=1)).isoformat())
    for minutes, there in ((59, True), (60, False)):
        page = shown(own_api, k=5, at=(NOON + timedelta(minutes=minutes)).isoformat())
        assert (page[0] == "m20") == there


def test_a_pin_holds_where_it_says(own_api: Any) -> None:
    decide(own_api, "m20", slot=0, country="NL", surface="home")
    first = {where: shown(own_api, k=5, country=where[0], surface=where[1])[0] for where in PLACES}
    assert {where for where, media in first.items() if media == "m20"} == {("NL", "home")}


PLACES = [("NL", "home"), ("NL", "browse"), ("JP", "home")]


def test_a_boost_moves_a_title_up_and_a_later_one_replaces_it(own_api: Any) -> None:
    assert shown(own_api, k=4)[0] == "m02"
    decide(own_api, "m05", factor=1000)
    assert shown(own_api, k=4)[0] == "m05"
    decide(own_api, "m05", factor=0.001)
    assert "m05" not in shown(own_api, k=4)
    assert [held["factor"] for held in own_api.client.get("/v1/pins").json()] == [0.001]


def test_a_pin_never_shows_what_this_member_may_not_see_and_says_so(own_api: Any) -> None:
    """m00 was watched, m01 is for Japan alone, m02 is taken down, m39 dismissed, and nobody knows m99."""
    for slot, media in enumerate(("m00", "m01", "m02", "m39", "m99")):
        assert decide(own_api, media, slot=slot)["known"] == (media != "m99")
    own_api.client.post("/v1/takedowns", json={"media_id": "m02", "reason": "court order"})
    own_api.events(
        {"type": "dismissal", "event_id": "d", "user_id": "u1", "at": "2026-03-01T11:00:00Z", "media_id": "m39"}
    )
    page = own_api.page(k=10, country="NL", explain=True)
    assert not [item for item in page["items"] if item["policy"] == "pinned"]
    removed = {one["media_id"]: one["reason"] for one in page["explanation"]["removed"]}
    assert removed == {
        "m00": "watched",
        "m01": "no rights in this country",
        "m02": "taken down",
        "m39": "dismissed",
        "m99": "not in the catalogue any more",
    }
    assert page["explanation"]["removed_by_reason"] == dict.fromkeys(removed.values(), 1)
    assert shown(own_api, k=10, user_id="stranger", country="JP")[1] == "m01"


def test_a_page_that_is_asked_why_says_it_item_by_item(own_api: Any) -> None:
    decide(own_api, "m20", slot=0)
    page = own_api.page(k=5, request_id="r1", explain=True)
    told = page["explanation"]["items"]
    assert [one["media_id"] for one in told] == [item["media_id"] for item in page["items"]]
    assert told[0]["moves"][-1]["why"] == "pinned until 2026-03-02T12:00+00:00: the finale"
    assert (told[0]["moves"][-1]["from"] > 0, told[0]["moves"][-1]["to"]) == (True, 0)
    drawn = next(one for one, item in zip(told, page["items"], strict=True) if item["policy"] == "exploration")
    assert drawn["moves"][-1]["why"].startswith("exploration: drawn with probability")
    assert {one["generators"][0] for one in told} == {"popularity"}
    assert all(list(one["features"]) == ["media_liking"] for one in told)
    assert told[1]["features"]["media_liking"] > told[4]["features"]["media_liking"]


def test_why_is_told_only_to_who_asks_and_is_not_kept(own_api: Any) -> None:
    assert own_api.page(request_id="r1")["explanation"] is None
    assert own_api.page(request_id="r1", explain=True)["explanation"] is None
    first = own_api.page(request_id="r2", explain=True)
    assert own_api.page(request_id="r2") == first | {"explanation": None}


def test_a_page_without_a_ranker_says_what_was_removed(own_api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.page.Pager.features", lambda *_: 1 / 0)
    page = own_api.page(k=5, country="NL", explain=True)
    assert page["degraded"]
    assert page["explanation"]["removed"] == [{"media_id": "m01", "reason": "no rights in this country"}]
    assert all(one["features"] == {} and one["moves"] == [] for one in page["explanation"]["items"])


def test_a_title_shown_eight_times_since_the_snapshot_without_success_is_not_shown_again(own_api: Any) -> None:
    pages = [shown(own_api, k=5, at=(NOON + timedelta(minutes=n)).isoformat()) for n in range(8)]
    always = set.intersection(*map(set, pages))
    assert {"m02", "m03"} <= always
    later = own_api.page(k=5, at=(NOON + timedelta(minutes=8)).isoformat(), explain=True)
    assert not always & {item["media_id"] for item in later["items"]}
    reasons = {one["media_id"]: one["reason"] for one in later["explanation"]["removed"]}
    assert {reasons[media] for media in always} == {"shown too often without success"}
    assert "m02" in shown(own_api, k=5, at=(NOON + timedelta(days=15)).isoformat())
    assert "m02" in shown(own_api, k=40, at=(NOON + timedelta(minutes=9)).isoformat())


def test_a_page_in_rows_holds_each_title_once_and_logs_where_it_stood(own_api: Any) -> None:
    decide(own_api, "m20", slot=1)
    plain, page = (own_api.page(k=30, request_id=f"r{rows}", rows=rows) for rows in (0, 4))
    assert {item["row"] for item in plain["items"]} == {None}
    rows = [item["row"] for item in page["items"]]
    headings = list(dict.fromkeys(rows))
    assert (headings[0], set(headings[1:])) == ("For you", {"Comedy", "Drama"})
    assert rows == sorted(rows, key=headings.index)
    assert len({item["media_id"] for item in page["items"]}) == 30
    assert [item["position"] for item in page["items"]] == list(range(30))
    assert [item["policy"] for item in page["items"][:3]] == ["ranked", "pinned", "exploration"]
    assert rows[:10] == ["For you"] * 10 != rows[:11]
    assert all(item["genres"] == [item["row"].lower()] for item in page["items"][10:])


@pytest.mark.parametrize(
    ("wrong", "thing", "said"),
    [
        ({}, "body", "send one of them"),
        ({"slot": 1, "factor": 2}, "body", "send one of them"),
        ({"slot": 100}, "slot", "less than or equal to 99"),
        ({"factor": 0}, "factor", "greater than 0"),
        ({"slot": 1, "until": "2026-03-01T12:00:00Z"}, "until", "over already"),
        ({"slot": 1, "until": "2026-03-02T12:00:00"}, "until", "timezone"),
        ({"slot": 1, "reason": ""}, "reason", "at least 1 character"),
    ],
)
def test_a_pin_that_makes_no_sense_is_refused(api: Any, wrong: dict[str, Any], thing: str, said: str) -> None:
    body = {"media_id": "m02", "until": TOMORROW, "reason": "the finale"} | wrong
    refused = api.client.post("/v1/pins", json=body)
    assert (refused.status_code, refused.json()["error"]["thing"]) == (422, thing)
    assert said in refused.json()["error"]["message"]
