"""The columns beside past rows: what an offline store found for them, and what computed views make of that.

A million rows with a hundred features fill memory once, so nothing here copies a frame: equal answers share one array,
computed views see a slice at a time, and columns of one type are laid into one block as they come.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipelines.adapters.asof_join import Numbers, spread
from pipelines.core.errors import FeatureError

AT, ROW = "event_timestamp", "row_number_of_request"
WORDS = ("device", "country", "surface")
"""What a row may say of its request; absent is None."""
AT_ONCE = 1 << 16
"""Rows that a computed view sees at a time."""

Columns = dict[str, "pd.Series[Any]"]


def stored(store: Any, asked: pd.DataFrame, views: Sequence[Any], *, times: bool) -> Columns:
    """The columns of Feast's ``views`` for each row of ``asked``: the views' keys, and AT. With times, ``<view>__at``.

    Raises:
        FeatureError: the store lost or doubled rows, or was asked for times that it does not tell.
    """
    from pipelines.adapters.asof_store import AsofRetrievalJob

    refs = [f"{view.name}:{feature.name}" for view in views for feature in view.features]
    numbered = asked.assign(**{ROW: np.arange(len(asked))})
    job = store.get_historical_features(numbered, refs, filter_by_created_timestamp=True)
    if isinstance(job, AsofRetrievalJob):
        found = (job.with_times() if times else job).found()
        return {name: _spread(rows[name], positions) for rows, positions in found for name in rows.column_names}
    if times:
        raise FeatureError(f"{type(job).__name__} does not tell from when features are: configure AsofOfflineStore")
    answer = job.to_arrow().sort_by(ROW)
    if not np.array_equal(answer[ROW].to_numpy(), np.arange(len(asked))):
        raise FeatureError(
            f"the offline store gave {answer.num_rows} rows for {len(asked)}: features would shift between rows; "
            "configure AsofOfflineStore"
        )
    return {name: answer[name].to_pandas() for name in answer.column_names if name not in numbered.columns}


def _spread(column: pa.ChunkedArray, positions: Numbers) -> "pd.Series[Any]":
    """As ``to_pandas`` of the spread column, but rows of one answer share its text or array; absent at -1."""
    if pa.types.is_floating(column.type):
        numbers = column.to_numpy()
        return pd.Series(np.append(numbers, numbers.dtype.type(np.nan))[positions])
    if pa.types.is_string(column.type) or pa.types.is_list(column.type):
        objects = np.empty(len(column) + 1, dtype=object)
        objects[:-1] = column.to_pandas().to_numpy(object)
        return pd.Series(objects[positions], dtype=object)
    found: pd.Series[Any] = spread(column, positions).to_pandas()
    return found


def computed(view: Any, columns: Columns, zone: str) -> Columns:
    """A computed view's columns, by the function that the view registered; ``columns`` hold AT and what it needs."""
    count = len(columns[AT])
    parts = [_computed(view, columns, slice(n, n + AT_ONCE), zone) for n in range(0, max(count, 1), AT_ONCE)]
    return {str(name): pd.concat([part[name] for part in parts], ignore_index=True) for name in parts[0].columns}


def _computed(view: Any, columns: Columns, part: slice, zone: str) -> pd.DataFrame:
    asked = pd.DataFrame({name: column.iloc[part] for name, column in columns.items()}, copy=False)
    seconds = pd.to_datetime(asked[AT], utc=True).dt.as_unit("us").astype(np.int64) / 1e6
    request: dict[str, Any] = {name: asked.get(name) for name in WORDS}
    found: pd.DataFrame = view.feature_transformation.udf(asked.assign(requested_at=seconds, zone=zone, **request))
    for name in [name for name, dtype in found.dtypes.items() if dtype == "string"]:
        found[name] = found[name].astype(object).where(found[name].notna(), None)
    return found


def framed(rows: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """The rows with the columns beside them, which are taken out of ``columns`` as they are laid down."""
    parts, index = [], pd.RangeIndex(len(rows))
    for dtype in (np.dtype(np.float64), np.dtype(object)):
        names = [name for name, column in columns.items() if column.dtype == dtype]
        block = np.empty((len(names), len(rows)), dtype=dtype)
        for place, name in enumerate(names):
            block[place] = columns.pop(name).to_numpy()
        parts.append(pd.DataFrame(block.T, columns=names, copy=False))
    parts.append(pd.DataFrame({name: columns.pop(name) for name in list(columns)}, index=index, copy=False))
    # Without a copy pandas lays only blocks of one type together; its stubs are of a version that never copies.
    joined: pd.DataFrame = pd.concat(parts, axis=1, copy=False)  # type: ignore[call-overload]
    for name in reversed(rows.columns):
        joined.insert(0, name, rows[name].set_axis(index))
    joined.index = rows.index
    return joined
