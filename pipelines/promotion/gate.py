"""The gate: promote, reject or inconclusive, with reasons.

A challenger is rejected outright where it learnt from the window, the window is empty, or a figure or slice that the
policy asks for is missing or no number. Then, each claim judged by the paired interval of the challenger's gain:

- the floors: it must beat popularity, or lose no more than the stated share, on each. Surely below one: reject.
- no champion: holding every floor is enough to promote; limits are reported.
- a champion: it must beat it on the primary metric, and on no guardrail be worse by the margin or more, neither on the
  whole nor in any part of the policy's slices that has members enough. Surely worse on the primary metric, surely
  beyond a margin, or beyond a limit: reject.
- anything not surely one or the other is inconclusive, and so is a figure that rests on too few members.

That every part must hold needs no correction for many tests: each only makes promotion harder. Where parts are searched
for a gain, Benjamini and Hochberg's correction is made; what is found there is reported and decides nothing.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Literal

import numpy as np

from pipelines.core.errors import MarqueeError, ReleaseError
from pipelines.core.evidence import Evidence
from pipelines.metrics.significance import discoveries
from pipelines.promotion import limits
from pipelines.promotion.comparison import REMEDY, Comparison, compare, compare_parts, figure, holds, lacks_slice
from pipelines.promotion.limits import Check
from pipelines.promotion.policy import Policy

Answer = Literal["promote", "reject", "inconclusive"]
NAMED = 8
"""At most so many parts are named in one reason."""


@dataclass(frozen=True)
class Verdict:
    """The gate's answer, why, and what it rests on: comparisons on everyone, in parts of slices, and limits.

    better: the parts in which the challenger gains, chance corrected for. It decides nothing.
    """

    verdict: Answer
    reasons: tuple[str, ...]
    comparisons: tuple[Comparison, ...] = ()
    parts: tuple[Comparison, ...] = ()
    limits: tuple[Check, ...] = ()
    better: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON: verdict, reasons, and one flat dict a comparison and a limit; what is no number is null."""
        return {
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "comparisons": [_flat(c) for c in self.comparisons],
            "parts": [_flat(c) for c in self.parts],
            "limits": [_null_for_nan(check._asdict()) for check in self.limits],
            "better": list(self.better),
        }


def decide(challenger: Evidence, champion: Evidence | None, floor: Evidence, policy: Policy, seed: int) -> Verdict:
    """Judge the challenger by the rules above.

    Raises:
        ReleaseError: where champion or floor were scored on another window, members or rows, or lack a metric.
    """
    for side in (champion, floor):
        _on_one_window(challenger, side)
    policy = _measured(policy, challenger)
    unfit = _unfit(challenger, policy)
    if unfit:
        return Verdict("reject", tuple(unfit))
    comparisons = tuple(_comparisons(challenger, champion, floor, policy, seed))
    parts = tuple(_parts(challenger, champion, policy, seed)) if champion else ()
    checks = tuple(limits.check(limit, challenger, champion) for limit in policy.limits)
    answer, reasons = _judge(comparisons, parts, checks, policy, first=champion is None)
    return Verdict(answer, tuple(reasons), comparisons, parts, checks, tuple(_better(parts, policy)))


def primary_of(policy: Policy, challenger: Evidence) -> str:
    """The metric that decides: the policy's primary, or its fallback where the evidence lacks that one."""
    return _measured(policy, challenger).primary


def _measured(policy: Policy, challenger: Evidence) -> Policy:
    return policy.measured_in(lambda metric: holds(metric, challenger))


def _comparisons(
    challenger: Evidence, champion: Evidence | None, floor: Evidence, policy: Policy, seed: int
) -> list[Comparison]:
    asked = {rule.metric: rule.needed(figure(rule.metric, floor)[0]) for rule in policy.floors}
    found = [compare(m, "floor", challenger, floor, need, policy, seed) for m, need in asked.items()]
    if champion is None:
        return found
    needed = {policy.primary: policy.superiority_margin} | {g.metric: -g.margin for g in policy.guardrails}
    return found + [compare(m, "champion", challenger, champion, need, policy, seed) for m, need in needed.items()]


def _parts(challenger: Evidence, champion: Evidence, policy: Policy, seed: int) -> list[Comparison]:
    rules = policy.slices
    if rules is None:
        return []
    return [
        part
        for rule in rules.guardrails
        for part in compare_parts(
            rule.metric, rules.names, challenger, champion, -rule.margin, rules.minimum_members, policy, seed
        )
    ]


