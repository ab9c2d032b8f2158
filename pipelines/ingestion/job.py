"""The two ways in: a data set's batches, and the event store's days."""

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Protocol

import pyarrow as pa

from pipelines.core import dataset as datasets
from pipelines.core import days
from pipelines.core.dataset import Dataset
from pipelines.core.errors import DataError
from pipelines.core.lake import Lake
from pipelines.core.tables import DISMISSALS, IMPRESSIONS, PREFERENCES, SEARCHES, SESSIONS, TABLES, WATCHES, Table
from pipelines.ingestion import watermark
from pipelines.ingestion.publish import Publisher
from pipelines.ingestion.report import IngestReport
from pipelines.ingestion.staging import staging

EVENTS = (SESSIONS, IMPRESSIONS, WATCHES, SEARCHES, DISMISSALS, PREFERENCES)
"""What the event store records."""


class EventReader(Protocol):
    """The part of the event store that an export needs."""

    def read(self, table: str, start: datetime, end: datetime) -> pa.Table:
        """Rows of the canonical table whose event time is in [start, end)."""
        ...

    def read_late(self, table: str, start: datetime, end: datetime) -> pa.Table:
        """Rows whose event time lies before ``start``, and which became known in [start, end)."""
        ...


def ingest(
    lake: Lake,
    source_dataset: Dataset,
    batches: Iterable[tuple[Table, pa.Table]],
    on_progress: Callable[[str, int], None] | None = None,
    *,
    until: datetime | None = None,
) -> IngestReport:
    """Import a data set. Repeating it changes nothing; a killed one is completed by repeating it.

    on_progress: called after each batch with the table's name and the rows of the batch. until: the moment of the
    import; events from after it go to quarantine.

    Raises:
        DataError: the lake holds another data set, there was no row, or a file could not be read; nothing is
            published then.
    """
    _refuse_another(lake, source_dataset)
    with staging(lake) as folder:
        publisher = Publisher(lake, source_dataset, folder, until)
        for table, rows in batches:
            publisher.add(table, rows)
            if on_progress:
                on_progress(table.name, len(rows))
        if not publisher.report.rows_in:
            raise DataError(f"data set {source_dataset.name!r} has no rows: check the folder given with --path")
        datasets.write(source_dataset, lake.root)
        report = publisher.publish()
        _advance_to_last_day(lake, publisher)
    return report


def export_events(lake: Lake, event_store: EventReader, first: date, last: date) -> IngestReport:
    """Bring the recorded events of the days ``first`` to ``last`` (both included) into the lake; idempotent.

    With them come those of earlier days that were heard on these: a phone may have been without a network for a week.
    Every event table is then complete through ``last``, also one without a row. DataError when the lake is empty.
    """
    dataset = lake.dataset
    if last < first:
        raise DataError(f"the interval {first} to {last} ends before it begins: give the earlier day first")
    with staging(lake) as folder:
        publisher = Publisher(lake, dataset, folder)
        for day in days.between(first, last):
            start, end = (days.start(d, dataset.time_zone) for d in (day, day + timedelta(days=1)))
            for table in EVENTS:
                publisher.add(table, event_store.read(table.name, start, end))
        begin, end = (days.start(d, dataset.time_zone) for d in (first, last + timedelta(days=1)))
        for table in EVENTS:
            publisher.add(table, event_store.read_late(table.name, begin, end))
        report = publisher.publish()
        for table in EVENTS:
            watermark.advance(lake, table.name, last, changed=table.name in publisher.changed)
    return report


def _refuse_another(lake: Lake, dataset: Dataset) -> None:
    """A lake is one data set: another's ids and days would mix with its own."""
    if not (lake.root / datasets.FILE).exists():
        return
    held = lake.dataset
    for field in ("name", "source", "time_zone", "relevance"):
        if getattr(held, field) != getattr(dataset, field):
            raise DataError(
                f"the lake {lake.root} holds {held.name!r} ({field} {getattr(held, field)!r}), not {dataset.name!r} "
                f"({getattr(dataset, field)!r}): set MARQUEE_HOME to another folder, or remove the lake"
            )


def _advance_to_last_day(lake: Lake, publisher: Publisher) -> None:
    """An event table is complete through its last day in the import, a snapshot through the last day of any event."""
    timed = {name: d[-1] for name in publisher.report.tables if TABLES[name].time and (d := publisher.days(name))}
    for name in publisher.report.tables:
        through = timed.get(name) if TABLES[name].time else max(timed.values(), default=None)
        if through:
            watermark.advance(lake, name, through, changed=name in publisher.changed)
