"""Which snapshots a refresh will publish: asked before anything is computed, and then followed to the letter."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pyarrow.parquet as pq

from pipelines.core import durations, tables
from pipelines.core.errors import DataError
from pipelines.core.lake import Lake
from pipelines.features import views, windows

WATERMARK = "features"
STAMPS = ("event_timestamp", "created_timestamp")
EPOCH = date(1970, 1, 1)
DAY = timedelta(days=1)


def table_of(view: str) -> str:
    """The lake table of a view."""
    return f"features/{view}"


def number(day: date) -> int:
    """Days since 1970."""
    return (day - EPOCH).days


@dataclass(frozen=True)
class Span:
    """Snapshots of days ``first`` to ``last + 1``; ``whole`` brings the latest earlier ones forward to ``first``."""

    first: date
    last: date
    whole: bool

    @property
    def partitions(self) -> int:
        """At most so many: a day on which nothing changes has none."""
        return (self.last - self.first).days + 2

    @property
    def settled_before(self) -> int | None:
        """The day before which events may count as of one day; None where every snapshot of the past is asked for."""
        return None if self.whole else number(self.first) - 1 - windows.LONGEST


@dataclass(frozen=True)
class Plan:
    """What one refresh reads, computes and replaces. ``seconds`` is None before there is a history to judge by."""

    spans: Mapping[str, Span]
    present: Mapping[str, tuple[date, ...]]
    """View -> the partitions that lie where it will publish: what is overwritten."""
    events: int
    """Rows of the tables it reads."""
    rows: int
    """Rows it will publish, were each day like the view's last ones."""
    seconds: float | None

    def as_dict(self) -> dict[str, Any]:
        """JSON: the figures of the whole, and of each view its days and partitions."""
        minutes = None if self.seconds is None else round(self.seconds / 60, 2)
        return {
            "events": self.events,
            "rows": self.rows,
            "partitions": sum(span.partitions for span in self.spans.values()),
            "overwritten": sum(map(len, self.present.values())),
            "minutes": minutes,
            "views": {view: self._described(view) for view in self.spans},
        }

    def _described(self, view: str) -> dict[str, Any]:
        span = self.spans[view]
        return {
            "first": span.first.isoformat(),
            "last": (span.last + DAY).isoformat(),
            "anew": span.whole,
            "partitions": span.partitions,
            "overwritten": len(self.present[view]),
        }


def plan(lake: Lake, first: date, last: date, engine: str) -> Plan:
    """The plan of ``job.refresh(first, last)``; nothing is computed and nothing written.

    Raises:
        DataError: the lake holds no data set or no media, or ``last`` lies before ``first``.
    """
    if last < first:
        raise DataError(f"features of {first} to {last}: the last day lies before the first, give them in order")
    columns = views.columns_of(lake.dataset)
    if not lake.exists("media"):
        raise DataError(f"media has no rows in {lake.root}: run `marquee import` first")
    spans = _spans(lake, columns, first, last)
    present = {view: tuple(lake.days(table_of(view), s.first, s.last + DAY)) for view, s in spans.items()}
    events = sum(_rows(lake, name, None, max(s.last for s in spans.values())) for name in tables.TABLES)
    rows = sum(_expected(lake, view, span) for view, span in spans.items())
    return Plan(spans, present, events, rows, durations.expected(lake, durations.FEATURES, engine, events))


def _spans(lake: Lake, columns: Mapping[str, tuple[str, ...]], first: date, last: date) -> dict[str, Span]:
    """Days between the watermark and ``first`` join in; a view whose columns changed is published anew, all of it."""
    done = lake.watermark(WATERMARK)
    if not done:
        return dict.fromkeys(columns, Span(first, last, whole=True))
    through = max(last, done.through)
    base = min((d for view in columns for d in lake.days(table_of(view))[:1]), default=first)
    if first < base:
        return dict.fromkeys(columns, Span(first, through, whole=True))
    begin = min(first, done.through + DAY)
    due = Span(begin, last, whole=begin == base)
    return {view: due if _fits(lake, view, names) else Span(base, through, True) for view, names in columns.items()}


def _fits(lake: Lake, view: str, columns: tuple[str, ...]) -> bool:
    published = lake.files(table_of(view))
    return bool(published) and tuple(n for n in pq.read_schema(published[0]).names if n not in STAMPS) == columns


def _rows(lake: Lake, table: str, first: date | None, last: date | None) -> int:
    return sum(pq.read_metadata(file).num_rows for file in lake.files(table, first, last))


def published(lake: Lake, first: date, last: date) -> int:
    """The rows of every view's snapshots of the days ``first`` to ``last + 1``."""
    return sum(_rows(lake, table_of(view), first, last + DAY) for view in views.columns_of(lake.dataset))


def _expected(lake: Lake, view: str, span: Span) -> int:
    """The mean of the view's last week, a day; none before anything was published."""
    recent = lake.days(table_of(view))[-7:]
    mean = _rows(lake, table_of(view), recent[0], recent[-1]) / len(recent) if recent else 0
    return round(mean * span.partitions)
