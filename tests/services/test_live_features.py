"""A watch that is heard stands in the member's online row within a second, on SQLite and on a real Redis."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import SecretStr

from pipelines.adapters.event_store import EventStore
from pipelines.adapters.feature_store import FeatureStore
from pipelines.core import dataset as datasets
from pipelines.core import tables
from pipelines.core.dataset import Dataset
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.features import job as features
from pipelines.features import kept
from serving.events import hear
from serving.recent import RecentFeatures

pytestmark = [
    pytest.mark.services,
    # Ibis calls DuckDB by the old name of to_arrow_table.
    pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning"),
]

DAY = date(2026, 3, 1)
MIDNIGHT, NOON = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 2, 12, tzinfo=UTC)


def fill(lake: Lake) -> None:
    """u1 watched all of m1, a drama, on DAY."""
    datasets.write(Dataset(name="small", source="tables"), lake.root)
    known = {"available_at": NOON - timedelta(days=9)}
    began = NOON - timedelta(days=1)
    watch = {"watch_id": "w0", "user_id": "u1", "media_id": "m1", "started_at": began, "available_at": began}
    rows = {
        "users": [known | {"user_id": "u1"}],
        "media": [known | {"media_id": f"m{n}", "genres": ["drama"]} for n in range(4)],
        "watches": [watch | {"completion": 0.9, "watched_seconds": 540.0}],
    }
    for name, held in rows.items():
        table = pa.Table.from_pylist(held, schema=tables.TABLES[name].schema())
        lake.publish(name, table, DAY if tables.TABLES[name].time else None)


@dataclass
class Served:
    """A refreshed lake's online store, and what hears events beside it."""

    events: EventStore
    features: FeatureStore
    recent: RecentFeatures

    def post(self, now: datetime, *sent: dict[str, Any]) -> None:
        heard = hear(list(sent), now=now, store=self.events, known=lambda _: True, changed=self.recent.heard)
        assert heard.accepted == len(sent), heard

    def seconds_until(self, state: Callable[[dict[str, Any]], bool]) -> float:
        began = time.monotonic()
        while not state(self.features.user_row("u1")):
            assert time.monotonic() - began < 10, self.recent.state()
            time.sleep(0.01)
        return time.monotonic() - began


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp(request.param)
    url = f"redis://127.0.0.1:{request.getfixturevalue('redis_port')}/3" if request.param == "redis" else None
    settings = Settings(home=home, redis_url=SecretStr(url) if url else None)
    fill(Lake(settings.lake_path))
    store = FeatureStore(settings)
    store.apply()
    features.refresh(settings, DAY, DAY)
    features.materialize(settings, DAY)
    with EventStore(settings.event_store_address) as events:
        events.migrate()
        folder = Path(home)
        kept.write(Lake(settings.lake_path), MIDNIGHT, folder)
        held = kept.load(folder)
        recent = RecentFeatures(events, lambda: held, lambda: FeatureStore(settings))
        recent.start()
        yield Served(events, store, recent)
        recent.close()


def watch(event_id: str, media_id: str, at: datetime) -> dict[str, Any]:
    of = {"type": "watch", "event_id": event_id, "user_id": "u1", "at": at.isoformat(), "media_id": media_id}
    return of | {"completion": 0.95, "watched_seconds": 60}


def search(event_id: str, query: str, at: datetime) -> dict[str, Any]:
    return {"type": "search", "event_id": event_id, "user_id": "u1", "at": at.isoformat(), "query": query}


def test_a_watch_and_a_search_stand_in_the_online_row_within_a_second(served: Served) -> None:
    assert served.features.user_row("u1")["user_history"] == ["m1"]
    served.post(NOON - timedelta(hours=1), search("s0", "warm", NOON - timedelta(hours=1)))
    served.seconds_until(lambda row: row["user_searches"] == ["warm"])

    served.post(NOON, watch("w1", "m2", NOON), search("s1", "heist", NOON))

    assert served.seconds_until(lambda row: row["user_history"] == ["m1", "m2"]) < 1.0
    assert served.features.user_row("u1")["user_searches"] == ["warm", "heist"]


def test_what_follows_within_the_same_second_and_what_is_told_late_are_there_too(served: Served) -> None:
    instants = [NOON + timedelta(minutes=5, microseconds=n) for n in (1, 2)]
    for n, at in enumerate(instants):
        served.post(at, search(f"s{n + 2}", f"query {n}", at))
        assert served.seconds_until(lambda row, n=n: row["user_searches"][-1] == f"query {n}") < 1.0

    served.post(NOON + timedelta(minutes=6), watch("late", "m3", NOON - timedelta(hours=3)))
    assert served.seconds_until(lambda row: row["user_recent_media"] == ["m1", "m3", "m2"]) < 1.0


def test_the_next_refresh_does_not_put_the_row_of_the_morning_over_it(served: Served) -> None:
    before = served.features.user_row("u1")["user_searches"]
    features.materialize(served.features.settings, DAY)
    assert served.features.user_row("u1")["user_searches"] == before


def test_processes_that_hear_of_one_member_in_turn_end_with_the_row_of_all_events(served: Served) -> None:
    held = served.recent._kept()
    other = RecentFeatures(served.events, lambda: held, lambda: FeatureStore(served.features.settings))
    other.start()
    try:
        for n in range(20):
            at = NOON + timedelta(hours=1, microseconds=n)
            sent = [watch(f"turn{n}", f"m{n % 4}", at)]
            changed = (served.recent, other)[n % 2].heard
            hear(sent, now=at, store=served.events, known=lambda _: True, changed=changed)
        took = served.seconds_until(lambda row: row["user_recent_media"][-20:] == [f"m{n % 4}" for n in range(20)])
        assert took < 2.0
    finally:
        other.close()
