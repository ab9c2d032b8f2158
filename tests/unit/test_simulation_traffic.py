"""Simulated members at the page: who comes, what they send back, and what a replayed log counts as watched."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipelines.core import dataset
from pipelines.core.dataset import Dataset
from pipelines.core.errors import DataError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.tables import WATCHES
from pipelines.simulation import behaviour
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.job import as_json, run_traffic
from pipelines.simulation.replay import ReplayBehaviour
from pipelines.simulation.traffic import WorldBehaviour
from pipelines.simulation.world import World, simulate
from serving.schemas import EVENT, PageAsked

CONFIG = WorldConfig(seed=90_003, members=60, days=2)
DAY = date(2026, 1, 12)


class Api:
    """Answers as the API does, with the same ten titles for everyone, and refuses what the API would refuse."""

    def __init__(self, media: list[str]) -> None:
        self.media, self.pages, self.events = media, list[dict[str, Any]](), dict[str, dict[str, Any]]()

    def post(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._page(dict(body)) if path == "/v1/page" else self._hear(body)

    def _page(self, body: dict[str, Any]) -> Mapping[str, Any]:
        PageAsked.model_validate(body)
        self.pages.append(body)
        items = [
            {"media_id": media, "impression_id": f"{body['request_id']}-{k}", "position": k}
            for k, media in enumerate(self.media)
        ]
        return {"request_id": body["request_id"], "release_id": "r", "items": items, "degraded": False}

    def _hear(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        sent = body["events"]
        heard_at = datetime.fromisoformat(body["at"])
        for event in sent:
            assert EVENT.validate_python(event).at <= heard_at
        new = {event["event_id"]: event for event in sent if event["event_id"] not in self.events}
        self.events.update(new)
        return {"accepted": len(new), "duplicates": len(sent) - len(new), "rejected": []}


@pytest.fixture(scope="module")
def world() -> World:
    return World.load(CONFIG)


def page(media: list[str], request: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"media_id": m, "impression_id": f"{request['request_id']}-{k}", "position": k} for k, m in enumerate(media)
    ]


def log(rows: list[tuple[str, str, str, float | None]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["user_id", "media_id", "started_at", "watched_seconds"])
    frame["started_at"] = pd.to_datetime(frame["started_at"], utc=True)
    total = frame["watched_seconds"].notna().map({True: 100.0, False: np.nan})
    return frame.assign(total_seconds=total, completion=frame["watched_seconds"] / 100.0, device="phone")


def test_members_ask_for_pages_in_the_places_that_the_world_logged(world: World) -> None:
    asked = WorldBehaviour(world).requests(DAY, 200, seed=1)
    browsed = sum(request["surface"] == "browse" for request in asked) / len(asked)
    assert browsed == pytest.approx(behaviour.BROWSED, abs=0.1)
    assert {request["surface"] for request in asked} == set(behaviour.SURFACES)


def test_requests_are_of_the_day_in_order_of_time_and_repeat_with_the_seed(world: World) -> None:
    behaviour = WorldBehaviour(world)
    asked = behaviour.requests(DAY, 40, seed=1)
    assert asked == behaviour.requests(DAY, 40, seed=1) != behaviour.requests(DAY, 40, seed=2)
    assert len({r["request_id"] for r in asked}) == 40
    assert {r["at"].date() for r in asked} == {DAY}
    assert [r["at"] for r in asked] == sorted(r["at"] for r in asked)


def test_only_members_who_have_joined_come(world: World) -> None:
    first = WorldBehaviour(world).requests(CONFIG.start, 200, seed=1)
    joined = world.truth.members.joined_at[world.user_codes([r["user_id"] for r in first])]
    assert (joined <= np.datetime64(CONFIG.start)).all()


def test_what_is_watched_follows_the_truth_position_included(world: World) -> None:
    """Over 1,000 pages of the same ten titles the watches per slot are those that the truth expects."""
    media, behaviour = [f"m{n:06d}" for n in range(30, 40)], WorldBehaviour(world)
    watched, expected, slots = np.zeros(10), np.zeros(10), np.arange(10)
    for request in behaviour.requests(DAY, 1_000, seed=3):
        at = np.datetime64(request["at"].replace(tzinfo=None))
        who, held = [request["user_id"]] * 10, [request["device"]] * 10
        expected += world.watch_probability(who, media, at, device=held, position=slots)
        for event in behaviour.respond(page(media, request), request, seed=3):
            if event["type"] == "watch" and event["watched_seconds"] / event["total_seconds"] > 0.8:
                watched[int(event["impression_id"].rsplit("-", 1)[1])] += 1
    assert np.abs(watched - expected).max() < 4 * np.sqrt(expected.max())
    assert abs(watched.sum() - expected.sum()) < 4 * np.sqrt(expected.sum())


def test_every_watch_was_a_click_and_a_visit_ends_after_its_last_watch(world: World) -> None:
    behaviour = WorldBehaviour(world)
    media = [f"m{n:06d}" for n in range(60)]
    for request in behaviour.requests(DAY, 50, seed=4):
        events = behaviour.respond(page(media, request), request, seed=4)
        kinds = {kind: {e["impression_id"] for e in events if e["type"] == kind} for kind in ("watch", "click")}
        assert kinds["watch"] <= kinds["click"]
        assert events[-1]["type"] == "session"
        assert all(e["at"] <= events[-1]["ended_at"] for e in events)
        starts = [e["at"] for e in events if e["type"] == "watch"]
        assert starts == sorted(starts)


def test_an_empty_page_is_answered_with_the_visit_alone(world: World) -> None:
    behaviour = WorldBehaviour(world)
    request = behaviour.requests(DAY, 1, seed=5)[0]
    assert [e["type"] for e in behaviour.respond([], request, seed=5) if e["type"] != "search"] == ["session"]


def test_a_title_that_is_not_of_the_world_is_named(world: World) -> None:
    behaviour = WorldBehaviour(world)
    request = behaviour.requests(DAY, 1, seed=5)[0]
    with pytest.raises(DataError, match="media 'nothing' is not of this world"):
        behaviour.respond(page(["nothing"], request), request, seed=5)


def test_a_replayed_title_is_watched_exactly_where_the_log_says_so() -> None:
    rows = [
        ("a", "x", "2026-01-12T10:00", 90.0),
        ("a", "y", "2026-01-13T10:00", 5.0),
        ("b", "z", "2026-01-12T11:00", 9.0),
    ]
    behaviour = ReplayBehaviour(log(rows))
    first, second = behaviour.requests(DAY, 10, seed=1)
    assert (first["user_id"], second["user_id"]) == ("a", "b")
    assert first["at"] == datetime(2026, 1, 12, 10, tzinfo=UTC)
    events = behaviour.respond(page(["x", "y", "z"], first), first, seed=1)
    watches = [(e["media_id"], e["watched_seconds"]) for e in events if e["type"] == "watch"]
    assert watches == [("x", 90.0), ("y", 5.0)]
    assert [e["media_id"] for e in behaviour.respond(page(["x"], second), second, seed=1) if e["type"] == "watch"] == []


def test_a_replayed_watch_of_unknown_length_is_a_whole_one() -> None:
    behaviour = ReplayBehaviour(log([("a", "x", "2026-01-12T10:00", None)]))
    request = behaviour.requests(DAY, 1, seed=1)[0]
    watch = behaviour.respond(page(["x"], request), request, seed=1)[0]
    assert (watch["completion"], watch["watched_seconds"]) == (1.0, None)


def test_a_replay_knows_the_day_in_the_zone_of_the_log() -> None:
    """20:00 UTC on the 11th is the 12th in Shanghai."""
    rows = log([("a", "x", "2026-01-11T20:00", 90.0)])
    assert len(ReplayBehaviour(rows, "Asia/Shanghai").requests(DAY, 5, seed=1)) == 1
    with pytest.raises(DataError, match="watches has no rows for 2026-01-12"):
        ReplayBehaviour(rows, "UTC").requests(DAY, 5, seed=1)


def test_an_empty_log_cannot_be_replayed() -> None:
    with pytest.raises(DataError, match="holds no watches to replay"):
        ReplayBehaviour(log([]))


def test_traffic_of_a_world_is_accepted_by_the_api_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    simulate(CONFIG, tmp_path / "lake")
    api, settings = Api([f"m{n:06d}" for n in range(10)]), Settings(home=tmp_path)
    report = run_traffic(settings, DAY, 25, 7, api.post)
    assert (report["behaviour"], report["pages"], report["items"], report["rejected"]) == ("world", 25, 250, 0)
    assert report["accepted"] == len(api.events) > 25
    again = run_traffic(settings, DAY, 25, 7, api.post)
    assert (again["accepted"], again["duplicates"]) == (0, report["accepted"])


def test_traffic_of_a_log_replays_its_watches(tmp_path: Path) -> None:
    rows = log([("a", "m1", "2026-01-12T10:00", 90.0), ("b", "m2", "2026-01-12T11:00", 9.0)]).to_dict("records")
    full = [
        row | {"watch_id": str(k), "started_at": row["started_at"], "available_at": row["started_at"]}
        for k, row in enumerate(rows)
    ]
    settings = Settings(home=tmp_path)
    dataset.write(Dataset(name="log", source="test"), settings.lake_path)
    Lake(settings.lake_path).publish("watches", pa.Table.from_pylist(full, schema=WATCHES.schema()), DAY)
    report = run_traffic(settings, DAY, 10, 7, Api(["m1", "m3"]).post)
    assert (report["behaviour"], report["pages"], report["watches"]) == ("log", 2, 1)


def test_traffic_on_a_day_without_a_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="watches has no rows for 2026-01-12"):
        run_traffic(Settings(home=tmp_path), DAY, 10, 7, Api([]).post)


def test_what_is_absent_is_not_sent() -> None:
    assert as_json({"device": None, "at": datetime(2026, 1, 12, tzinfo=UTC)}) == {"at": "2026-01-12T00:00:00+00:00"}
