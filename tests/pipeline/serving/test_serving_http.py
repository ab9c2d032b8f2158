"""The API over real HTTP: pages, what is logged of them, and everything that a caller may get wrong."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from pipelines.adapters.event_store import EventStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def logged(api: Any, table: str = "impressions", at: datetime = NOON) -> list[dict[str, Any]]:
    with EventStore(api.settings.event_store_address) as store:
        return list(store.read(table, at - timedelta(days=1), at + timedelta(days=1)).to_pylist())


def refusal(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"thing", "value", "message", "remedy"}
    return dict(error)


def test_a_member_gets_a_page_in_the_rankers_order_without_what_they_watched(api: Any) -> None:
    page = api.page(k=5, country="NL")

    ranked = [item["media_id"] for item in page["items"] if item["policy"] == "ranked"]
    assert ranked == ["m02", "m03", "m04", "m05"]
    assert [item["position"] for item in page["items"]] == [0, 1, 2, 3, 4]
    assert page["items"][2]["policy"] == "exploration"
    assert page["items"][2]["propensity"] < 1.0
    assert page["items"][0]["title"] == "Title 2"
    assert page["items"][0]["genres"] == ["comedy"]
    assert page["items"][0]["reason"] == "Popular in comedy"
    assert (page["known"], page["degraded"], page["snapshot"]) == (True, False, "s1")


def test_what_is_shown_is_logged_with_release_propensity_and_action_set(api: Any) -> None:
    page = api.page(k=4, request_id="r1", session_id="s1", device="tv")

    rows = {row["impression_id"]: row for row in logged(api)}
    assert sorted(rows) == [item["impression_id"] for item in page["items"]] == ["r1-0", "r1-1", "r1-2", "r1-3"]
    explored, item = rows["r1-2"], page["items"][2]
    place = explored["action_set"].index(item["media_id"])
    assert explored["action_propensities"][place] == explored["propensity"] == item["propensity"]
    assert explored["release_id"] == page["release_id"] == api.client.get("/readyz").json()["release_id"]
    assert (explored["user_id"], explored["session_id"], explored["device"]) == ("u1", "s1", "tv")
    assert (explored["shown_at"], explored["clicked"], explored["surface"]) == (NOON, False, "home")
    assert (rows["r1-0"]["action_set"], rows["r1-0"]["score"]) == (None, page["items"][0]["score"])


def test_the_same_request_is_answered_alike_and_logged_once(api: Any) -> None:
    first = api.page(request_id="r1")
    api.events({"type": "dismissal", "event_id": "d1", "user_id": "u1", "at": NOON.isoformat(), "media_id": "m02"})

    assert api.page(request_id="r1") == first
    assert len(logged(api)) == 10


def test_requests_that_race_with_one_id_get_one_page(api: Any) -> None:
    with ThreadPoolExecutor(8) as racers:
        pages = list(racers.map(lambda _: api.page(request_id="r1"), range(16)))

    assert all(page == pages[0] for page in pages)
    assert len(logged(api)) == 10


def test_a_request_id_belongs_to_one_member(api: Any) -> None:
    api.page("u1", request_id="r1")

    error = refusal(api.client.post("/v1/page", json={"user_id": "u2", "request_id": "r1"}), 409)
    assert (error["thing"], error["value"]) == ("request_id", "r1")
    assert "another member" in error["message"]


def test_an_unknown_member_gets_a_page_and_is_called_unknown(api: Any) -> None:
    page = api.page("never seen")
    assert (page["known"], page["degraded"], len(page["items"])) == (False, False, 10)


def test_rights_hold_where_the_member_is(api: Any) -> None:
    at = [{item["media_id"] for item in api.page(country=country, k=30)["items"]} for country in ("JP", "NL")]
    assert ["m01" in shown for shown in at] == [True, False]


@pytest.mark.parametrize(("k", "said"), [(0, "greater than or equal to 1"), (10_000, "less than or equal to 100")])
def test_an_impossible_k_is_refused_with_what_is_possible(api: Any, k: int, said: str) -> None:
    error = refusal(api.client.post("/v1/page", json={"user_id": "u1", "k": k}), 422)
    assert (error["thing"], error["value"]) == ("k", k)
    assert said in error["message"]
    assert "correct k" in error["remedy"]


@pytest.mark.parametrize(
    ("body", "thing", "said"),
    [
        ({}, "user_id", "Field required"),
        ({"user_id": ""}, "user_id", "at least 1 character"),
        ({"user_id": "u1", "divice": "tv"}, "divice", "not permitted"),
        ({"user_id": "u1", "time_zone": "Mars/Base"}, "time_zone", "not an IANA zone"),
        ({"user_id": "u1", "at": "2026-03-01T12:00:00"}, "at", "timezone"),
        ([], "body", "valid dictionary"),
    ],
)
def test_a_wrong_field_is_named(api: Any, body: Any, thing: str, said: str) -> None:
    error = refusal(api.client.post("/v1/page", json=body), 422)
    assert error["thing"] == thing
    assert said in error["message"]


def test_a_body_that_is_no_json_is_refused(api: Any) -> None:
    error = refusal(api.client.post("/v1/page", content="{user", headers={"Content-Type": "application/json"}), 422)
    assert "not JSON" in error["message"]


@pytest.mark.parametrize("path", ["/v1/page", "/v1/events"])
@pytest.mark.parametrize(
    ("key", "said"), [(None, "no key was sent"), ("wrong", "the key is wrong"), ("é", "the key is wrong")]
)
def test_without_the_key_nothing_is_answered(api: Any, path: str, key: str | None, said: str) -> None:
    headers = {"X-API-Key": key.encode()} if key else {}
    error = refusal(httpx.post(api.client.base_url.join(path), json={"user_id": "u1"}, headers=headers), 401)
    assert error["message"] == said
    assert "X-API-Key" in error["remedy"]
    assert logged(api) == []


def test_the_key_was_made_for_its_owner_alone(api: Any) -> None:
    assert api.settings.api_key_path.stat().st_mode & 0o777 == 0o600
    assert len(api.settings.api_key_path.read_text()) >= 32


def test_a_simulation_may_ask_as_at_another_moment(api: Any) -> None:
    then = datetime(2024, 5, 6, 7, tzinfo=UTC)
    api.page(at=then.isoformat(), k=1)
    assert [row["shown_at"] for row in logged(api, at=then)] == [then]


def test_an_unknown_path_is_refused_in_the_same_shape(api: Any) -> None:
    assert refusal(api.client.get("/v2/page"), 404)["thing"] == "path"
    assert refusal(api.client.get("/v1/page"), 405)["thing"] == "path"


def test_the_docs_show_examples(api: Any) -> None:
    document = api.client.get("/openapi.json").json()
    for name in ("PageAsked", "EventsSent"):
        assert document["components"]["schemas"][name]["examples"]
    assert "/docs" in refusal(api.client.get("/nowhere"), 404)["remedy"]


def test_members_to_try_are_those_with_a_history(api: Any) -> None:
    assert api.client.get("/v1/members").json() == {"members": ["u1"]}


@pytest.mark.parametrize(("address", "parts"), [("/", 3), ("/docs", 4)])
def test_a_page_needs_nothing_from_elsewhere(api: Any, address: str, parts: int) -> None:
    home = api.client.get(address)
    assert "default-src 'self'" in home.headers["Content-Security-Policy"]
    assets = re.findall(r'(?:src|href)="(/assets/[^"]+)"', home.text)
    texts = [home.text, *(api.client.get(path).raise_for_status().text for path in assets)]
    assert len(assets) == parts
    assert not [found for text in texts for found in re.findall(r"https?://(?!www\.w3\.org)\S+", text)]


@pytest.mark.parametrize("broken", [False, True])
def test_a_title_is_shown_until_the_moment_it_leaves(api: Any, monkeypatch: pytest.MonkeyPatch, broken: bool) -> None:
    if broken:
        monkeypatch.setattr("pipelines.page.Pager.features", lambda *_: 1 / 0)
    for minutes, there in ((59, True), (60, False), (61, False)):
        page = api.page(k=100, at=(NOON + timedelta(minutes=minutes)).isoformat())
        assert bool(page["degradations"]) == broken
        assert ("m38" in {item["media_id"] for item in page["items"]}) == there
