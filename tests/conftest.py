"""What tests of several rooms need."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from pipelines.core import days
from pipelines.core.lake import Lake
from pipelines.features import catalogue, stream
from pipelines.features.plan import table_of
from pipelines.features.views import columns_of

ARROW = {
    "float": pa.float64(),
    "string": pa.string(),
    "floats": pa.list_(pa.float32()),
    "strings": pa.list_(pa.string()),
}
Publish = Callable[..., None]


@pytest.fixture(scope="session")
def publish_snapshots() -> Publish:
    """publish(lake, day, view=rows): the view's snapshots of a day; columns that a row does not name are null.

    A row may bring its own ``at``, as those of user_recent do. Without views, every view's day is empty.
    """

    def publish(lake: Lake, day: date, **rows: list[dict[str, Any]]) -> None:
        types = {f.name: ARROW[f.dtype] for f in catalogue.features(lake.dataset)}
        begin = days.start(day, lake.dataset.time_zone)
        stamps = {name: pa.timestamp("us", "UTC") for name in ("event_timestamp", "created_timestamp")}
        for view, columns in columns_of(lake.dataset).items():
            if rows and view not in rows:
                continue
            schema = pa.schema({c: types.get(c, pa.string()) for c in columns} | stamps)
            found = [dict(row) for row in rows.get(view, [])]
            for row in found:
                row["event_timestamp"] = row["created_timestamp"] = row.pop("at", begin)
            lake.publish(table_of(view), pa.Table.from_pylist(found, schema), day)

    assert stream.VIEW in catalogue.USER_VIEWS
    return publish
