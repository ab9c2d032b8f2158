"""Which impressions count as a success and which as a failure (T1), and which cannot be judged yet."""

from datetime import datetime
from typing import Any

import ibis

from pipelines.core.dataset import LabelPolicy
from pipelines.core.tables import HISTORY

COLUMNS = (
    "impression_id",
    "user_id",
    "media_id",
    "event_timestamp",
    "day",
    "completion",
    "label",
    "watched",
    "watched_seconds",
    "total_seconds",
    "device",
    "position",
    "surface",
    "policy",
    "release_id",
)
"""What a labelled row holds; ``event_timestamp`` is when the title was shown."""


def label_impressions(
    impressions: Any, watches: Any, media: Any, policy: LabelPolicy, known_by: datetime | None = None
) -> Any:
    """COLUMNS, ``mature`` and ``known``, one row an impression that was measured (policy HISTORY never is).

    ``impressions`` has its canonical columns and ``day``; ``watches`` has ``engaged``, the one word on success that
    generators and features go by too. Completion is that of the impression's fullest watch, 0 without a watch; a watch
    that names no impression labels none. ``label`` is 1, 0, or null between the thresholds; ``watched`` is 1 or 0.

    ``known_by``: only what was available before that moment counts, and an impression is mature once the title could
    have been watched whole by then, whatever the member did: waiting only for those who did not watch would leave out
    the long watches of the last evening. None = the log is closed, everything in it counts and is mature. ``known``
    is false where a watch was recorded without its completion.
    """
    if known_by is not None:
        moment = ibis.literal(known_by)
        impressions = impressions.filter(impressions.available_at < moment)
        watches = watches.filter(watches.available_at < moment)
    rows = _with_outcome(impressions.filter((impressions.policy != HISTORY).fill_null(True)), watches, media)
    wait = rows.total_seconds.fill_null(0.0) + policy.grace_seconds
    done = ibis.literal(True) if known_by is None else rows.shown_at.epoch_seconds() + wait <= known_by.timestamp()
    success, failure = rows.engaged, rows.completion < policy.negative_below
    return rows.mutate(
        event_timestamp=rows.shown_at,
        label=ibis.cases((success, 1.0), (failure, 0.0)),
        watched=success.cast("float64"),
        mature=done,
        known=rows.completion.notnull() | success,
    ).select(*COLUMNS, "mature", "known")


def _with_outcome(impressions: Any, watches: Any, media: Any) -> Any:
    """The impressions with completion, watched_seconds and total_seconds; rows in = rows out."""
    best = (
        watches.filter(watches.impression_id.notnull())
        .group_by("impression_id")
        .agg(
            fullest=watches.completion.max(),
            played_seconds=watches.watched_seconds.max(),
            of=watches.total_seconds.max(),
            liked=watches.engaged.any(),
        )
        .mutate(played=ibis.literal(True))
    )
    length = media.select("media_id", running=media.duration_seconds)
    joined = impressions.left_join(best, "impression_id").left_join(length, "media_id")
    return joined.mutate(
        completion=ibis.ifelse(joined.played.isnull(), 0.0, joined.fullest),
        engaged=joined.liked.fill_null(False),
        watched_seconds=ibis.ifelse(joined.played.isnull(), 0.0, joined.played_seconds),
        total_seconds=ibis.coalesce(joined.of, joined.running),
    )
