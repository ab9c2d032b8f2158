"""The event store on a real PostgreSQL: the same code as on SQLite, another URL."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.adapters.event_store import EventStore
from pipelines.adapters.experiment_store import ExperimentStore
from pipelines.core.errors import RequestError
from pipelines.experiments import lifecycle
from pipelines.experiments.definition import parse

pytestmark = pytest.mark.services
NOON = datetime(2022, 4, 29, 12, 0, 0, 123_457, tzinfo=UTC)
MIGRATE = "import sys; from pipelines.adapters.event_store import EventStore; EventStore(sys.argv[1]).migrate()"


@pytest.fixture(scope="module")
def url(new_database: Callable[[str], str]) -> str:
    return new_database("events")


@pytest.fixture
def store(url: str) -> Iterator[EventStore]:
    with EventStore(url) as opened:
        opened.migrate()
        yield opened


def shown(number: int, **other: Any) -> dict[str, Any]:
    ids = {"impression_id": f"i{number}", "user_id": "u1", "media_id": "m1"}
    return ids | {"shown_at": NOON + timedelta(hours=number), "available_at": NOON, "clicked": False} | other


def test_processes_that_start_at_once_migrate_postgresql_once(url: str) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", MIGRATE, url]) for _ in range(3)]

    assert [process.wait(60) for process in processes] == [0, 0, 0]
    with EventStore(url) as store:
        assert store.differences() == []


def test_events_come_back_from_postgresql_as_recorded_and_once(store: EventStore) -> None:
    rows = [shown(1, action_set=["a", "b"], action_propensities=[0.25, 0.75], position=3), shown(2)]

    assert store.record("impressions", rows) == 2
    assert store.record("impressions", [*rows, shown(3)]) == 1
    assert store.record_clicks(["i1", "i9"]) == 1

    read = store.read("impressions", NOON, NOON + timedelta(hours=3)).to_pylist()
    assert [row["impression_id"] for row in read] == ["i1", "i2"]
    assert read[0]["shown_at"] == NOON + timedelta(hours=1)
    assert read[0]["available_at"].microsecond == 123_457
    assert (read[0]["action_set"], read[0]["action_propensities"]) == (["a", "b"], [0.25, 0.75])
    assert (read[0]["clicked"], read[1]["clicked"], read[1]["action_set"]) == (True, False, None)


def test_a_request_is_answered_once_on_postgresql(store: EventStore) -> None:
    assert store.record_page("r1", {"items": ["é"]}, [shown(7)], NOON) is None
    assert store.record_page("r1", {"items": ["other"]}, [shown(8)], NOON) == {"items": ["é"]}
    assert store.impressions(["i7", "i8"]) == {"i7": ("u1", "m1")}


def test_a_session_is_closed_once_on_postgresql(store: EventStore) -> None:
    opened = {"session_id": "s1", "user_id": "u1", "started_at": NOON, "available_at": NOON}

    counts = [store.record("sessions", [opened | end]) for end in ({}, {"ended_at": NOON}, {"ended_at": NOON})]
    assert counts == [1, 1, 0]


def test_of_starts_at_once_one_holds_on_postgresql(store: EventStore) -> None:
    variants = {name: {"release": name, "share": 1} for name in ("old", "new")}
    content = {"variants": variants, "control": "old", "planned_end": "2022-05-12", "minimum_effect": 0.02}
    registry = SimpleNamespace(
        releases=lambda: [SimpleNamespace(version=n, release_id=name) for n, name in enumerate(variants, start=1)],
        tags=lambda _: {},
    )
    experiments = ExperimentStore(store)

    def start(number: int) -> bool:
        asked = parse(content | {"name": f"race-{number}"})
        try:
            lifecycle.start(experiments, registry, asked, actor="ada", reason="to see", at=NOON)
        except RequestError:
            return False
        return True

    with ThreadPoolExecutor(6) as racers:
        assert sum(racers.map(start, range(6))) == 1
    held = lifecycle.held(experiments.decisions())
    assert [one.definition.start for one in held] == [NOON]
    for _ in range(2):
        experiments.expose("race", "new", "u1", "new", NOON)
    assert experiments.exposures("race", NOON + timedelta(days=1)) == [("u1", "new", "new", NOON)]
