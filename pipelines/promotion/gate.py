"""The gate: promote, reject or inconclusive, with reasons.

A challenger is rejected outright where it learnt from the window, or lacks a figure that the policy asks for. Then,
each claim judged by the paired interval of the challenger's gain:

- the floors: it must beat popularity, or lose no more than the stated share, on each. Surely below one: reject.
- no champion: holding every floor is enough to promote.
- a champion: it must beat it on the primary metric, and on no guardrail be worse by the margin or more.
  Surely worse on the primary metric, or surely beyond a guardrail's margin: reject.
- anything not surely one or the other is inconclusive, and so is a figure that rests on too few members.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from pipelines.core.errors import ReleaseError
from pipelines.core.evidence import Evidence
from pipelines.promotion.comparison import REMEDY, Comparison, compare, figure
from pipelines.promotion.policy import Policy

Answer = Literal["promote", "reject", "inconclusive"]


@dataclass(frozen=True)
class Verdict:
    """The gate's answer, why, and the comparisons it rests on."""

    verdict: Answer
    reasons: tuple[str, ...]
    comparisons: tuple[Comparison, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON: verdict, reasons, and one flat dict a comparison."""
        flat = [c._asdict() | {"gain": asdict(c.gain)} for c in self.comparisons]
        return {"verdict": self.verdict, "reasons": list(self.reasons), "comparisons": flat}


def decide(challenger: Evidence, champion: Evidence | None, floor: Evidence, policy: Policy, seed: int) -> Verdict:
    """Judge the challenger by the rules above.

    Raises:
        ReleaseError: where champion or floor were scored on another window, members or rows, or lack a metric.
    """
    for side in (champion, floor):
        _on_one_window(challenger, side)
    unfit = _unfit(challenger, policy)
    if unfit:
        return Verdict("reject", tuple(unfit))
    comparisons = tuple(_comparisons(challenger, champion, floor, policy, seed))
    return _judge(comparisons, policy)


def _comparisons(
    challenger: Evidence, champion: Evidence | None, floor: Evidence, policy: Policy, seed: int
) -> list[Comparison]:
    asked = {rule.metric: rule.needed(figure(rule.metric, floor)[0]) for rule in policy.floors}
    found = [compare(m, "floor", challenger, floor, need, policy, seed) for m, need in asked.items()]
    if champion is None:
        return found
    needed = {policy.primary: policy.superiority_margin} | {g.metric: -g.margin for g in policy.guardrails}
    return found + [compare(m, "champion", challenger, champion, need, policy, seed) for m, need in needed.items()]


def _judge(comparisons: tuple[Comparison, ...], policy: Policy) -> Verdict:
    """Refuted by any: reject. Shown by all, on enough members: promote. Else inconclusive."""
    refuted = [f"{_claim(c)} is refuted: {c.describe()}" for c in comparisons if c.finding == "refuted"]
    if refuted:
        return Verdict("reject", tuple(refuted), comparisons)
    few = [
        f"{c.metric} rests on {c.members} members and the policy asks for {policy.minimum_members}"
        for c in comparisons
        if c.members < policy.minimum_members
    ]
    still_open = [f"{_claim(c)} is not shown: {c.describe()}" for c in comparisons if c.finding == "open"]
    if few or still_open:
        return Verdict("inconclusive", (*few, *still_open), comparisons)
    return Verdict("promote", tuple(f"{_claim(c)}: {c.describe()}" for c in comparisons), comparisons)


def _claim(comparison: Comparison) -> str:
    if comparison.needed < 0:
        return f"not worse than the {comparison.against} by {-comparison.needed:.4g}"
    by = f" by more than {comparison.needed:g}" if comparison.needed else ""
    return f"better than the {comparison.against}{by}"


def _unfit(challenger: Evidence, policy: Policy) -> list[str]:
    """Why the challenger cannot be judged at all, nothing if it can."""
    if challenger.fitted_through >= challenger.test_from:
        return [
            f"the challenger learnt from days through {challenger.fitted_through}, and the window begins on "
            f"{challenger.test_from}: fit it on earlier days only"
        ]
    reasons = []
    for metric in dict.fromkeys(
        [policy.primary, *(f.metric for f in policy.floors), *(g.metric for g in policy.guardrails)]
    ):
        try:
            value, members = figure(metric, challenger)
        except ReleaseError as exc:
            reasons.append(str(exc))
            continue
        if np.isnan(value):
            reasons.append(f"{metric} has no figure ({members} members): the window is empty or cannot tell")
    return reasons


def _on_one_window(challenger: Evidence, other: Evidence | None) -> None:
    if other and (other.test_from, other.test_to) != (challenger.test_from, challenger.test_to):
        raise ReleaseError(
            f"the challenger was scored on {challenger.test_from} to {challenger.test_to} and the other side on "
            f"{other.test_from} to {other.test_to}: {REMEDY}"
        )
