"""A view's snapshots as files: one a day A = e + 1, ordered by key, stamped with the start of A."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import ibis
import numpy as np
import pyarrow as pa

from pipelines.core import days
from pipelines.core.lake import Lake
from pipelines.features.plan import EPOCH, Span, number, table_of


def publish(lake: Lake, view: str, snapshots: Any, span: Span, zone: str) -> int:
    """Publish the view's days of the span; a day that has no rows any more becomes empty. Returns the rows."""
    due = _due(snapshots, span.first, span.last, whole=span.whole)
    return write(lake, table_of(view), due.to_pyarrow().cast(due.schema().to_pyarrow()), span, zone)


def write(lake: Lake, name: str, found: pa.Table, span: Span, zone: str) -> int:
    """Publish rows with their day ``e``, in the order of it, as the table's days of the span. Returns the rows."""
    first, last = span.first, span.last
    by_day = dict(_by_day(found, zone))
    stale = {*lake.days(name, first, last + timedelta(days=1)), *([first] if span.whole else [])}
    for day in stale - by_day.keys():
        by_day[day] = _stamped(found.slice(0, 0), day, zone)
    for day, rows in by_day.items():
        lake.publish(name, rows, day)
    return int(found.num_rows)


def _due(snapshots: Any, first: date, last: date, *, whole: bool) -> Any:
    """Snapshots of days ``first`` to ``last + 1``; ``whole`` brings the latest earlier ones forward to ``first``."""
    key, before = snapshots.columns[0], number(first) - 1
    due = snapshots.filter((snapshots.e >= before + whole) & (snapshots.e <= number(last)))
    if whole:
        past = snapshots.filter(snapshots.e <= before)
        dated = past.mutate(latest=past.e.max().over(ibis.window(group_by=key)))
        standing = dated.filter(dated.e == dated.latest).drop("latest")
        due = standing.mutate(e=ibis.literal(before, "int64")).union(due)
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
