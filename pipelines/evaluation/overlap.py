"""Whether a log can tell what another policy would have earned: how much of it, how evenly, speaks of that policy."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveInt

from pipelines.core.config import Config
from pipelines.evaluation.logged import Logged, Target
from pipelines.metrics.clustered import ratio
from pipelines.metrics.intervals import Floats


class SupportRules(Config):
    """What a log must hold before an estimate is believed; the defaults are where 95 % intervals begin to hold the
    truth as often as they say (docs/off-policy.md).

    least_effective: members that count, of (sum of weights)^2 / sum of squares. largest_share: of all weight, that one
    member may hold. least_uncommon: rows that count, of those whose reward is not the commonest one. least_support: of
    the policy's probability, on titles that could have been shown. most_off: standard errors by which the mean weight
    may miss it.
    """

    least_effective: PositiveInt = 50
    largest_share: float = Field(default=0.05, gt=0, le=1)
    least_uncommon: PositiveInt = 10
    least_support: float = Field(default=0.95, ge=0, le=1)
    most_off: NonNegativeFloat = 5.0


DEFAULT_RULES = SupportRules()


@dataclass(frozen=True)
class Overlap:
    """How a log's rows speak of a policy.

    effective_rows, effective_members: (sum of weights)^2 / sum of squared weights, 0 where nothing has weight.
    largest_weight: of a row. largest_share: of all weight, what one member holds. matched: share of rows with weight.
    support: mean probability of the policy on titles that could have been shown. mean_weight: its mean is ``support``
    where the logged propensities are right; error: its standard error. uncommon: effective rows among those whose
    reward is not the commonest one, which for watches is the rarer of yes and no.
    """

    rows: int
    members: int
    effective_rows: float
    effective_members: float
    largest_weight: float
    largest_share: float
    matched: float
    support: float
    mean_weight: float
    error: float
    uncommon: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def describe(self) -> str:
        """One line for a person."""
        return (
            f"{self.rows} slots of {self.members} members count as {self.effective_members:.1f} members and "
            f"{self.effective_rows:.1f} slots; largest weight {self.largest_weight:.4g}, mean {self.mean_weight:.3f}; "
            f"{self.matched:.1%} of the slots show what it might, {self.support:.1%} of its choices were possible"
        )


def overlap(logged: Logged, target: Target) -> Overlap:
    """How the log speaks of ``target``."""
    support = 1.0 if target.support is None else float(target.support.mean())
    return weighed(logged, target.weights(logged), support)


def weighed(logged: Logged, weights: Floats, support: float) -> Overlap:
    """The same of rows of any weights, none below 0."""
    held = logged.sums(weights)
    mean = ratio(held, logged.sums(1.0))
    return Overlap(
        rows=len(weights),
        members=logged.members,
        effective_rows=_effective(weights),
        effective_members=_effective(held),
        largest_weight=float(weights.max()),
        largest_share=float(held.max() / held.sum()) if held.sum() else 1.0,
        matched=float((weights > 0).mean()),
        support=support,
        mean_weight=mean.value,
        error=mean.error,
        uncommon=_uncommon(logged.reward, weights),
    )


def lacking(found: Overlap, rules: SupportRules) -> list[str]:
    """Why the log cannot tell, in words; nothing where it can."""
    return thin(found, rules) + misfits(found, rules)


def thin(found: Overlap, rules: SupportRules) -> list[str]:
    """Where too few rows speak."""
    reasons = []
    if found.effective_members < rules.least_effective:
        has = f"the weights leave {found.effective_members:.1f} of {found.members} members"
        reasons.append(f"{has}, and {rules.least_effective} are asked for")
    if found.largest_share > rules.largest_share:
        reasons.append(f"one member holds {found.largest_share:.1%} of the weight, above {rules.largest_share:.1%}")
    if found.uncommon < rules.least_uncommon:
        has = f"slots with another reward than the commonest count as {found.uncommon:.1f}"
        reasons.append(f"{has}, and {rules.least_uncommon} are asked for")
    return reasons


def misfits(found: Overlap, rules: SupportRules) -> list[str]:
    """Where the log speaks of other choices than the policy's, or its propensities cannot be right."""
    reasons = []
    if found.support < rules.least_support:
        has = f"{found.support:.1%} of the policy's choices could have been shown"
        reasons.append(f"{has}, and {rules.least_support:.1%} are asked for")
    if abs(found.mean_weight - found.support) > rules.most_off * found.error + 1e-9:
        has = f"the weights have the mean {found.mean_weight:.3f} where {found.support:.3f} is expected"
        reasons.append(f"{has}: the logged propensities are not those of the draw, or what is rare was never drawn")
    return reasons


def _effective(weights: Floats) -> float:
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def _uncommon(reward: Floats, weights: Floats) -> float:
    values, place, counts = np.unique(reward[weights > 0], return_inverse=True, return_counts=True)
    return _effective(weights[weights > 0][place != counts.argmax()]) if len(values) else 0.0
