"""Parity: what serving used is what the lake gives back, for every feature, whatever members did and when it was told.

Random members watch, search and ask for pages through the real API; then the day is exported and refreshed, and the
vectors that the pages were ranked by are rebuilt as of each request.
"""

import json
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from typer.testing import CliRunner
from worlds import let_serve

from marquee.cli import app as command
from monitoring import skew
from pipelines import page, refreshing, snapshot
from pipelines.adapters.event_store import EventStore
from pipelines.adapters.feature_store import FeatureStore
from pipelines.candidates.popularity import FittedPopularity
from pipelines.core import release
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.features import catalogue, freshness, kept
from pipelines.ingestion import job as ingestion
from pipelines.ingestion.validate import CLOCKS_DIFFER
from pipelines.ranking import job as ranking
from pipelines.ranking.logistic import Logistic
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.world import simulate
from pipelines.sources import SOURCES
from serving.app import create_app
from serving.recommender import Recommender

# Ibis calls DuckDB by the old name of to_arrow_table.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

FIRST, DAYS = date(2026, 1, 5), 9
TODAY = FIRST + timedelta(days=DAYS)
MORNING = datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
STRANGERS = ["new1", "new2"]


@dataclass(frozen=True, repr=False)
class World:
    """A refreshed lake, its online store and snapshot, and a release over it; each test serves a copy."""

    home: Path
    release: Path
    members: list[str]
    media: list[str]

    def __repr__(self) -> str:
        return f"World({self.home})"


@pytest.fixture(scope="module", autouse=True)
def short_limits() -> Iterator[None]:
    """Limits within the days of a small world, so that some rows are too old."""
    with pytest.MonkeyPatch.context() as patch:
        for view in ("user_recent", "user_activity", "user_genres"):
            patch.setitem(freshness.LIMITS, view, timedelta(days=3, hours=5))
        yield


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, short_limits: None) -> World:
    root = tmp_path_factory.mktemp("parity")
    simulate(WorldConfig(seed=11, members=120, days=DAYS, media=90), root / "world")
    settings = Settings(home=root / "home")
    source = SOURCES["tables"](root / "world")
    # An import of the morning: what would become known later in the day goes to nobody but the API.
    ingestion.ingest(Lake(settings.lake_path), source.dataset, source.batches(), until=MORNING - CLOCKS_DIFFER - MINUTE)
    interval = refreshing.plan(settings, FIRST.isoformat(), (TODAY - timedelta(days=1)).isoformat())
    refreshing.compute(settings, interval)
    refreshing.publish(settings, interval)
    members = sorted(Lake(settings.lake_path).read("users", columns=["user_id"])["user_id"].to_pylist())
    media = snapshot.MediaSnapshot.load(snapshot.current(settings)).ids.tolist()
    make_release(root / "release", media, settings)
    return World(root / "home", root / "release", members, media)


def make_release(folder: Path, media: list[str], settings: Settings) -> None:
    """What is popular, ranked by how often members engage: which ranker it is does not matter to what it is given."""
    popular = folder / "generators" / "popularity"
    popular.mkdir(parents=True)
    FittedPopularity(np.array(media), np.arange(len(media), 0, -1, dtype=np.float32)).save(popular)
    rate = np.linspace(0, 1, 200)
    label = (np.random.default_rng(3).random(200) < rate).astype(np.float64)
    features = {"media_engaged_rate": rate, "user_engaged_rate": rate}
    ranking.save(Logistic().fit(features, label, np.ones(200), np.arange(200).astype(str), seed=1), "logistic", folder)
    release.write(
        folder,
        generators=("popularity",),
        ranker="logistic",
        feature_service="ranking",
        feature_fingerprint=FeatureStore(settings).fingerprint(),
        dataset="world",
        time_zone=Lake(settings.lake_path).dataset.time_zone,
        watermark=TODAY - timedelta(days=2),
        trained_from=FIRST,
        seed=5,
        settings={"exploration": {"slots": [2], "actions": 5}, "blend": {"weights": {"popularity": 0.5}}},
        metrics={},
        **dict.fromkeys(("git_commit", "lock_hash"), "none"),
    )


