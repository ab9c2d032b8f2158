"""Impressions and watches as one stream of countable facts, each on the day from which it may be used."""

from typing import Any

import ibis
import ibis.expr.datatypes as dt

from pipelines.core.dataset import Dataset
from pipelines.core.engagement import with_engaged
from pipelines.core.tables import HISTORY

PLAYED_FROM = 0.1
"""T1: below this share of the title a play is a bounce, as is no play at all."""

COUNTS = ("shown", "watched", "engaged", "judged", "played", "completion", "completed", "seconds", "timed")
"""What a fact adds to the totals of its member and media; ``judged`` counts what could have bounced."""

EXACT = 1e6
"""Completion and seconds are summed as whole millionths, so that a sum does not depend on the order of its rows."""


@ibis.udf.scalar.builtin(name="timezone", signature=((dt.string, dt.Timestamp(timezone="UTC")), dt.Timestamp()))  # type: ignore[untyped-decorator]
def local_time(zone: str, moment: Any) -> Any:
    """DuckDB's conversion of a UTC moment to the wall clock of a zone."""


@ibis.udf.scalar.builtin(name="epoch_us", signature=((dt.Timestamp(timezone="UTC"),), dt.int64))  # type: ignore[untyped-decorator]
def micros(moment: Any) -> Any:
    """DuckDB's microseconds since 1970 of a UTC moment."""


def day_of(moment: Any, zone: str) -> Any:
    """Days since 1970-01-01 of the local day on which ``moment`` falls, int64."""
    return (local_time(zone, moment).epoch_seconds() / 86_400).floor().cast("int64")


def usable_day(at: Any, available_at: Any, zone: str) -> Any:
    """The later of the days on which something happened and became known: a snapshot of the next day may use it."""
    return day_of(ibis.greatest(at, available_at), zone)


def _counts(**given: Any) -> dict[str, Any]:
    return {name: given.get(name, ibis.literal(0)).cast("float64") for name in COUNTS}


def _shown(impressions: Any, zone: str) -> Any:
    measured = (impressions.policy != HISTORY).fill_null(True)
    return impressions.select(
        "user_id",
        "media_id",
        at=impressions.shown_at,
        e=usable_day(impressions.shown_at, impressions.available_at, zone),
        **_counts(shown=ibis.literal(1), judged=measured),
    )


def _watched(watches: Any, impressions: Any, zone: str) -> Any:
    """Watches that no impression led to count as shown too: the member found the title some other way.

    Whether a watch was measured is settled on the day from which it counts: an impression of the past that becomes
    known later does not take it back.
    """
    past = impressions.filter(impressions.policy == HISTORY)
    past = past.select("impression_id", past_e=usable_day(past.shown_at, past.available_at, zone))
    joined = watches.left_join(past, "impression_id")
    e = usable_day(joined.started_at, joined.available_at, zone)
    organic, measured = joined.impression_id.isnull(), (joined.past_e > e).fill_null(True)
    known, timed = measured & joined.completion.notnull(), joined.watched_seconds.notnull()
    return joined.select(
        "user_id",
        "media_id",
        at=joined.started_at,
        e=e,
        **_counts(
            shown=organic,
            watched=ibis.literal(1),
            engaged=joined.engaged & (usable_day(joined.started_at, joined.judged_at, zone) <= e),
            judged=organic,
            played=measured & (joined.completion >= PLAYED_FROM).fill_null(True),
            completion=ibis.ifelse(known, (joined.completion.clip(upper=1.0) * EXACT).round(), 0.0),
            completed=known,
            seconds=(joined.watched_seconds.fill_null(0.0) * EXACT).round(),
            timed=timed,
        ),
    )


def _liked_later(watches: Any, zone: str) -> Any:
    """What a rating adds to its watch where it became known on a later day."""
    e, later = (usable_day(watches.started_at, known, zone) for known in (watches.available_at, watches.judged_at))
    found = watches.mutate(e=later).filter(watches.engaged & (later > e))
    return found.select("user_id", "media_id", at=found.started_at, e=found.e, **_counts(engaged=ibis.literal(1)))


def facts(impressions: Any, watches: Any, ratings: Any | None, dataset: Dataset) -> Any:
    """user_id, media_id, at, e (day from whose end it may be used) and COUNTS; one row an impression, one a watch,
    and one a rating that came to be known on a later day than its watch."""
    zone = dataset.time_zone
    judged = with_engaged(watches, ratings, dataset)
    found = _shown(impressions, zone).union(_watched(judged, impressions, zone))
    return found.union(_liked_later(judged, zone)) if dataset.relevance == "rating" else found


def visits(sessions: Any, zone: str) -> Any:
    """user_id, e, session_time in microseconds and sessions = 1; one row a session that has ended."""
    closed = sessions.filter(sessions.ended_at.notnull())
    ended = ibis.greatest(closed.started_at, closed.ended_at)
    return closed.select(
        "user_id",
        e=usable_day(ended, closed.available_at, zone),
        session_time=(micros(closed.ended_at) - micros(closed.started_at)).cast("float64"),
        sessions=ibis.literal(1).cast("float64"),
    )
