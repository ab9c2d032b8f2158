"""refresh computes the snapshots of some days and publishes them, a table a view; materialize loads them online."""

import time
from datetime import date, timedelta
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.adapters.feature_store import FeatureStore
from pipelines.core import days, durations, tables
from pipelines.core.dataset import Dataset
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.features import coded, engines, history, publication, stream, vocabulary
from pipelines.features.plan import WATERMARK, Plan, plan, published, table_of
from pipelines.features.views import snapshots_of, tables_of

__all__ = ["WATERMARK", "materialize", "plan", "published", "refresh", "table_of"]


def refresh(settings: Settings, first: date, last: date) -> dict[str, int]:
    """Publish every view's snapshots as of the days ``first`` to ``last + 1``; rows published by view.

    A snapshot of day A uses what had happened and was known before A began; a member or media has one on the days on
    which it changes, and on the first day ever published. Days between the watermark and ``first`` are published too;
    where a view's columns changed, all its days are. Running it again publishes the same files.

    Raises:
        DataError: the lake holds no data set or no media, or ``last`` lies before ``first``.
    """
    lake = Lake(settings.lake_path)
    lake.dataset  # noqa: B018  Without one nothing is created, not even the lock's folder.
    with lake.alone(WATERMARK):
        began = time.perf_counter()
        due = plan(lake, first, last, settings.engine)
        rows = _publish(lake, due, lake.dataset, settings.engine)
        lake.advance(WATERMARK, last)
        durations.note(lake, durations.FEATURES, settings.engine, due.events, time.perf_counter() - began)
    return rows


def _publish(lake: Lake, due: Plan, dataset: Dataset, engine: engines.Name) -> dict[str, int]:
    """The views of one span share what is computed once; a view that is made anew has a span of its own."""
    rows: dict[str, int] = {}
    values = vocabulary.grow(lake, vocabulary.GENRES, _genres(lake))
    with engines.opened(engine) as connection:
        for span in dict.fromkeys(due.spans.values()):
            read = tables_of(connection, lake, dataset, through=span.last)
            views = snapshots_of(read, dataset, values, partial(engines.hold, connection), span.settled_before)
            for view in (v for v in views if due.spans[v] == span):
                rows[view] = publication.publish(lake, view, views[view], span, dataset.time_zone)
        read = tables_of(connection, lake, dataset, through=max(span.last for span in due.spans.values()))
        rows |= coded.publish(lake, dataset, values, read, {view: due.spans[view] for view in coded.VIEWS})
    rows[stream.VIEW] = history.publish(lake, dataset, values, due.spans[stream.VIEW])
    return rows


def materialize(settings: Settings, through: date) -> None:
    """Load the members' snapshots that use days up to ``through`` into the online store: what is new since."""
    zone = Lake(settings.lake_path).dataset.time_zone
    store = FeatureStore(settings)
    store.apply()
    store.materialize_through(days.start(through + timedelta(days=1), zone))


def _genres(lake: Lake) -> list[str]:
    """Every genre, in the order in which the media that brought it became known, as it was then."""
    held = [table for table in ("media", tables.earlier("media")) if lake.exists(table)]
    every = pa.concat_tables([lake.read(t, columns=["available_at", "media_id", "genres"]) for t in held])
    known = every.sort_by([("available_at", "ascending"), ("media_id", "ascending")])
    values = pc.list_flatten(known["genres"])
    return [v for v in pc.unique(values).to_pylist() if v is not None]
