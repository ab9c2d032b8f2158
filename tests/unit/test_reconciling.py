"""When the reconciler starts a retraining, by hand; and what it reads of a lake."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pipelines import reconciling
from pipelines.core.errors import DataError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.reconciling import Reached, Runs, decide
from pipelines.retraining import TRAINED

MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)
HOUR, GRACE = timedelta(hours=1), timedelta(minutes=10)
LOST = Reached(events=TUESDAY, features=TUESDAY, trained=MONDAY, quiet=HOUR)


def test_features_that_nothing_was_trained_on_and_no_run_under_way_are_caught_up():
    found = decide(LOST, Runs(), GRACE)
    assert found.wake
    assert found.reason == "features reach 2026-03-03, and no retraining was started since 2026-03-02"


def test_a_platform_that_never_trained_is_caught_up():
    assert decide(Reached(TUESDAY, TUESDAY, None, HOUR), Runs(), GRACE).wake


@pytest.mark.parametrize(
    ("reached", "runs", "reason"),
    [
        (Reached(TUESDAY, TUESDAY, TUESDAY, HOUR), Runs(), "nothing is new"),
        (Reached(None, None, None), Runs(), "features were never refreshed"),
        (
            Reached(TUESDAY, MONDAY, MONDAY, HOUR),
            Runs(),
            "events reach 2026-03-03, which refresh_features has not read",
        ),
        (LOST, Runs(retraining=1), "1 run(s) of retrain are queued or running"),
        (LOST, Runs(refreshing=1), "they wake retrain themselves"),
        (LOST, Runs(paused=True), "retrain is paused"),
        (LOST, Runs(caught_up=1), "catch-up reconcile__2026-03-03 ran already"),
        (Reached(TUESDAY, TUESDAY, MONDAY, timedelta(minutes=9)), Runs(), "their event has 10 min to arrive"),
    ],
)
def test_it_starts_nothing_and_says_why(reached, runs, reason):
    found = decide(reached, runs, GRACE)
    assert not found.wake
    assert reason in found.reason


def test_an_event_is_lost_once_its_grace_is_over():
    assert decide(Reached(TUESDAY, TUESDAY, MONDAY, GRACE), Runs(), GRACE).wake


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def test_watermarks_are_read_of_the_lake_and_one_run_is_asked_for(settings):
    lake = Lake(settings.lake_path)
    for table, day in (("watches", TUESDAY), ("features", TUESDAY), (TRAINED, MONDAY)):
        lake.advance(table, day)
    moved = lake.advanced_at("features")
    assert moved is not None
    asked = {"at": moved + HOUR, "grace_minutes": 10}
    due = reconciling.catch_up(settings, {}, **asked)
    assert due is not None
    assert (due["run_id"], due["through"]) == ("reconcile__2026-03-03", "2026-03-03")
    assert reconciling.awaited(settings) == due["run_id"]
    assert reconciling.catch_up(settings, {"retraining": 1}, **asked) is None
    assert reconciling.catch_up(settings, {}, at=moved, grace_minutes=10) is None
    lake.advance(TRAINED, TUESDAY)
    assert reconciling.catch_up(settings, {}, **asked) is None


def test_an_older_day_that_is_refreshed_again_is_nothing_new(settings):
    lake = Lake(settings.lake_path)
    lake.advance("features", TUESDAY)
    lake.advance(TRAINED, TUESDAY)
    lake.advance("features", MONDAY)
    later = datetime.now(UTC) + HOUR
    assert reconciling.catch_up(settings, {}, at=later, grace_minutes=10) is None


def test_a_home_without_a_lake_is_left_alone(settings):
    assert reconciling.catch_up(settings, {}, at=datetime(2026, 3, 3, tzinfo=UTC), grace_minutes=10) is None


def test_a_grace_below_nothing_is_refused(settings):
    with pytest.raises(DataError, match="grace_minutes -1 lies below 0"):
        reconciling.catch_up(settings, {}, at=datetime(2026, 3, 3, tzinfo=UTC), grace_minutes=-1)
