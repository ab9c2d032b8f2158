"""Whether a retraining that an asset event should have started never began: watermarks decide, events only wake.

An event is lost where the consumer was paused, where Airflow drops it for a DAG that runs one run at a time
(apache/airflow 56050), or where a scheduler dies between the two.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from pipelines.core.errors import DataError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.retraining import TRAINED

LOG = logging.getLogger(__name__)
FEATURES = "features"
EVENTS = ("impressions", "watches")
RUN_ID = "reconcile__{through}"
"""One catch-up a day of features: a second run of this id cannot be."""


@dataclass(frozen=True)
class Runs:
    """How many runs are queued or running, how many had this catch-up's id already, whether retrain is paused."""

    refreshing: int = 0
    retraining: int = 0
    caught_up: int = 0
    paused: bool = False


@dataclass(frozen=True)
class Reached:
    """How far each stage has come, None = never; ``quiet`` is how long the features' watermark has not moved."""

    events: date | None
    features: date | None
    trained: date | None
    quiet: timedelta = timedelta()


@dataclass(frozen=True)
class Decision:
    """Whether to start a retraining, and why or why not."""

    wake: bool
    reason: str


def decide(reached: Reached, runs: Runs, grace: timedelta) -> Decision:
    """Wake only where features are newer than what was trained on, nothing is under way, and the event had its time.

    ``grace`` is what an asset event is given to arrive before it counts as lost.
    """
    found = _nothing_new(reached) or _under_way(reached, runs, grace)
    if found:
        return Decision(False, found)
    since = f"since {reached.trained}" if reached.trained else "ever"
    return Decision(True, f"features reach {reached.features}, and no retraining was started {since}")


def _nothing_new(reached: Reached) -> str | None:
    behind = reached.events and (reached.features is None or reached.events > reached.features)
    waiting = f"; events reach {reached.events}, which refresh_features has not read yet" if behind else ""
    if reached.features is None:
        return f"features were never refreshed{waiting}"
    if reached.trained is not None and reached.trained >= reached.features:
        return f"trained through {reached.trained}, features reach {reached.features}: nothing is new{waiting}"
    return None


def _under_way(reached: Reached, runs: Runs, grace: timedelta) -> str | None:
    if runs.paused:
        return "retrain is paused: unpause it, and the next look catches up"
    if runs.retraining:
        return f"{runs.retraining} run(s) of retrain are queued or running"
    if runs.refreshing:
        return f"{runs.refreshing} run(s) of refresh_features are queued or running: they wake retrain themselves"
    if reached.quiet < grace:
        return f"features moved {_minutes(reached.quiet)} ago: their event has {_minutes(grace)} to arrive"
    if runs.caught_up:
        return (
            f"the catch-up {run_id(reached)} ran already and did not finish its training: read its log, "
            "clear the task that failed"
        )
    return None


def look(settings: Settings, at: datetime) -> Reached:
    """How far the stages have come, by their watermarks; a lake that does not exist yet has come nowhere."""
    lake = Lake(settings.lake_path)
    marks = {table: lake.watermark(table) for table in (*EVENTS, FEATURES, TRAINED)}
    through = {table: mark.through for table, mark in marks.items() if mark}
    moved = lake.advanced_at(FEATURES)
    return Reached(
        events=max((through[table] for table in EVENTS if table in through), default=None),
        features=through.get(FEATURES),
        trained=through.get(TRAINED),
        quiet=max(at - moved, timedelta()) if moved else timedelta(),
    )


def catch_up(settings: Settings, runs: Mapping[str, Any], *, at: datetime, grace_minutes: int) -> dict[str, str] | None:
    """The DAG's task: {"run_id", "through", "reason"} of the one retraining to start, None where none is due.

    ``runs``: the fields of Runs. The reason is logged either way.

    Raises:
        DataError: for a grace below nothing.
    """
    if grace_minutes < 0:
        raise DataError(f"grace_minutes {grace_minutes} lies below 0: give an event some minutes to arrive")
    reached = look(settings, at)
    decision = decide(reached, Runs(**runs), timedelta(minutes=grace_minutes))
    LOG.info("%s: %s", "catch up" if decision.wake else "nothing to start", decision.reason)
    if not decision.wake:
        return None
    return {"run_id": run_id(reached), "through": str(reached.features), "reason": decision.reason}


def awaited(settings: Settings) -> str:
    """The id that a catch-up run would have now, by which Airflow is asked whether it was started before."""
    mark = Lake(settings.lake_path).watermark(FEATURES)
    return RUN_ID.format(through=mark.through if mark else "nothing")


def run_id(reached: Reached) -> str:
    """The id of the catch-up run for these features."""
    return RUN_ID.format(through=reached.features)


def _minutes(span: timedelta) -> str:
    return f"{span.total_seconds() / 60:.0f} min"
