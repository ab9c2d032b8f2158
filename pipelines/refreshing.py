"""One refresh of the features: plan the days, export events, compute, load online, publish the media snapshot."""

from datetime import date, timedelta

from pipelines import snapshot
from pipelines.adapters.event_store import EventStore
from pipelines.adapters.feature_store import FeatureStore
from pipelines.core import days
from pipelines.core.errors import DataError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.features import job as features
from pipelines.ingestion import job as ingestion

Interval = dict[str, str]
"""{"first": day, "last": day}, both included: what passes between the tasks of the DAG."""


def plan(settings: Settings, first: str | None, last: str | None) -> Interval:
    """The days asked for; what is left empty runs from the day after the last refresh to the last day with events.

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
    return {"first": since.isoformat(), "last": until.isoformat()}


def export_events(settings: Settings, interval: Interval) -> dict[str, object]:
    """Bring the API's events of the interval into the lake; running it again changes nothing."""
    store = EventStore(settings.event_store_address)
    try:
        store.migrate()
        return ingestion.export_events(Lake(settings.lake_path), store, *_days(interval)).as_dict()
    finally:
        store.close()


def compute(settings: Settings, interval: Interval) -> dict[str, int]:
    """Compute and publish every feature view of the interval; rows by view."""
    return features.refresh(settings, *_days(interval))


def publish(settings: Settings, interval: Interval) -> str:
    """Load member rows into the online store and swap the media snapshot; returns the snapshot's version."""
    first, last = _days(interval)
    zone = Lake(settings.lake_path).dataset.time_zone
    tomorrow = days.start(last + timedelta(days=1), zone)
    store = FeatureStore(settings)
    store.apply()
    store.materialize(days.start(first, zone), tomorrow)
    return snapshot.publish(settings, tomorrow)


def _days(interval: Interval) -> tuple[date, date]:
    return days.parse(interval["first"]), days.parse(interval["last"])
