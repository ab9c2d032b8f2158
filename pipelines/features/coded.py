"""The views that are coded outside the engine, media_text and user_tastes: from the lake's tables to published days."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

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
            found = _due(known.table(), titles.KEY, before, last, whole=span.whole)
        else:
            watched = tastes.engaged(read["watches"], read["ratings"], dataset, before, last, whole=span.whole)
            found = tastes.snapshots(watched.to_pyarrow(), known, before, last, whole=span.whole)
        rows[view] = publication.write(lake, table_of(view), found, span, dataset.time_zone)
    return rows


def _due(found: pa.Table, key: str, before: int, last: int, *, whole: bool) -> pa.Table:
    """Rows of the days ``before`` to ``last``, by day and key; ``whole`` brings each key's last earlier one forward."""
    days = found["e"].to_numpy()
    if whole:
        moved = np.maximum(days, before)
        names = found[key].to_numpy(zero_copy_only=False).astype(str)
        order = np.lexsort((days, moved, names))
        last_of = np.append((names[order][1:] != names[order][:-1]) | (np.diff(moved[order]) != 0), True)[: len(order)]
        found = found.set_column(found.schema.get_field_index("e"), "e", pa.array(moved)).take(pa.array(order[last_of]))
    due = found.filter(pc.and_(pc.greater_equal(found["e"], before), pc.less_equal(found["e"], last)))
    return due.sort_by([("e", "ascending"), (key, "ascending")])
