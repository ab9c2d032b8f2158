"""A lost asset event on a real Airflow: the reconciler starts one retraining in its place, and never a second."""

from datetime import date
from typing import Any

import pytest

from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.ingestion import job as ingestion
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.world import simulate
from pipelines.sources import SOURCES

FIRST, LAST = date(2026, 1, 5), date(2026, 1, 7)
CATCH_UP = f"reconcile__{LAST}"
STARTED = dict.fromkeys(("runs", "due", "catch_up"), "success")
NOT_STARTED = STARTED | {"catch_up": "skipped"}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, ask_own_airflow) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("reconcile")
    simulate(WorldConfig(seed=3, members=30, days=3), folder / "world")
    settings = Settings(home=folder / "home")
    source = SOURCES["tables"](folder / "world")
    ingestion.ingest(Lake(settings.lake_path), source.dataset, source.batches())
    return ask_own_airflow("lose_event.py", FIRST.isoformat(), home=settings.root)


def test_a_refresh_wakes_retrain_by_its_event(told):
    assert told["refreshed"]["waiting"] == ["retrain"]
    assert told["refreshed"]["tasks"]["announce"] == "success"


def test_an_event_that_may_still_arrive_is_waited_for(told):
    assert told["within grace"]["tasks"] == NOT_STARTED
    assert told["within grace"]["retrainings"] == {}


def test_a_lost_event_leads_to_one_catch_up_run(told):
    assert (told["lost"]["waiting"], told["lost"]["events"]) == ([], 0)
    assert told["reconciled"]["tasks"] == STARTED
    assert told["reconciled"]["retrainings"] == {CATCH_UP: "queued"}


def test_a_second_look_starts_no_second_run(told):
    assert told["again"]["tasks"] == NOT_STARTED
    assert told["again"]["retrainings"] == {CATCH_UP: "queued"}


def test_a_catch_up_that_failed_is_left_to_a_person(told):
    assert told["after it failed"]["tasks"] == NOT_STARTED
    assert told["after it failed"]["retrainings"] == {CATCH_UP: "failed"}


def test_nothing_is_started_once_the_features_are_trained_on(told):
    assert told["trained"]["tasks"] == NOT_STARTED
    assert list(told["trained"]["retrainings"]) == [CATCH_UP]


def test_a_backfill_publishes_and_wakes_nothing(told):
    done = dict.fromkeys(("plan", "export_events", "compute", "publish"), "success")
    assert told["backfilled"]["type"] == "backfill"
    assert told["backfilled"]["tasks"] == done | {"announce": "skipped"}
    assert (told["backfilled"]["waiting"], told["backfilled"]["events"]) == ([], 0)
    assert list(told["after the backfill"]["retrainings"]) == [CATCH_UP]
