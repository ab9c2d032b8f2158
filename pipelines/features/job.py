"""refresh computes the snapshots of some days and publishes them, a table a view; materialize loads them online."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.adapters.feature_store import FeatureStore
from pipelines.core import days
from pipelines.core.errors import DataError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.features import vocabulary
from pipelines.features.views import snapshots_of, tables_of

WATERMARK = "features"
EPOCH = date(1970, 1, 1)


def table_of(view: str) -> str:
    """The lake table of a view."""
    return f"features/{view}"


def refresh(settings: Settings, first: date, last: date) -> dict[str, int]:
    """Publish every view's snapshots as of the days ``first`` to ``last + 1``; rows published by view.

    A snapshot of day A uses what had happened and was known before A began; a member or media has one on the days on
    which it changes, and on the first day ever published. Days between the watermark and ``first`` are published too;
    where a view's columns changed, all its days are. Running it again publishes the same files.

    Raises:
        DataError: the lake holds no data set or no media, or ``last`` lies before ``first``.
    """
    if last < first:
        raise DataError(f"features of {first} to {last}: the last day lies before the first, give them in order")
    lake = Lake(settings.lake_path)
    dataset = lake.dataset
    if not lake.exists("media"):
        raise DataError(f"media has no rows in {lake.root}: run `marquee import` first")
    with lake.alone(WATERMARK), _engine() as connection:
        values = vocabulary.grow(lake, vocabulary.GENRES, _genres(lake))
        views = snapshots_of(connection, tables_of(connection, lake, dataset), dataset, values)
        span = _span(lake, list(views), first, last)
        rows = {view: _publish(lake, view, found, span, dataset.time_zone) for view, found in views.items()}
        lake.advance(WATERMARK, last)
    return rows


@dataclass(frozen=True)
class Span:
    """Snapshots of ``first`` to ``last + 1`` are due now; ``base`` to ``through + 1`` is all there will be."""

    first: date
    last: date
    base: date
    through: date


def _span(lake: Lake, views: list[str], first: date, last: date) -> Span:
    done = lake.watermark(WATERMARK)
    if not done:
        return Span(first, last, first, last)
    through = max(last, done.through)
    published = min((d for view in views for d in lake.days(table_of(view))[:1]), default=first)
    if first < published:
        return Span(first, through, first, through)
    return Span(min(first, done.through + timedelta(days=1)), last, published, through)


def materialize(settings: Settings, through: date) -> None:
    """Load the members' snapshots that use days up to ``through`` into the online store: what is new since."""
    zone = Lake(settings.lake_path).dataset.time_zone
    store = FeatureStore(settings)
    store.apply()
    store.materialize_through(days.start(through + timedelta(days=1), zone))


@contextmanager
def _engine() -> Iterator[Any]:
    connection = ibis.duckdb.connect()
    try:
        connection.raw_sql("SET enable_progress_bar = false")
        yield connection
    finally:
        connection.disconnect()


def _genres(lake: Lake) -> list[str]:
    """Every genre, in the order in which the media that brought it became known."""
    known = lake.read("media", columns=["available_at", "media_id", "genres"]).sort_by(
        [("available_at", "ascending"), ("media_id", "ascending")]
    )
    values = pc.list_flatten(known["genres"])
    return [v for v in pc.unique(values).to_pylist() if v is not None]


def _fits(lake: Lake, view: str, snapshots: Any) -> bool:
    """Whether what was published has the columns of the new snapshots; otherwise all of it is made anew."""
    published = lake.files(table_of(view))
    stamps = ("event_timestamp", "created_timestamp")
    names = [c for c in snapshots.columns if c != "e"]
    return bool(published) and [n for n in pq.read_schema(published[0]).names if n not in stamps] == names


def _publish(lake: Lake, view: str, snapshots: Any, span: Span, zone: str) -> int:
    """Publish one file a snapshot day A = e + 1, ordered by key; a day that has no rows any more becomes empty."""
    name = table_of(view)
    first, last = (span.first, span.last) if _fits(lake, view, snapshots) else (span.base, span.through)
    found = _due(snapshots, first, last, whole=first == span.base).to_pyarrow()
    by_day = dict(_by_day(found, zone))
    stale = {*lake.days(name, first, last + timedelta(days=1)), *([first] if first == span.base else [])}
    for day in stale - by_day.keys():
        by_day[day] = _stamped(found.slice(0, 0), day, zone)
    for day, rows in by_day.items():
        lake.publish(name, rows, day)
    return int(found.num_rows)


def _due(snapshots: Any, first: date, last: date, *, whole: bool) -> Any:
    """Snapshots of days ``first`` to ``last + 1``; ``whole`` brings the latest earlier ones forward to ``first``."""
    key, before = snapshots.columns[0], (first - EPOCH).days - 1
    due = snapshots.filter((snapshots.e >= before + whole) & (snapshots.e <= (last - EPOCH).days))
    if whole:
        past = snapshots.filter(snapshots.e <= before)
        latest = past.e == past.e.max().over(ibis.window(group_by=key))
        due = past.filter(latest).mutate(e=ibis.literal(before, "int64")).union(due)
    return due.order_by("e", key)


def _by_day(found: pa.Table, zone: str) -> Iterator[tuple[date, pa.Table]]:
    numbers = found["e"].to_numpy()
    edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1), len(numbers)] if len(numbers) else []
    for begin, end in pairwise(edges):
        day = EPOCH + timedelta(days=int(numbers[begin]) + 1)
        yield day, _stamped(found.slice(begin, end - begin), day, zone)


def _stamped(rows: pa.Table, day: date, zone: str) -> pa.Table:
    moment = pa.scalar(days.start(day, zone), pa.timestamp("us", tz="UTC"))
    at = pa.repeat(moment, rows.num_rows)
    return rows.drop_columns(["e"]).append_column("event_timestamp", at).append_column("created_timestamp", at)
