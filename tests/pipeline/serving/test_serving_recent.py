"""What a member does shows in their features: at once to themselves, within a second in the online store."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from pipelines.adapters.event_store import EventStore
from pipelines.core.errors import StackError
from pipelines.features import kept, vectors
from serving.feature_log import FeatureLog, chosen
from serving.recent import NO_EVENTS, RecentFeatures

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
JUST_NOW = (NOON - timedelta(seconds=1)).isoformat()


def watch(event_id: str, media_id: str, *, user: str = "u1", minutes: float = 0, **other: Any) -> dict[str, Any]:
    at = (NOON + timedelta(minutes=minutes)).isoformat()
    kind = {"type": "watch", "event_id": event_id, "user_id": user, "at": at, "media_id": media_id}
    return kind | {"watched_seconds": 90, "total_seconds": 100} | other


def search(event_id: str, query: str, *, user: str = "u1", minutes: float = 0) -> dict[str, Any]:
    at = (NOON + timedelta(minutes=minutes)).isoformat()
    return {"type": "search", "event_id": event_id, "user_id": user, "at": at, "query": query}


def used(api: Any, **asked: Any) -> dict[str, Any]:
    """The feature vectors that a page was ranked by, as they were logged."""
    request = api.page(**asked)["request_id"]
    found: list[dict[str, Any]] = []

    def logged() -> bool:
        with EventStore(api.settings.event_store_address) as store:
            every = store.served(NOON - timedelta(days=9), NOON + timedelta(days=9))
            found.extend(row for row in every if row["request_id"] == request)
        return bool(found)

    api.until(logged)
    return {"row": found[0], **vectors.unpack(found[0]["features"])}


def down() -> None:
    raise ConnectionError("no route")


def test_a_watch_and_a_search_reach_the_online_store_within_a_second(own_api: Any) -> None:
    began = time.monotonic()
    own_api.events(watch("w1", "m05", minutes=-9), search("s1", "A Heist"))
    own_api.until(lambda: "u1" in own_api.rows.recent)
    assert time.monotonic() - began < 1.0

    row = own_api.rows.recent["u1"]
    assert (row["user_history"], row["user_recent_media"]) == (("m00", "m05"), ("m00", "m05"))
    assert (row["user_searches"], row["user_search_terms"]) == (("A Heist",), (1.0,))
    assert row["user_recent_genres"] == (1.0, 1.0)
    own_api.until(lambda: own_api.client.get("/readyz").json()["live_features"]["waiting"] == 0)


def test_a_page_reads_what_the_member_just_did_while_the_store_does_not_know_it(own_api: Any) -> None:
    own_api.rows.trouble = down
    own_api.events(watch("w1", "m05", minutes=-9), search("s1", "space", minutes=-1), at=JUST_NOW)

    found = used(own_api)
    assert found["user_recent_media"] == [["m00", "m05"]]
    assert found["user_search_terms"] == [[2.0]]
    assert found["context_minutes_since_watch"] == [9.0]
    assert found["cross_recently_watched"] == [0.0] * len(found["row"]["media_ids"])


def test_a_failing_store_is_named_counted_and_tried_again_until_it_has_the_row(own_api: Any) -> None:
    own_api.rows.trouble = down
    own_api.events(watch("w1", "m05"))

    def state() -> dict[str, Any]:
        return dict(own_api.client.get("/readyz").json()["live_features"])

    own_api.until(lambda: state()["failures"] > 0)
    said = "what members did in the last moments has not reached the feature store (ConnectionError)"
    assert (state()["problem"], state()["waiting"]) == (said, 1)
    assert said in own_api.page()["degradations"]

    own_api.rows.trouble = lambda: None
    own_api.until(lambda: state() == state() | {"waiting": 0, "problem": None})
    assert own_api.rows.recent["u1"]["user_history"] == ("m00", "m05")
    own_api.until(lambda: not own_api.page()["degraded"])


def test_a_row_that_is_pushed_while_the_page_reads_the_online_store_is_not_missed(own_api: Any) -> None:
    own_api.rows.trouble = down
    own_api.events(watch("w1", "m05", minutes=-9), at=JUST_NOW)
    real = own_api.rows.user_row

    def before_the_push(user_id: str, at: datetime | None = None) -> dict[str, object]:
        own_api.rows.trouble = lambda: None
        old = real(user_id)
        own_api.until(lambda: "u1" in own_api.rows.recent)
        return dict(old)

    own_api.recommender._rows._seconds = 5.0
    own_api.rows.user_row = before_the_push
    assert used(own_api)["user_recent_media"] == [["m00", "m05"]]


def test_an_event_of_the_past_takes_its_place_and_one_sent_twice_changes_nothing(own_api: Any) -> None:
    for sent in (watch("w2", "m06", minutes=-1), watch("w1", "m05", minutes=-9), watch("w1", "m05", minutes=-9)):
        own_api.events(sent)
    own_api.until(lambda: own_api.rows.recent.get("u1", {}).get("user_history") == ("m00", "m05", "m06"))


@pytest.mark.parametrize("pushed", [True, False])
def test_a_page_as_at_a_moment_knows_what_was_heard_before_it_and_nothing_else(own_api: Any, pushed: bool) -> None:
    if not pushed:
        own_api.rows.trouble = down
    own_api.events(watch("w1", "m05", minutes=-9), watch("w2", "m06", user="new", minutes=-9))
    own_api.until(lambda: not pushed or len(own_api.rows.recent) == 2)
    for after, own, others in ((0, ["m00"], None), (1, ["m00", "m05"], ["m06"])):
        at = (NOON + timedelta(microseconds=after)).isoformat()
        assert used(own_api, at=at)["user_recent_media"] == [own]
        assert used(own_api, at=at, user_id="new")["user_recent_media"] == [others or []]


def test_the_log_names_release_snapshot_and_request_and_holds_every_feature_of_the_page(own_api: Any) -> None:
    found = used(own_api, k=3, device="tv", country="NL", request_id="r1")
    row = found.pop("row")
    page = own_api.page(request_id="r1")
    assert (row["user_id"], row["requested_at"], row["surface"]) == ("u1", NOON, "home")
    assert (row["device"], row["country"], row["time_zone"]) == ("tv", "NL", None)
    assert (row["release_id"], row["snapshot_version"]) == (page["release_id"], page["snapshot"])
    assert row["media_ids"] == [item["media_id"] for item in page["items"]]
    assert found["context_device"] == ["tv"]
    assert found["media_liking"] == pytest.approx([1 - int(m[1:]) / 39 for m in row["media_ids"]], abs=1e-6)
    assert {len(values) for values in found.values()} == {1, 3}


def test_a_page_that_no_ranker_made_leaves_no_vectors(own_api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.page.Pager.features", lambda *_: 1 / 0)
    own_api.page()
    monkeypatch.undo()
    used(own_api)
    assert own_api.client.get("/readyz").json()["feature_log"] == {"written": 1, "dropped": 0}


class Kept:
    """The parts of a running API that RecentFeatures needs, in memory."""

    def __init__(self, home: Path, snapshot: Callable[[Path, str], None]) -> None:
        snapshot(home, "s1")
        self.held = kept.load(home / "snapshots" / "s1")
        self.store = EventStore(f"sqlite:///{home}/events.db")
        self.store.migrate()
        self.pushed: list[pd.DataFrame] = []
        self.fails = 0

    def push_recent(self, rows: pd.DataFrame) -> None:
        if self.fails:
            self.fails -= 1
            raise ConnectionError
        self.pushed.append(rows)

    def record(self, user: str, name: str, at: datetime = NOON) -> None:
        row = {"watch_id": name, "user_id": user, "media_id": "m05", "completion": 0.9}
        self.store.record("watches", [row | {"started_at": at, "available_at": at}])

    def recent(self) -> RecentFeatures:
        return RecentFeatures(self.store, lambda: self.held, lambda: self, retry_seconds=0.01)


@pytest.fixture
def parts(tmp_path: Path, new_snapshot: Callable[[Path, str], None]) -> Any:
    found = Kept(tmp_path, new_snapshot)
    yield found
    found.store.close()


def until(state: Callable[[], bool]) -> None:
    for _ in range(500):
        if state():
            return
        time.sleep(0.01)
    pytest.fail("it did not come about within 5 s")


def test_a_process_that_starts_pushes_what_another_heard_and_could_not_push(parts: Any) -> None:
    parts.record("u1", "w1")
    parts.record("u7", "w2", NOON - timedelta(days=3))
    recent = parts.recent()
    recent.start()
    until(lambda: recent.pushed == 1)
    recent.close()
    assert parts.pushed[0]["user_id"].tolist() == ["u1"]
    assert parts.pushed[0]["event_timestamp"].tolist() == [pd.Timestamp(NOON)]
    assert parts.pushed[0]["user_history"].tolist() == [("m00", "m05")]


def test_who_is_heard_of_now_does_not_wait_behind_those_of_an_earlier_process(
    parts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.recent.BATCH", 2)
    for n in range(5):
        parts.record(f"u{n}", f"w{n}")
    parts.record("now", "w9")
    recent = parts.recent()
    recent.heard(["now"])
    recent.start()
    until(lambda: recent.pushed == 6)
    recent.close()
    assert [len(rows) for rows in parts.pushed] == [2, 2, 2]
    assert parts.pushed[0]["user_id"].tolist()[0] == "now"


def test_closing_pushes_what_waits(parts: Any) -> None:
    recent = parts.recent()
    recent.start()
    until(lambda: recent._base is not None)
    parts.record("u1", "w1")
    recent.heard(["u1"])
    recent.close()
    assert (recent.waiting, [rows["user_id"].tolist() for rows in parts.pushed]) == (0, [["u1"]])


def test_who_is_heard_of_again_while_their_row_is_on_its_way_is_pushed_again(parts: Any) -> None:
    recent = parts.recent()
    parts.record("u1", "w1")
    first = parts.push_recent

    def once(rows: pd.DataFrame) -> None:
        first(rows)
        if len(parts.pushed) == 1:
            parts.record("u1", "w2", NOON + timedelta(seconds=1))
            recent.heard(["u1"])

    parts.push_recent = once
    recent.start()
    until(lambda: len(parts.pushed) == 2)
    recent.close()
    assert parts.pushed[1]["user_recent_media"].tolist() == [("m00", "m05", "m05")]
    assert parts.pushed[1]["event_timestamp"].tolist() == [pd.Timestamp(NOON + timedelta(seconds=1))]


def test_the_share_that_is_logged_follows_from_the_requests_id_alone() -> None:
    ids = [f"r{n}" for n in range(2000)]
    assert not any(chosen(one, 0.0) for one in ids)
    assert all(chosen(one, 1.0) for one in ids)
    assert 400 < sum(chosen(one, 0.25) for one in ids) < 600
    assert [one for one in ids if chosen(one, 0.1)] == [one for one in ids if chosen(one, 0.1) and chosen(one, 0.2)]


def test_pages_beyond_what_may_wait_are_dropped_and_counted(parts: Any) -> None:
    log = FeatureLog(parts.store, 1.0, most=2)
    page = SimpleNamespace(user_row={}, page=SimpleNamespace(items=[1]))
    for n in range(5):
        log.offer(SimpleNamespace(request_id=f"r{n}"), page)
    assert log.state() == {"written": 0, "dropped": 3}


def test_without_the_kept_events_nothing_wrong_is_pushed_and_that_is_said(parts: Any) -> None:
    parts.held = None
    recent = parts.recent()
    recent.start()
    recent.heard(["u1"])
    until(lambda: recent.trouble == NO_EVENTS)
    assert recent.row("u1", NOON) is None
    recent.close()
    assert parts.pushed == []


def test_where_the_event_store_is_down_the_online_row_must_do(parts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    recent = parts.recent()
    recent.heard(["u1", "u2"])
    assert recent.row("u1", NOON) is not None
    assert recent.row("u1", NOON + timedelta(days=91)) is None
    assert recent.row("u2", NOON) is None
    monkeypatch.setattr(parts.store, "known_since", lambda *_: (_ for _ in ()).throw(StackError("down")))
    assert recent.row("u1", NOON) is None