@dataclass
class Served:
    """The API over a copy of the world, and what members do at it."""

    world: World
    settings: Settings
    client: httpx.Client
    clock: list[datetime]
    pages: int = 0

    def post(self, path: str, body: dict[str, Any], now: datetime) -> dict[str, Any]:
        self.clock[0] = now
        answer = self.client.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def ready(self) -> dict[str, Any]:
        return dict(self.client.get("/readyz").json())

    def until(self, state: Callable[[dict[str, Any]], bool]) -> None:
        began = datetime.now(UTC)
        while not state(self.ready()):
            assert datetime.now(UTC) - began < timedelta(seconds=30), self.ready()

    def settle(self) -> None:
        """Until every event stands in the online store, and every page in the log."""
        self.until(lambda r: r["live_features"]["waiting"] == 0 and r["feature_log"]["written"] == self.pages)

    def watch(self, event_id: str, user: str, at: datetime, heard: datetime, **other: Any) -> None:
        of = {"type": "watch", "event_id": event_id, "user_id": user, "at": at.isoformat()} | other
        assert self.post("/v1/events", {"events": [of]}, heard)["accepted"] == 1

    def search(self, event_id: str, user: str, at: datetime, heard: datetime, query: str) -> None:
        of = {"type": "search", "event_id": event_id, "user_id": user, "at": at.isoformat(), "query": query}
        assert self.post("/v1/events", {"events": [of]}, heard)["accepted"] == 1

    def page(self, request_id: str, user: str, at: datetime, settled: bool = False, **other: Any) -> None:
        if settled:
            self.settle()
        asked = {"user_id": user, "request_id": request_id, "k": 4}
        given = self.post("/v1/page", asked | other, at)
        assert given["degradations"] == []
        self.pages += 1


@contextmanager
def over_http(app: Any) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def serving(world: World, home: Path) -> Iterator[Served]:
    shutil.copytree(world.home, home)
    settings = Settings(home=home, feature_log_share=1.0, champion_poll_seconds=0.05)
    FeatureStore(settings).apply()
    champion = SimpleNamespace(version=1, release_id=let_serve(settings, world.release, MORNING))
    shelf = SimpleNamespace(
        champion=lambda: champion, download=lambda _, to: Path(shutil.copytree(world.release, to / "r"))
    )
    clock = [MORNING]
    recommender = Recommender(settings, clock=lambda: MORNING, registry=lambda: shelf)
    app = create_app(settings, recommender, clock=lambda: clock[0])
    with over_http(app) as address, httpx.Client(base_url=address, timeout=20) as client:
        client.headers["X-API-Key"] = settings.api_key_path.read_text(encoding="utf-8")
        served = Served(world, settings, client, clock)
        served.until(lambda answer: answer.get("status") == "ready")
        yield served
        served.settle()


def next_day(settings: Settings) -> list[dict[str, Any]]:
    """Export and refresh TODAY; what was logged on it."""
    interval = refreshing.plan(settings, TODAY.isoformat(), TODAY.isoformat())
    refreshing.export_events(settings, interval)
    refreshing.compute(settings, interval)
    with EventStore(settings.event_store_address) as store:
        return list(store.served(MORNING, MORNING + timedelta(days=1)))


minutes = st.integers(0, 24 * 60 - 1)
earlier = st.sampled_from([-5, 0, 0, 1, 25, 40, 600, 4 * 24 * 60])
"""Minutes by which an event lies before it is heard; a clock may run five minutes ahead."""
seconds = st.none() | st.floats(0, 9000, allow_subnormal=False)
watches = st.tuples(minutes, earlier, st.integers(0, 89), st.floats(0, 1.5, allow_subnormal=False), seconds)
searches = st.tuples(minutes, earlier, st.sampled_from(["A night in space", "爱", "the heist", "nobody has this word"]))
places = st.sampled_from([{}, {"device": "tv"}, {"country": "JP"}, {"time_zone": "Asia/Tokyo", "device": "phone"}])
pages = st.tuples(minutes, places, st.booleans())
lives = st.tuples(
    st.lists(watches, max_size=8), st.lists(searches, max_size=4), st.lists(pages, min_size=1, max_size=3)
)