def _judge(
    comparisons: tuple[Comparison, ...],
    parts: tuple[Comparison, ...],
    checks: tuple[Check, ...],
    policy: Policy,
    first: bool,
) -> tuple[Answer, list[str]]:
    """Refuted by any, or beyond a limit: reject. Shown by all, on enough members: promote. Else inconclusive."""
    claims = (*comparisons, *parts)
    beyond = [f"beyond a limit: {check.describe()}" for check in checks if not check.held]
    refuted = [f"{_claim(c)} is refuted: {c.describe()}" for c in claims if c.finding == "refuted"]
    if refuted or (beyond and not first):
        return "reject", [*refuted, *beyond]
    few = [
        f"{c.metric} rests on {c.members} members and the policy asks for {policy.minimum_members}"
        for c in comparisons
        if c.members < policy.minimum_members
    ]
    still_open = [f"{_claim(c)} is not shown: {c.describe()}" for c in claims if c.finding == "open"]
    waits = policy.slices is not None and policy.slices.too_few == "inconclusive"
    unsaid = list(_too_few(parts, "the policy waits for more" if waits else "the policy lets that pass"))
    if few or still_open or (unsaid and waits):
        return "inconclusive", [*few, *still_open, *unsaid]
    reported = [f"{reason}; a first release is judged by the floors alone" for reason in beyond]
    return "promote", [*(f"{_claim(c)}: {c.describe()}" for c in comparisons), *_held(parts), *unsaid, *reported]


def _claim(comparison: Comparison) -> str:
    if comparison.needed < 0:
        return f"not worse than the {comparison.against} by {-comparison.needed:.4g}"
    by = f" by more than {comparison.needed:g}" if comparison.needed else ""
    return f"better than the {comparison.against}{by}"


def _held(parts: Iterable[Comparison]) -> Iterable[str]:
    """One line a metric: in how many parts it is shown not to be worse."""
    shown = [part for part in parts if part.finding == "shown"]
    for metric in dict.fromkeys(part.metric for part in shown):
        own = [part for part in shown if part.metric == metric]
        worst = min(own, key=lambda part: part.gain.low)
        yield f"{_claim(worst)} in {len(own)} parts of the slices, least surely: {worst.describe()}"


def _too_few(parts: Iterable[Comparison], so: str) -> Iterable[str]:
    """One line a metric: which parts cannot tell, and what that leads to."""
    few = [part for part in parts if part.finding == "too few"]
    for metric in dict.fromkeys(part.metric for part in few):
        own = [f"{part.part} ({part.members})" for part in few if part.metric == metric]
        more = f" and {len(own) - NAMED} more" if len(own) > NAMED else ""
        yield f"too few members to tell {metric} in {', '.join(own[:NAMED])}{more}: {so}"


def _better(parts: tuple[Comparison, ...], policy: Policy) -> Iterable[str]:
    """The parts in which a gain stands when at most the policy's share of those named may be false."""
    stands = discoveries(np.array([part.chance for part in parts]), policy.false_discoveries)
    for part, found in zip(parts, stands, strict=True):
        if found and part.gain.value > 0:
            yield f"{part.part}: {part.metric} {part.gain.value:+.4f} [{part.gain.low:+.4f}, {part.gain.high:+.4f}]"


def _unfit(challenger: Evidence, policy: Policy) -> list[str]:
    """Why the challenger cannot be judged at all, nothing if it can."""
    if challenger.test_to < challenger.test_from:
        return [f"the window {challenger.test_from} to {challenger.test_to} is empty: test on a day or more"]
    if challenger.fitted_through >= challenger.test_from:
        return [
            f"the challenger learnt from days through {challenger.fitted_through}, and the window begins on "
            f"{challenger.test_from}: fit it on earlier days only"
        ]
    reasons = [why for metric in policy.metrics if (why := _no_figure(metric, challenger))]
    named = policy.slices.names if policy.slices else ()
    reasons += [lacks_slice(name, challenger) for name in named if name not in challenger.slices]
    return reasons + [why for limit in policy.limits if (why := _no_bound_figure(limit.figure, challenger))]


def _no_figure(metric: str, challenger: Evidence) -> str | None:
    try:
        value, members = figure(metric, challenger)
    except MarqueeError as exc:
        return str(exc) if isinstance(exc, ReleaseError) else f"{metric} cannot be measured: {exc}"
    if isfinite(value):
        return None
    return f"{metric} has no figure ({members} members): the window is empty or cannot tell"


def _no_bound_figure(name: str, challenger: Evidence) -> str | None:
    try:
        value = limits.held(name, challenger)
    except ReleaseError as exc:
        return str(exc)
    return None if isfinite(value) else f"{name} is {value}: the window is empty or cannot tell"


def _on_one_window(challenger: Evidence, other: Evidence | None) -> None:
    if other and (other.test_from, other.test_to) != (challenger.test_from, challenger.test_to):
        raise ReleaseError(
            f"the challenger was scored on {challenger.test_from} to {challenger.test_to} and the other side on "
            f"{other.test_from} to {other.test_to}: {REMEDY}"
        )


def _flat(comparison: Comparison) -> dict[str, Any]:
    gain = _null_for_nan(asdict(comparison.gain))
    return _null_for_nan(comparison._asdict()) | {"gain": gain}


def _null_for_nan(values: dict[str, Any]) -> dict[str, Any]:
    return {key: None if isinstance(value, float) and not isfinite(value) else value for key, value in values.items()}
