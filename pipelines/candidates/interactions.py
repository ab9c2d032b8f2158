"""What generators learn from: the lake's engaged watches that were known by a moment, as arrays."""

from datetime import datetime
from itertools import pairwise
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa

from pipelines.core.contracts import History, Ids, Interactions
from pipelines.core.engagement import with_engaged
from pipelines.core.errors import DataError
from pipelines.core.lake import Lake
from pipelines.core.tables import earlier


def _table(files: list[Path]) -> ibis.Table:
    return ibis.read_parquet([str(file) for file in files], hive_partitioning=False)


HISTORY_LENGTH = 100
"""The most media of a history that generators are asked with, wherever it is read."""


def engagements(lake: Lake, as_of: datetime) -> pa.Table:
    """user_id, media_id, at, available_at of every engaged watch begun and known as such before ``as_of``.

    DataError when the lake holds no watches at all.
    """
    return _engagements(lake, as_of).to_pyarrow()


def _engagements(lake: Lake, as_of: datetime) -> ibis.Table:
    files = lake.files("watches")
    if not files:
        raise DataError(f"watches has no rows in {lake.root}: run marquee import first")
    ratings = _table(lake.files("ratings")) if lake.exists("ratings") else None
    watches = with_engaged(_table(files), ratings, lake.dataset)
    known = watches.filter(watches.engaged, watches.started_at < as_of, watches.judged_at < as_of)
    return known.select("user_id", "media_id", available_at=known.judged_at, at=known.started_at)


def engaged_watches(lake: Lake, as_of: datetime) -> pa.Table:
    """user_id, media_id, at of every engaged watch begun and available before ``as_of``, by member and time.

    One row a (member, media): the latest. DataError when the lake holds no watches at all.
    """
    known = _engagements(lake, as_of)
    latest = known.group_by("user_id", "media_id").agg(at=known["at"].max())
    return latest.order_by("user_id", "at", "media_id").to_pyarrow()


def catalogue(lake: Lake, as_of: datetime) -> Ids:
    """The ids of every media on the platform at ``as_of``, by what was known of it then, sorted, as (n,) unicode.

    DataError when there is none.
    """
    columns = ["media_id", "available_at", "platform_at", "leaves_at"]
    tables = [lake.read(t, columns=columns) for t in ("media", earlier("media")) if t == "media" or lake.exists(t)]
    versions = pa.concat_tables(tables).to_pandas()
    known = versions[versions.available_at < as_of].sort_values("available_at", kind="stable")
    media = known.drop_duplicates("media_id", keep="last")
    came = media.platform_at.isna() | (media.platform_at < as_of)
    left = media.leaves_at.notna() & (media.leaves_at <= as_of)
    here = media[came & ~left]
    if here.empty:
        raise DataError(f"media has no title available before {as_of:%Y-%m-%d %H:%M}: import a catalogue first")
    return np.sort(here.media_id.to_numpy(dtype=str))


def interactions(lake: Lake, as_of: datetime) -> Interactions:
    """Everything engaged with before ``as_of``, each with weight 1."""
    rows = engaged_watches(lake, as_of)
    return Interactions(
        users=rows["user_id"].to_numpy(zero_copy_only=False).astype(str),
        media=rows["media_id"].to_numpy(zero_copy_only=False).astype(str),
        weight=np.ones(rows.num_rows, dtype=np.float32),
        at=rows["at"].cast(pa.timestamp("us")).to_numpy(),
        catalogue=catalogue(lake, as_of),
    )


def histories(lake: Lake, as_of: datetime, limit: int = HISTORY_LENGTH) -> dict[str, History]:
    """Each member's engaged media before ``as_of``, oldest first, the last ``limit`` of them."""
    rows = engaged_watches(lake, as_of)
    users = rows["user_id"].to_numpy(zero_copy_only=False)
    media = rows["media_id"].to_pylist()
    found: dict[str, History] = {}
    edges = np.flatnonzero(np.r_[True, users[1:] != users[:-1], True]) if len(users) else np.array([0])
    for begin, end in pairwise(edges.tolist()):
        own = tuple(media[max(begin, end - limit) : end])
        found[str(users[begin])] = History(media=own, weight=(1.0,) * len(own))
    return found
