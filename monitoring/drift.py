"""Which features moved since the champion was trained, beyond what chance explains."""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from pipelines.core.config import Config
from pipelines.metrics.drift import ColumnSketch, Sketch, chance, psi

State = Literal["still", "moved", "broken", "calendar"]
ORDER: tuple[State, ...] = ("broken", "moved", "still", "calendar")

CALENDAR = frozenset(
    {
        "context_weekday",
        "context_weekend",
        "context_season",
        "context_holiday",
        "context_days_to_holiday",
        "cross_days_since_release",
        "cross_days_on_platform",
        "cross_days_since_watch",
    }
)
"""Features that move because time passes: other days have another weekday, and every title grows older."""


class DriftPolicy(Config):
    """From where a feature counts as moved (PSI) and as broken (absent in this share more of the rows)."""

    moved_above: float = 0.25
    broken_above: float = 0.25


@dataclass(frozen=True)
class Drift:
    """One feature. ``chance`` is the PSI that luck alone may give; ``absent`` and ``absent_before`` are shares."""

    feature: str
    psi: float
    chance: float
    absent_before: float
    absent: float
    state: State


def compare(reference: Sketch, rows: pd.DataFrame, policy: DriftPolicy) -> list[Drift]:
    """Every sketched feature of the rows: broken, moved, still, calendar, within each the furthest moved first.

    Rows of one member or one media share their features, so chance is reckoned over members (or media), not rows.
    """
    entities = {"media": int(rows["media_id"].nunique()), "user": int(rows["user_id"].nunique())}
    found = [
        _drift(name, reference[name], moved, float(rows[name].isna().mean()), entities, policy)
        for name, moved in psi(reference, rows).items()
    ]
    return sorted(found, key=lambda d: (ORDER.index(d.state), -d.psi, d.feature))


def _drift(
    name: str, before: ColumnSketch, moved: float, absent: float, entities: dict[str, int], policy: DriftPolicy
) -> Drift:
    luck = chance(before, entities["media" if name.startswith("media_") else "user"])
    state: State = "still"
    if moved > max(policy.moved_above, luck):
        state = "calendar" if name in CALENDAR else "moved"
    if absent - before["shares"][-1] > policy.broken_above:
        state = "broken"
    return Drift(name, moved, luck, before["shares"][-1], absent, state)
