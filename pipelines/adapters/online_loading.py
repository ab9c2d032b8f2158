"""Loading the online store from the lake: for every member with a new snapshot, the row that holds now.

Rows are found by the same point-in-time join that training asks, so that online is what offline would answer at that
moment. Feast's own materialisation makes one message a value; here a column is encoded at a time and written in bulk,
in Feast's format, to the last byte.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from glob import glob
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from pipelines.adapters import asof_join, online_values
from pipelines.adapters.asof_join import History
from pipelines.adapters.online_rows import AT, CREATED, KEY, MARK, OnlineRows
from pipelines.adapters.online_values import EPOCH, MICROSECOND
from pipelines.core.contracts import TIMES
from pipelines.core.packing import COLUMNS

LOG = logging.getLogger(__name__)
MEMBERS_AT_ONCE, ROWS_AT_ONCE = 100_000, 20_000
"""Members whose rows are looked up at a time, which reads the keys of the history once; and rows encoded at a time."""
Report = Callable[[str, int, int], None]
TYPES = {"Float64": pa.float64(), "Array(Float32)": pa.list_(pa.float32()), "Array(String)": pa.list_(pa.string())}


@dataclass(frozen=True)
class Loaded:
    """What a load wrote: members by view."""

    through: datetime
    members: dict[str, int]


def load(store: Any, rows: OnlineRows, start: datetime, end: datetime, report: Report | None = None) -> Loaded:
    """Write the rows of members with a snapshot from ``start`` to ``end``, both included, as they stand at ``end``.

    What the store lacks joins in: everything where it was never loaded, was emptied or has rows of another layout,
    and else the days since it was loaded. A row that is newer in the store stays. Doing it again changes nothing.

    Raises:
        FeatureError: a view has no files in the lake.
    """
    loaded = rows.loaded_through()
    begin = min(start, loaded) if loaded else EPOCH
    through = max(end, loaded) if loaded else end
    members = {}
    for view, of in ((rows.packed, rows.views), (rows.pushed, [rows.pushed])):
        due = _due(of, begin, through)
        members[view.name] = len(due)
        for done, batch in _batches(due):
            _write(store, rows, view, batch, _found(of, batch, through))
            (report or _logged)(view.name, done, len(due))
        store.registry.apply_materialization(view, store.project, begin, through)
    _write_mark(store, rows, through)
    return Loaded(through, members)


def _logged(view: str, done: int, total: int) -> None:
    LOG.info("%s: %s of %s members loaded", view, f"{done:,}", f"{total:,}")


def _history(view: Any) -> History:
    source = view.batch_source
    columns = {feature.name: feature.name for feature in view.features} | {view.name + TIMES: AT}
    return History(view.name, source.path, AT, CREATED, {KEY: KEY}, columns)


def _due(views: Sequence[Any], begin: datetime, end: datetime) -> pa.ChunkedArray:
    """The members with a snapshot in one of the views from ``begin`` to ``end``, in order."""
    files = [file for view in views for file in sorted(glob(view.batch_source.path))]
    if not files:
        return pa.chunked_array([[]], pa.string())
    query = (
        f"SELECT DISTINCT {KEY} FROM read_parquet($files, hive_partitioning = false) "
        f"WHERE {AT} BETWEEN $begin AND $end ORDER BY {KEY}"
    )
    with duckdb.connect() as connection:
        found = connection.sql(query, params={"files": files, "begin": begin, "end": end}).to_arrow_table()
    return found[KEY]


def _batches(due: pa.ChunkedArray) -> Iterator[tuple[int, pa.ChunkedArray]]:
    for first in range(0, len(due), MEMBERS_AT_ONCE):
        batch = due.slice(first, MEMBERS_AT_ONCE)
        yield first + len(batch), batch


def _found(views: Sequence[Any], members: pa.ChunkedArray, at: datetime) -> pa.Table:
    """Every feature of the members as of ``at``, and the time of each view's row; limits are for the reader."""
    moments = np.full(len(members), (at - EPOCH) // MICROSECOND, dtype=np.int64)
    return asof_join.as_of(pa.table({KEY: members}), moments, [_history(view) for view in views], known=True)


def _write(store: Any, rows: OnlineRows, view: Any, members: pa.ChunkedArray, found: pa.Table) -> None:
    for first in range(0, len(members), ROWS_AT_ONCE):
        some, table = members.slice(first, ROWS_AT_ONCE), found.slice(first, ROWS_AT_ONCE)
        columns = rows.layout.pack(table) if view is rows.packed else _plain(view, table)
        values = {name: online_values.values(column) for name, column in columns.items()}
        keys = online_values.keys(KEY, some.to_pylist())
        rows.online.write(store.config, view, keys, _micros(table).tolist(), values)


def _plain(view: Any, table: pa.Table) -> dict[str, pa.Array]:
    types = {feature.name: TYPES[str(feature.dtype)] for feature in view.features}
    return {name: table[name].combine_chunks().cast(type_) for name, type_ in types.items()}


def _micros(table: pa.Table) -> Any:
    """The latest of the times of a member's views: the time of its row."""
    times = [table[name] for name in table.column_names if name.endswith(TIMES)]
    return np.max([c.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).fill_null(0).to_numpy() for c in times], axis=0)


def _write_mark(store: Any, rows: OnlineRows, through: datetime) -> None:
    mark = {
        name: online_values.values(pa.array([value], type_))
        for (name, type_), value in zip(COLUMNS.items(), rows.layout.mark(), strict=True)
    }
    at = (through - EPOCH) // MICROSECOND
    rows.online.write(store.config, rows.packed, online_values.keys(KEY, [MARK]), [at], mark)
