"""One refresh of the features: plan the days, export events, compute, load online, publish the media snapshot."""

import logging
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pipelines import snapshot
from pipelines.adapters.event_store import EventStore
from pipelines.adapters.feature_store import FeatureStore
from pipelines.core import days, durations, rehearsal
from pipelines.core.errors import DataError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.features import compaction
from pipelines.features import job as features
from pipelines.ingestion import job as ingestion

Interval = dict[str, Any]
"""{"first": day, "last": day}, both included: what passes between the tasks of the DAG. ``rehearsal`` names the home of
a dry run, ``plan`` holds its figures."""

LOG = logging.getLogger(__name__)


def plan(settings: Settings, first: str | None, last: str | None, *, dry_run: bool = False) -> Interval:
    """The days asked for; what is left empty runs from the day after the last refresh to the last day with events.

    With it, under ``plan``, what the refresh will read, publish and overwrite, and the minutes that earlier ones let
    expect. A dry run does all that follows on a copy of the lake, and publishes nothing.

    Raises:
        DataError: for a day that is none, an interval in the wrong order, or a lake without events.
    """
    lake = Lake(settings.lake_path)
    held = sorted({*lake.days("impressions"), *lake.days("watches")})
    if not held:
        raise DataError(f"the lake {lake.root} holds no impressions and no watches: run marquee import first")
    refreshed = lake.watermark("features")
    until = days.parse(last) if last else held[-1]
    since = days.parse(first) if first else refreshed.through + timedelta(days=1) if refreshed else held[0]
    if since > until and first is None:
        since = until  # Nothing is new: the last day is computed again, so that a run always ends in a fresh snapshot.
    if since > until:
        raise DataError(f"first day {since} lies after last day {until}: give them in order")
    found: Interval = {"first": since.isoformat(), "last": until.isoformat(), "plan": figures(settings, since, until)}
    LOG.info("refresh of %s to %s: %s", since, until, found["plan"])
    return found | ({"rehearsal": str(rehearsal.begin(settings))} if dry_run else {})


def figures(settings: Settings, first: date, last: date) -> dict[str, Any]:
    """What a refresh of these days reads, publishes and overwrites, and its minutes; nothing is computed."""
    lake = Lake(settings.lake_path)
    due = features.plan(lake, first, last, settings.engine)
    online = durations.expected(lake, durations.ONLINE, settings.engine, due.rows)
    known = [seconds for seconds in (due.seconds, online) if seconds is not None]
    return due.as_dict() | {"minutes": round(sum(known) / 60, 2) if known else None}


def export_events(settings: Settings, interval: Interval) -> dict[str, object]:
    """Bring the API's events of the interval into the lake; running it again changes nothing."""
    within = _settings(settings, interval)
    store = EventStore(within.event_store_address)
    try:
        store.migrate()
        return ingestion.export_events(Lake(within.lake_path), store, *_days(interval)).as_dict()
    finally:
        store.close()


def compute(settings: Settings, interval: Interval) -> dict[str, Any]:
    """Compute and publish every feature view of the interval; rows by view.

    A dry run ends here: ``rows`` by view and ``partitions`` by table, new, changed or the same.
    """
    rows = features.refresh(_settings(settings, interval), *_days(interval))
    if "rehearsal" not in interval:
        return dict(rows)
    home = Path(interval["rehearsal"])
    found = {"rows": rows, "partitions": rehearsal.outcome(settings, home)}
    rehearsal.end(home)
    LOG.info("dry run, nothing published: %s", found)
    return found


def publish(settings: Settings, interval: Interval) -> str:
    """Load member rows into the online store and swap the media snapshot; returns the snapshot's version."""
    began = time.perf_counter()
    first, last = _days(interval)
    lake = Lake(settings.lake_path)
    zone = lake.dataset.time_zone
    tomorrow = days.start(last + timedelta(days=1), zone)
    store = FeatureStore(settings)
    store.apply()
    store.materialize(days.start(first, zone), tomorrow)
    version = snapshot.publish(settings, tomorrow)
    rows = features.published(lake, first, last)
    durations.note(lake, durations.ONLINE, settings.engine, rows, time.perf_counter() - began)
    LOG.info("compacted: %s", compact(settings))
    return version


def horizon(settings: Settings) -> date | None:
    """The day from which on questions are answered: ``keep_days`` before the last refresh; None before the first."""
    refreshed = Lake(settings.lake_path).watermark("features")
    return refreshed.through - timedelta(days=settings.keep_days) if refreshed else None


def compaction_plan(settings: Settings) -> list[compaction.Fold]:
    """What ``compact`` can fold now."""
    since = horizon(settings)
    return compaction.plan(Lake(settings.lake_path), since) if since else []


def compact(settings: Settings, least: int = compaction.MONTH) -> dict[str, int]:
    """Fold the snapshots behind the horizon into one file a view; the rows left, by view that had ``least`` days."""
    since = horizon(settings)
    return compaction.fold(Lake(settings.lake_path), since, least) if since else {}


def dry_run(settings: Settings, first: date, last: date) -> dict[str, Any]:
    """The refresh of these days up to the online store, on a copy of the lake: what ``compute`` says of a dry run."""
    interval = plan(settings, first.isoformat(), last.isoformat(), dry_run=True)
    try:
        export_events(settings, interval)
        return compute(settings, interval)
    finally:
        rehearsal.end(Path(interval["rehearsal"]))


def _settings(settings: Settings, interval: Interval) -> Settings:
    return rehearsal.inside(settings, Path(interval["rehearsal"])) if "rehearsal" in interval else settings


def _days(interval: Interval) -> tuple[date, date]:
    return days.parse(interval["first"]), days.parse(interval["last"])
