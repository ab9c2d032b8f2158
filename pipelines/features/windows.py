"""Totals as of the end of a day: over all days before, and over the last few, for the days on which they change.

A table of day totals has a key, ``e`` (days since 1970) and numbers. A total over n days changes when a day enters it
and when one leaves it, so a snapshot is due on the day itself and n days later, and never in between.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import ibis

from pipelines.core.errors import FeatureError

LONGEST = 90
"""Days of the longest window. What is older counts only towards totals, whichever day it fell on."""

RECENT = ("shown", "watched", "engaged")
"""The counts that are also kept over the last few days."""

SMOOTHING = 20.0
"""How many impressions at everyone's rate an entity starts with."""


def with_leavings(daily: Any, key: str, spans: Iterable[int]) -> Any:
    """The day totals and, n days after each, a row that adds nothing; one row a (key, e)."""
    columns = [c for c in daily.columns if c not in (key, "e")]
    parts = [daily]
    for span in map(_within, spans):
        nothing = {c: ibis.literal(None, daily[c].type()) for c in columns}
        parts.append(daily.select(key, e=daily.e + span, **nothing))
    stacked = ibis.union(*parts) if len(parts) > 1 else daily
    numeric = [c for c in columns if stacked[c].type().is_numeric()]
    others = [c for c in columns if c not in numeric]
    return stacked.group_by(key, "e").agg(
        **{c: stacked[c].sum().fill_null(0.0) for c in numeric}, **{c: stacked[c].max() for c in others}
    )


def settled(rows: Any, before: int | None) -> Any:
    """The rows of days before ``before`` all as of the day before it, so that they fall into one day total a key.

    Every snapshot from ``before + LONGEST`` on stays as it was: a total over all days does not ask for the day, and no
    window reaches back so far. None leaves all as it is.
    """
    return rows if before is None else rows.mutate(e=ibis.greatest(rows.e, ibis.literal(before - 1, "int64")))


def _within(days: int) -> int:
    """FeatureError for a window longer than a refresh of one day looks back."""
    if days > LONGEST:
        raise FeatureError(f"a window of {days} days: one day is computed from {LONGEST} days, raise windows.LONGEST")
    return days


def ever(key: str) -> Any:
    """The window of all days up to and including ``e``."""
    return ibis.window(preceding=None, following=0, group_by=key, order_by="e")


def last_days(key: str, days: int) -> Any:
    """The window of the last ``days`` days up to and including ``e``, whether or not each has a row."""
    return ibis.range_window(preceding=_within(days) - 1, following=0, group_by=key, order_by="e")


def totals(changes: Any, key: str, columns: Iterable[str], recent: Iterable[str], spans: Mapping[str, int]) -> Any:
    """Adds running totals: ``<column>_ever`` of each of ``columns``, and of ``recent`` those over each span of days."""
    added = {f"{column}_ever": changes[column].sum().over(ever(key)) for column in columns}
    for suffix, days in spans.items():
        added |= {f"{column}{suffix}": changes[column].sum().over(last_days(key, days)) for column in recent}
    return changes.mutate(**added)


def with_everyone(changes: Any) -> Any:
    """Adds ``prior_engaged`` and ``prior_bounced``: everyone's rates as of ``e``, null before any impression."""
    names = ("shown", "engaged", "judged", "played")
    by_day = changes.group_by("e").agg(**{n: changes[n].sum() for n in names})
    running = ibis.window(preceding=None, following=0, order_by="e")
    so_far = by_day.select("e", **{n: by_day[n].sum().over(running) for n in names})
    rates = so_far.select(
        "e",
        prior_engaged=(so_far.engaged / so_far.shown.nullif(0.0)).clip(upper=1.0),
        prior_bounced=bounced(so_far.judged, so_far.played) / so_far.judged.nullif(0.0),
    )
    return changes.left_join(rates, "e").select(*changes.columns, "prior_engaged", "prior_bounced")


def bounced(judged: Any, played: Any) -> Any:
    """How many of the judged impressions were left at once or never played."""
    return ibis.greatest(judged - played, 0.0)


def smoothed(successes: Any, trials: Any, prior: Any, strength: float = SMOOTHING) -> Any:
    """A share drawn towards ``prior`` while there are few trials; null where there is no prior."""
    return ((successes + strength * prior) / (trials + strength)).clip(0.0, 1.0)


def logged(value: Any) -> Any:
    """ln(1 + value) to nine decimals: beyond them each engine's logarithm has its own last digit."""
    return (value + 1.0).ln().round(9)
