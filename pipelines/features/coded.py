"""The views that are coded outside the engine, media_text and user_tastes: from the lake's tables to published days."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.core import tables
from pipelines.core.dataset import Dataset
from pipelines.core.lake import Lake
from pipelines.features import publication, tastes, titles
from pipelines.features.plan import Span, number, table_of

VIEWS = (titles.VIEW, tastes.VIEW)


def publish(
    lake: Lake, dataset: Dataset, genres: tuple[str, ...], read: Mapping[str, Any], spans: Mapping[str, Span]
) -> dict[str, int]:
    """Publish the views of ``spans``; rows by view. read: the canonical tables up to the last day, in an engine."""
    known = titles.known(lake, titles.read(read["media"], read[tables.earlier("media")], dataset), genres)
    rows = {}
    for view, span in spans.items():
        before, last = number(span.first) - 1, number(span.last)
        if view == titles.VIEW:
            rows_due, moved = _due(known, before, last, whole=span.whole)
            found = known.table(rows_due).add_column(1, "e", pa.array(moved, pa.int64()))
        else:
            watched = tastes.engaged(read["watches"], read["ratings"], dataset, before, last, whole=span.whole)
            found = tastes.snapshots(watched.to_pyarrow(), known, before, last, whole=span.whole)
        rows[view] = publication.write(lake, table_of(view), found, span, dataset.time_zone)
    return rows


def _due(known: titles.Titles, before: int, last: int, *, whole: bool) -> tuple[titles.Whole, titles.Whole]:
    """The versions of the days ``before`` to ``last``, by day and id, and those days.

    ``whole`` brings each title's last earlier version forward to ``before``.
    """
    days = np.maximum(known.since, before) if whole else known.since
    rows = np.flatnonzero((days >= before) & (days <= last))
    # They stand in the order of days and ids: of a title that comes twice on one day now, the later one counts.
    latest = {(known.ids[row], days[row]): row for row in rows.tolist()}
    due = np.array(sorted(latest.values(), key=lambda row: (days[row], known.ids[row])), dtype=np.int64)
    return due, days[due]
