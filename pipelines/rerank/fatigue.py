"""R6 What a member was recommended without success: shown, and not engaged with since.

After Lee, Lakshmanan, Tiwari and Shah, Modeling impression discounting in large-scale recommender systems, KDD 2014:
each showing without an answer makes the next one less likely to get one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import pairwise

import ibis
import numpy as np
import pyarrow as pa

from pipelines.core import days
from pipelines.core.engagement import with_engaged
from pipelines.core.lake import Lake
from pipelines.core.tables import HISTORY

SPAN = 28
"""Days that are looked back: the longest that a setting may ask for."""
FLOOR = 2
"""Titles that were shown less often are not kept: most were shown once, and no setting needs them."""

SCHEMA = pa.schema([("user_id", pa.string()), ("media_id", pa.string()), ("hours", pa.list_(pa.int32()))])
HOUR = timedelta(hours=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Unheeded:
    """rows: SCHEMA by member: when each title was shown since the member last engaged with it, in hours since 1970."""

    rows: pa.Table

    @cached_property
    def _span(self) -> dict[str, tuple[int, int]]:
        users = self.rows["user_id"].to_numpy(zero_copy_only=False)
        edges = np.flatnonzero(np.r_[True, users[1:] != users[:-1], True]).tolist() if len(users) else []
        return {str(users[begin]): (begin, end) for begin, end in pairwise(edges)}

    def counts(self, user_id: str, since: datetime) -> dict[str, int]:
        """How often each title was shown to the member from ``since`` on; what was shown less than FLOOR times is not
        told."""
        begin, end = self._span.get(user_id, (0, 0))
        own, first = self.rows.slice(begin, end - begin), (since - EPOCH) / HOUR
        shown = zip(own["media_id"].to_pylist(), own["hours"].to_pylist(), strict=True)
        return {media: sum(hour >= first for hour in hours) for media, hours in shown}


NOBODY = Unheeded(SCHEMA.empty_table())


def tired_of(counts: Mapping[str, int], since: Mapping[str, int], most: int) -> frozenset[str]:
    """The titles shown at least ``most`` times without success: ``counts`` before a snapshot, and ``since`` then."""
    return frozenset(media for media in {**counts, **since} if counts.get(media, 0) + since.get(media, 0) >= most)


def unheeded(lake: Lake, at: datetime) -> pa.Table:
    """SCHEMA as known at ``at``, over the last SPAN days; no rows where nobody logged what was shown."""
    begin, zone = at - timedelta(days=SPAN), lake.dataset.time_zone
    spanned = (days.of(begin, zone), days.of(at, zone))
    files = lake.files("impressions", *spanned)
    if not files:
        return SCHEMA.empty_table()
    shown = ibis.read_parquet([str(file) for file in files], hive_partitioning=False)
    shown = shown.filter(
        shown.shown_at >= begin, shown.shown_at < at, shown.available_at < at, (shown.policy != HISTORY).fill_null(True)
    ).select("user_id", "media_id", "shown_at")
    since = _since_success(lake, shown, spanned, at)
    hour = since.shown_at.epoch_seconds() // 3600
    kept = since.mutate(hour=hour.cast("int32")).group_by("user_id", "media_id")
    found = kept.agg(hours=ibis._.hour.collect(order_by=ibis._.hour), times=ibis._.count())
    return found.filter(found.times >= FLOOR).drop("times").order_by("user_id", "media_id").to_pyarrow().cast(SCHEMA)


def _since_success(lake: Lake, shown: ibis.Table, spanned: tuple[date, date], at: datetime) -> ibis.Table:
    """The impressions after the member's last engaged watch of the same title; one before all of them is moot."""
    files = lake.files("watches", *spanned)
    if not files:
        return shown
    ratings = ibis.read_parquet([str(f) for f in lake.files("ratings")]) if lake.exists("ratings") else None
    watches = with_engaged(ibis.read_parquet([str(f) for f in files], hive_partitioning=False), ratings, lake.dataset)
    known = watches.filter(watches.engaged, watches.started_at < at, watches.judged_at < at)
    last = known.group_by("user_id", "media_id").agg(engaged_at=known.started_at.max())
    joined = shown.left_join(last, ["user_id", "media_id"])
    return joined.filter((joined.shown_at > joined.engaged_at).fill_null(True))[["user_id", "media_id", "shown_at"]]
