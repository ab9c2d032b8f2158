"""What members did with what was shown to them, by release and policy: M1 to M3, each with its weakness (M4)."""

from dataclasses import dataclass
from datetime import date

import pandas as pd

from pipelines.core.lake import Lake
from pipelines.core.tables import HISTORY
from pipelines.metrics.online import engagement_rate, session_time, videos_watched

WEAKNESSES = {
    "engagement rate": "a click that leaves at once counts like one that leads to an evening's watching",
    "videos watched": "a few boring minutes count like a film seen to its end",
    "session time": "one episode that brings a member back tomorrow weighs less than a film left running",
}
MINUTES = 2.0
_SHOWN = ["impression_id", "session_id", "policy", "release_id", "clicked"]
_WATCHED = ["impression_id", "session_id", "watched_seconds"]


@dataclass(frozen=True)
class Online:
    """One release and policy; ``release_id`` is None for what was logged elsewhere. NaN = no session was recorded."""

    release_id: str | None
    policy: str | None
    impressions: int
    sessions: int
    engagement_rate: float
    videos_watched_per_session: float
    session_minutes: float


def by_release(lake: Lake, first: date, last: date) -> list[Online]:
    """One row a (release, policy) that was shown from ``first`` to ``last``, the most shown first; [] for no days."""
    shown = _frame(lake, "impressions", first, last, _SHOWN)
    watched = _frame(lake, "watches", first, last, _WATCHED).dropna(subset="impression_id")
    shown = shown[shown["policy"] != HISTORY]
    groups = shown.groupby(["release_id", "policy"], dropna=False, sort=True)
    found = [
        _figures(_text(release), _text(policy), own, watched[watched["impression_id"].isin(own["impression_id"])])
        for (release, policy), own in groups
    ]
    return sorted(found, key=lambda o: -o.impressions)


def _frame(lake: Lake, table: str, first: date, last: date, columns: list[str]) -> pd.DataFrame:
    if not lake.days(table, first, last):
        return pd.DataFrame(columns=columns)
    frame: pd.DataFrame = lake.read(table, first, last, columns).to_pandas()
    return frame


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _figures(release: str | None, policy: str | None, shown: pd.DataFrame, watched: pd.DataFrame) -> Online:
    sessions = shown["session_id"].dropna().unique()
    clicked = shown.loc[shown["clicked"].eq(True), "session_id"].dropna()
    count = len(sessions)
    mine = watched.drop(columns="session_id").merge(shown[["impression_id", "session_id"]], on="impression_id")
    seconds = mine["watched_seconds"].to_numpy(dtype=float)
    spent = session_time(mine["session_id"].where(mine["session_id"].notna(), None), seconds)
    return Online(
        release,
        policy,
        len(shown),
        count,
        engagement_rate(sessions, clicked),
        videos_watched(seconds, MINUTES) / count if count else float("nan"),
        float(spent.sum()) / 60 / count if count else float("nan"),
    )
