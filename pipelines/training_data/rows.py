"""Labelled rows read from the lake: logged impressions, or engaged media against sampled ones."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa

from pipelines.core.dataset import Dataset, LabelPolicy
from pipelines.core.engagement import with_engaged
from pipelines.core.errors import DataError
from pipelines.core.lake import Lake
from pipelines.core.tables import DAY, HISTORY, earlier, schema_of
from pipelines.core.versions import since_first
from pipelines.training_data.labels import COLUMNS, label_impressions
from pipelines.training_data.sampled import SAMPLED, SamplingConfig, sample_negatives

_LATE_WATCHES = timedelta(days=2)
"""A watch may begin after the day of its impression; this many days later are searched."""


@dataclass(frozen=True)
class Rows:
    """COLUMNS in order of time, and how many impressions were left out and why."""

    frame: pd.DataFrame
    left_out: dict[str, int]


def read(
    lake: Lake,
    first: date,
    last: date,
    *,
    known_by: datetime | None,
    labels: LabelPolicy | None,
    sampling: SamplingConfig,
    seed: int,
) -> Rows:
    """The labelled rows of the days ``first`` to ``last``, as they were known before ``known_by`` (None = all).

    ``labels``: other thresholds than the data set's own, for an experiment; None = its own.

    Raises:
        DataError: when those days hold no event at all.
    """
    dataset = lake.dataset if labels is None else lake.dataset.model_copy(update={"labels": labels})
    table = "impressions" if dataset.impressions_logged else "watches"
    if not lake.days(table, first, last):
        held = lake.days(table)
        span = f"the lake holds {held[0]} to {held[-1]}" if held else "the lake holds none"
        raise DataError(f"{table} have no day from {first} to {last}: {span}; import those days or choose others")
    if dataset.impressions_logged:
        return _logged(lake, dataset, first, last, known_by)
    return _unlogged(lake, dataset, first, last, known_by, sampling, seed)


def scan(connection: Any, lake: Lake, table: str, first: date | None = None, last: date | None = None) -> Any:
    """The days of a table as an Ibis expression with its column ``day``; no rows where none was published."""
    files = lake.files(table, first, last)
    if files:
        return connection.read_parquet([str(f) for f in files], hive_partitioning=True)
    known = schema_of(table)
    schema = known.schema()
    return ibis.memtable((schema.append(pa.field("day", DAY)) if known.time else schema).empty_table())


def _logged(lake: Lake, dataset: Dataset, first: date, last: date, known_by: datetime | None) -> Rows:
    connection = ibis.duckdb.connect()
    impressions = scan(connection, lake, "impressions", first, last)
    played = scan(connection, lake, "watches", first, last + _LATE_WATCHES)
    watches = with_engaged(played, _ratings(connection, lake, known_by), dataset)
    media = scan(connection, lake, "media")
    found = _frame(label_impressions(impressions, watches, media, dataset.labels, known_by))
    past = int(impressions.filter(impressions.policy == HISTORY).count().execute())
    left_out = {
        "history": past,
        "immature": int((~found["mature"]).sum()),
        "completion unknown": int((found["mature"] & ~found["known"]).sum()),
    }
    kept = found[found["mature"] & found["known"]]
    return Rows(kept.loc[:, list(COLUMNS)].reset_index(drop=True), left_out)


def _ratings(connection: Any, lake: Lake, known_by: datetime | None) -> Any:
    """A rating that came to be known later says nothing of a watch yet."""
    ratings = scan(connection, lake, "ratings")
    return ratings if known_by is None else ratings.filter(ratings.available_at < ibis.literal(known_by))


def _unlogged(
    lake: Lake,
    dataset: Dataset,
    first: date,
    last: date,
    known_by: datetime | None,
    sampling: SamplingConfig,
    seed: int,
) -> Rows:
    """Engaged watches are positives; the others, which the member chose but did not like, are the middle."""
    connection = ibis.duckdb.connect()
    watches, ratings = scan(connection, lake, "watches"), _ratings(connection, lake, known_by)
    titles = since_first(scan(connection, lake, "media"), scan(connection, lake, earlier("media")), "media_id")
    media = titles.select("media_id", "available_at", total_seconds=titles.duration_seconds)
    if known_by is not None:
        watches = watches.filter(watches.available_at < ibis.literal(known_by))
    known = watches.select("user_id", "media_id").distinct().to_pyarrow().to_pandas()
    judged = with_engaged(watches, ratings, dataset)
    chosen = _frame(_chosen(judged.filter(judged.day.between(first, last)), media))
    shelf = media.to_pyarrow().to_pandas()
    negatives = sample_negatives(chosen[chosen["label"] == 1.0], shelf, known, sampling, seed)
    running = negatives["media_id"].map(shelf.set_index("media_id")["total_seconds"])
    made = negatives.assign(completion=0.0, label=0.0, watched=0.0, watched_seconds=0.0, total_seconds=running)
    frame = pd.concat([chosen, made], ignore_index=True).sort_values(["event_timestamp", "impression_id"])
    return Rows(frame.reset_index(drop=True), {})


def _chosen(judged: Any, media: Any) -> Any:
    """COLUMNS of the watches themselves: label 1 where engaged, null elsewhere."""
    joined = judged.left_join(media.select("media_id", running=media.total_seconds), "media_id")
    text, nothing = ibis.literal(None, "string"), ibis.literal(None, "int64")
    return joined.select(
        "user_id",
        "media_id",
        "day",
        "completion",
        "watched_seconds",
        "device",
        impression_id=joined.watch_id,
        event_timestamp=joined.started_at,
        label=ibis.cases((joined.engaged, 1.0)),
        watched=joined.engaged.cast("float64"),
        total_seconds=ibis.coalesce(joined.total_seconds, joined.running),
        position=nothing,
        surface=text,
        policy=ibis.literal(SAMPLED),
        release_id=text,
    ).select(*COLUMNS)


def _frame(expression: Any) -> pd.DataFrame:
    """The expression's rows in order of time, whatever order the engine found them in."""
    frame: pd.DataFrame = expression.order_by("event_timestamp", "impression_id").to_pyarrow().to_pandas()
    return frame.astype({"position": "float64"})