def live(served: Served, told: list[Any]) -> None:
    """Everything in the order in which it was heard; what is heard at one minute comes before the page."""
    media, members = served.world.media, [*STRANGERS, *served.world.members[::6]]
    happens: list[tuple[int, int, Callable[..., None], dict[str, Any]]] = []
    for n, (seen, asked, looked) in enumerate(told):
        user = {"user": members[n]}
        for i, (minute, before, title, completion, watched) in enumerate(seen):
            when = {"at": MORNING + (minute - before) * MINUTE, "heard": MORNING + minute * MINUTE}
            played = {"media_id": media[title % len(media)], "completion": completion, "watched_seconds": watched}
            happens.append((minute, 0, served.watch, user | when | played | {"event_id": f"w{n}-{i}"}))
        for i, (minute, before, query) in enumerate(asked):
            when = {"at": MORNING + (minute - before) * MINUTE, "heard": MORNING + minute * MINUTE}
            happens.append((minute, 0, served.search, user | when | {"query": query, "event_id": f"s{n}-{i}"}))
        for i, (minute, place, settled) in enumerate(looked):
            when = {"at": MORNING + minute * MINUTE + timedelta(microseconds=1), "settled": settled}
            happens.append((minute, 1, served.page, user | when | place | {"request_id": f"p{n}-{i}"}))
    for _, _, act, given_of in sorted(happens, key=lambda one: one[:2]):
        act(**given_of)


@examples(
    max_examples=3,
    deadline=None,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
@given(told=st.lists(lives, min_size=12, max_size=20))
def test_every_feature_that_serving_used_is_what_the_lake_gives_back(world: World, tmp_path: Path, told: Any) -> None:
    home = Path(tmp_path / f"home{len(list(tmp_path.iterdir()))}")
    with serving(world, home) as served:
        live(served, told)

    logged = next_day(served.settings)
    assert len(logged) == served.pages
    found = skew.measure(served.settings, TODAY, TODAY)

    assert [(one.feature, one.example) for one in found.different] == []
    every = {f.name for f in catalogue.features(Lake(served.settings.lake_path).dataset)}
    assert {one.feature for one in found.features} == every
    assert set(found.left_out) == {"retrieval scores"}


def without_searches(patch: pytest.MonkeyPatch) -> None:
    real = kept.Kept.row
    patch.setattr(kept.Kept, "row", lambda self, user, watches, searches: real(self, user, watches, []))


def of_the_morning(patch: pytest.MonkeyPatch) -> None:
    real = kept.Kept.row

    def stale(self: kept.Kept, user: str, watches: Any, searches: Any) -> Any:
        made, known = real(self, user, watches, searches)
        before = real(self, user, [], [])
        return made | {"user_recent_genres": before[0]["user_recent_genres"] if before else ()}, known

    patch.setattr(kept.Kept, "row", stale)


def in_the_data_sets_zone(patch: pytest.MonkeyPatch) -> None:
    real = page.context_features
    patch.setattr(page, "context_features", lambda at, **more: real(at, **(more | {"member_zone": None})))


def in_single_precision(patch: pytest.MonkeyPatch) -> None:
    real = page.user_columns

    def coarse(*given: Any) -> Any:
        moments = {f.name for f in catalogue.STORED if f.kind == "moment"}
        return {n: v.astype(np.float32) if n in moments and v[0] is not None else v for n, v in real(*given).items()}

    patch.setattr(page, "user_columns", coarse)


MOMENT = {"context_weekday", "context_weekend", "context_season", "context_holiday", "context_days_to_holiday"}
SINCE = {"user_last_watch_at", "cross_days_since_watch", "user_session_seen_at"}
SEARCHED = {"user_search_terms", "cross_search_match", "user_session_seen_at", "context_session_watches"}
SESSION = {"context_session_minutes", "user_session_watches", "user_session_watched_seconds"}
FAULTS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], set[str], set[str]]] = {
    "searches are not pushed": (without_searches, {"user_searches"}, SEARCHED | SESSION),
    "a histogram of the morning": (of_the_morning, {"user_recent_genres", "cross_recent_genre_share"}, set()),
    "the wrong time zone": (in_the_data_sets_zone, {"context_hour", "context_daypart"}, MOMENT),
    "moments in single precision": (
        in_single_precision,
        {"user_recent_watch_at", "context_minutes_since_watch"},
        SINCE,
    ),
}
"""What goes wrong in serving, features that must be named, and those that may be named with them."""


