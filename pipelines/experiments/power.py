"""Before the start: how many members and days a minimum effect needs, judged by days that are past."""

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from pipelines.core.errors import DataError
from pipelines.experiments.definition import Definition
from pipelines.experiments.estimates import Sample, spread
from pipelines.experiments.outcomes import Rows, covariates, sums, totals
from pipelines.experiments.spending import alpha_on


@dataclass(frozen=True)
class Horizon:
    """A length: members who would take part by then, members needed, and the effect that those who come would find."""

    days: int
    members: int
    needed: int
    detectable: float
    saved: float
    """The share of variance that the days before explain."""

    @property
    def enough(self) -> bool:
        return self.members >= self.needed


@dataclass(frozen=True)
class Plan:
    """horizons: every length tried. days, members: the shortest that suffices; None where none does."""

    horizons: list[Horizon]
    days: int | None
    members: int | None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def plan(definition: Definition, rows: Rows, before: Rows, lengths: list[int]) -> Plan:
    """Try each length on past days. rows: of those days, everybody's; before: of ``pre_days`` days before them.

    Raises:
        DataError: nobody visited, or the primary metric is 0 there.
    """
    found = [_horizon(definition, rows, before, days) for days in sorted(lengths)]
    first = next((one for one in found if one.enough), None)
    return Plan(found, first.days if first else None, first.needed if first else None)


def members_needed(definition: Definition, spread_of_one: float, days: int) -> int:
    """Members of all variants together. spread_of_one: the variance of one member's part, relative to the metric.

    The last day's share of alpha is what counts: an earlier decision is a gain on top. For two equal groups and all of
    alpha on one day it is 2 x 2 (z + z)^2 s / effect^2, the textbook's.
    """
    from math import ceil

    return ceil(_factor(definition, days) * spread_of_one / definition.minimum_effect**2)


def _horizon(definition: Definition, rows: Rows, before: Rows, days: int) -> Horizon:
    seen = rows[rows["day"] <= days]
    ids = pd.Index(seen["user_id"].unique())
    if len(ids) < 2:
        raise DataError(f"{len(ids)} members visited in {days} days: plan on days on which members came")
    above, below = sums(totals(rows, ids, days), definition.primary)
    known = covariates(totals(before, ids, definition.pre_days), definition.primary)
    sample = Sample(above, below, known)
    if not sample.ratio > 0:
        raise DataError(f"{definition.primary} is {sample.ratio} in {days} days: plan on a metric that moves")
    plain, adjusted = spread(sample)
    members = int(len(ids) * definition.traffic)
    detectable = (_factor(definition, days) * adjusted / members) ** 0.5 if members else float("inf")
    return Horizon(days, members, members_needed(definition, adjusted, days), detectable, 1 - adjusted / plain)


def _factor(definition: Definition, days: int) -> float:
    """Members x effect^2 / spread, for the challenger with the smallest share."""
    from scipy.stats import norm

    alpha = alpha_on(days, days, definition.alpha, len(definition.challengers))
    reach = float(norm.isf(alpha / 2) + norm.isf(1 - definition.power))
    whole = sum(variant.share for variant in definition.variants.values())
    shares = {name: variant.share / whole for name, variant in definition.variants.items()}
    least = min(shares[name] for name in definition.challengers)
    # The effect scales the treated sums and, through the quotient, the control's part of the error alike.
    return reach**2 * (1 / least + 1 / shares[definition.control]) * (1 + definition.minimum_effect) ** 2
