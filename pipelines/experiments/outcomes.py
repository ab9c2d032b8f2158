"""What each exposed member did, day by day: the rows from which M1 to M3 are counted, with a member as their unit."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from pipelines.core import days
from pipelines.core.lake import Lake
from pipelines.core.tables import HISTORY
from pipelines.experiments.definition import Definition, Metric
from pipelines.metrics.intervals import Floats

COUNTS = ("sessions", "clicked", "videos", "minutes")
METRICS: Mapping[Metric, tuple[str, str | None]] = {
    "engagement_rate": ("clicked", "sessions"),
    "videos_watched": ("videos", "sessions"),
    "session_minutes": ("minutes", "sessions"),
    "sessions": ("sessions", None),
}
"""Metric -> the counts whose sums it divides; without the second it is a mean over members."""
_SHOWN = ["impression_id", "session_id", "user_id", "shown_at", "policy", "clicked"]
_WATCHED = ["impression_id", "started_at", "watched_seconds"]
Rows = pd.DataFrame
"""user_id, day (1 = the first day counted) and COUNTS: what a member did on a day, days without anything left out."""


@dataclass(frozen=True)
class Period:
    """The days from ``first`` to ``last`` (both included) of a data set's time zone."""

    first: date
    last: date
    zone: str

    def __len__(self) -> int:
        return (self.last - self.first).days + 1

    def number(self, at: pd.Series) -> Floats:
        """(n,) the day of each moment, counted from 1."""
        local = at.dt.tz_convert(self.zone).dt.tz_localize(None).dt.normalize()
        numbers: Floats = (local - pd.Timestamp(self.first)).dt.days.to_numpy() + 1
        return numbers

    @property
    def end(self) -> pd.Timestamp:
        return pd.Timestamp(days.start(self.last + timedelta(days=1), self.zone))


def read(lake: Lake, period: Period, since: pd.Series | None, definition: Definition) -> Rows:
    """The rows of a period. since: user_id -> the moment from which a member counts; None: everybody, throughout."""
    shown = _frame(lake, "impressions", period, _SHOWN)
    shown = shown[shown["policy"].ne(HISTORY) & shown["session_id"].fillna("").ne("")]
    if since is not None:
        shown = shown[shown["shown_at"] >= shown["user_id"].map(since).astype("datetime64[us, UTC]")]
    watched = _frame(lake, "watches", period, _WATCHED)
    watched = watched[watched["started_at"] < period.end]
    return count(shown, watched, period, minutes=definition.watched_minutes)


def count(shown: pd.DataFrame, watched: pd.DataFrame, period: Period, *, minutes: float) -> Rows:
    """Rows of what was shown and what was watched of it. A session counts on its first day, and as one with a click on
    the first day on which something of it was opened."""
    shown = shown.assign(day=period.number(shown["shown_at"]))
    sessions = shown.groupby(["user_id", "session_id"])["day"].min()
    opened = shown[shown["clicked"].eq(True)].groupby(["user_id", "session_id"])["day"].min()
    mine = watched.merge(shown[["impression_id", "user_id"]], on="impression_id")
    mine = mine.assign(day=period.number(mine["started_at"]), minutes=mine["watched_seconds"].fillna(0.0) / 60)
    long = mine[mine["minutes"] > minutes]
    by_day = {
        "sessions": _sizes(sessions.reset_index()),
        "clicked": _sizes(opened.reset_index()),
        "videos": _sizes(long),
        "minutes": mine.groupby(["user_id", "day"])["minutes"].sum(),
    }
    rows = pd.DataFrame(by_day, columns=list(COUNTS)).fillna(0.0).astype(float)
    rows.index = rows.index.set_names(["user_id", "day"])
    return rows.reset_index()


def totals(rows: Rows, members: pd.Index, day: int) -> dict[str, Floats]:
    """COUNTS -> (members,) sums through a day."""
    summed = rows[rows["day"] <= day].groupby("user_id")[list(COUNTS)].sum()
    held = summed.reindex(members, fill_value=0.0)
    return {name: held[name].to_numpy() for name in COUNTS}


def sums(counts: Mapping[str, Floats], metric: Metric) -> tuple[Floats, Floats]:
    """Numerator and denominator of a metric, (members,) each."""
    above, below = METRICS[metric]
    return counts[above], counts[below] if below else np.ones(len(counts[above]))


def covariates(before: Mapping[str, Floats], metric: Metric) -> Floats:
    """(members, 3) what the days before say of a member: both sums of the metric, and whether they came at all."""
    above, below = sums(before, metric)
    return np.column_stack([above, below, before["sessions"] > 0]).astype(np.float64)


def _sizes(rows: pd.DataFrame) -> pd.Series:
    return rows.groupby(["user_id", "day"]).size()


def _frame(lake: Lake, table: str, period: Period, columns: list[str]) -> pd.DataFrame:
    if not lake.days(table, period.first, period.last):
        times = [name for name in columns if name.endswith("_at")]
        return pd.DataFrame(columns=columns).astype(dict.fromkeys(times, "datetime64[us, UTC]"))
    frame: pd.DataFrame = lake.read(table, period.first, period.last, columns).to_pandas()
    return frame