@pytest.fixture(scope="module")
def faulty(world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, list[dict[str, Any]]]:
    """One day on which each fault was switched on for a while, and an hour on which all was well."""
    at = MORNING + 7 * 60 * MINUTE + timedelta(seconds=7)
    with serving(world, tmp_path_factory.mktemp("faulty") / "home") as served:
        for n, (name, (fault, *_)) in enumerate({"none": (lambda _: None, set(), set()), **FAULTS}.items()):
            with pytest.MonkeyPatch.context() as patch:
                fault(patch)
                for k, user in enumerate(world.members[20 * n : 20 * (n + 1)]):
                    media = world.media[k]
                    served.watch(f"w{n}-{k}", user, at - 30 * MINUTE, at, media_id=media, completion=0.9)
                    served.search(f"s{n}-{k}", user, at, at, "the heist")
                    served.page(f"{name}/{k}", user, at + 3 * MINUTE)
                served.settle()
        assert served.ready()["stale_features"]["user_activity"] > 0
    return served.settings, next_day(served.settings)


@pytest.mark.parametrize("fault", ["none", *FAULTS])
def test_a_fault_in_serving_is_found_and_the_feature_named(
    faulty: tuple[Settings, list[dict[str, Any]]], fault: str
) -> None:
    settings, logged = faulty
    mine = [row for row in logged if row["request_id"].startswith(f"{fault}/")]
    assert len(mine) == 20

    found, _ = skew.against_the_lake(settings, mine)

    different = {one.feature for one in found if one.equal < one.rows}
    if fault == "none":
        assert different == set()
        return
    _, must, may = FAULTS[fault]
    assert must <= different <= must | may
    worst = next(one for one in found if one.feature in must)
    assert worst.example.request_id.startswith(fault)
    assert worst.example.served != worst.example.rebuilt


def test_marquee_skew_prints_the_worst_feature_first_and_fails(
    faulty: tuple[Settings, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, logged = faulty
    monkeypatch.setenv("MARQUEE_HOME", str(settings.root))
    day = ["--from", TODAY.isoformat(), "--to", TODAY.isoformat()]

    told = CliRunner().invoke(command, ["skew", *day, "--json"])
    assert told.exit_code == 1, told.output
    found = json.loads(told.stdout)
    assert (found["requests"], found["rows"], found["stale"]) == (len(logged), 4 * len(logged), 0)
    shares = [one["share"] for one in found["features"]]
    assert shares == sorted(shares)
    named = {name for _, names, _ in FAULTS.values() for name in names}
    assert named <= set(found["different"])
    assert found["features"][0]["example"]["request_id"].split("/")[0] in FAULTS

    table = CliRunner().invoke(command, ["skew", *day, "--most", "60"])
    assert table.exit_code == 1
    assert f"{found['features'][0]['feature']} differs in" in table.output
    assert "not compared: retrieval scores" in table.output


def test_marquee_skew_ends_well_where_nothing_differs_and_says_where_there_is_nothing(
    faulty: tuple[Settings, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings, logged = faulty
    with EventStore(f"sqlite:///{tmp_path}/events.db") as store:
        store.migrate()
        store.record_served([row for row in logged if row["request_id"].startswith("none/")])
        tomorrow = logged[0] | {"request_id": "later", "requested_at": MORNING + timedelta(days=1)}
        store.record_served([tomorrow])
    monkeypatch.setenv("MARQUEE_HOME", str(settings.root))
    monkeypatch.setenv("MARQUEE_EVENT_STORE_URL", f"sqlite:///{tmp_path}/events.db")
    later = (TODAY + timedelta(days=1)).isoformat()

    well = CliRunner().invoke(command, ["skew", "--from", TODAY.isoformat(), "--to", later])
    assert well.exit_code == 0, well.output
    assert f"not compared: 1 requests of {later}: the lake does not know that day's events yet" in well.output
    early = CliRunner().invoke(command, ["skew", "--from", later])
    assert (early.exit_code, "run refresh_features for the days to compare" in early.output) == (2, True)
    never = CliRunner().invoke(command, ["skew", "--from", FIRST.isoformat()])
    assert (never.exit_code, "no feature vectors were logged" in never.output) == (2, True)
