"""One metric of two pieces of evidence, compared on the members (and rows) that both scored."""

from typing import Literal, NamedTuple

import numpy as np

from pipelines.core.errors import ReleaseError
from pipelines.core.evidence import Evidence, Floats, Rows, Text
from pipelines.metrics.classification import LOWER_IS_BETTER, STATISTICS
from pipelines.metrics.intervals import (
    Interval,
    Statistic,
    as_codes,
    bootstrap_statistic,
    paired_difference,
)
from pipelines.promotion.policy import Policy

Against = Literal["champion", "floor"]
Finding = Literal["shown", "refuted", "open"]
REMEDY = "evaluate both sides on the same window, by the same policy"


class Comparison(NamedTuple):
    """challenger, other: the metric of each on what both scored. gain: their difference, above 0 = challenger better.

    needed: what the policy asks of the gain. members: how many have a figure on both sides. finding: what it says.
    """

    metric: str
    against: Against
    challenger: float
    other: float
    gain: Interval
    needed: float
    members: int
    finding: Finding

    def describe(self) -> str:
        """One line for a person."""
        return (
            f"{self.metric} {self.challenger:.4f} against the {self.against}'s {self.other:.4f}: gain "
            f"{self.gain.value:+.4f} [{self.gain.low:+.4f}, {self.gain.high:+.4f}] on {self.members} members"
        )


def compare(
    metric: str, against: Against, challenger: Evidence, other: Evidence, needed: float, policy: Policy, seed: int
) -> Comparison:
    """The gain with its paired interval over members.

    ``shown`` where it lies wholly above ``needed``, ``refuted`` where wholly below min(needed, 0), else ``open``.

    Raises:
        ReleaseError: where one side lacks the metric, or the two were scored on other members or rows.
    """
    measure = _of_rows if _is_of_rows(metric, challenger) else _of_lists
    mine, theirs, gain, members = measure(metric, challenger, other, policy, seed)
    finding: Finding = "shown" if gain.low > needed else "refuted" if gain.high < min(needed, 0.0) else "open"
    return Comparison(metric, against, mine, theirs, gain, needed, members, finding)


def figure(metric: str, evidence: Evidence) -> tuple[float, int]:
    """The metric on everyone, NaN where nobody has a figure, and how many members it rests on.

    Raises:
        ReleaseError: where the evidence lacks the metric.
    """
    if not _is_of_rows(metric, evidence):
        _, values = _held(metric, evidence)
        return _mean(values), len(values)
    part, _, name = metric.partition(".")
    rows = evidence.rows[part]
    owners, codes = as_codes(rows.member)
    if not len(owners):
        return float("nan"), 0
    return _on_everyone(STATISTICS[name](rows.label, rows.probability, codes, len(owners)), len(owners)), len(owners)


Measured = tuple[float, float, Interval, int]


def _of_lists(metric: str, a: Evidence, b: Evidence, policy: Policy, seed: int) -> Measured:
    """Means over the members who have a figure, which must be the same on both sides."""
    (mine, x), (theirs, y) = _held(metric, a), _held(metric, b)
    _same(mine, theirs, f"members of {metric}")
    gain = paired_difference(x, y, seed, policy.resamples, policy.confidence)
    return _mean(x), _mean(y), gain, len(x)


def _of_rows(metric: str, a: Evidence, b: Evidence, policy: Policy, seed: int) -> Measured:
    """The statistic of the same rows under both probabilities, under the same draws of members."""
    part, _, name = metric.partition(".")
    if not _is_of_rows(metric, b):
        raise ReleaseError(_lacks(metric, b))
    rows, others = _sorted(a.rows[part]), _sorted(b.rows[part])
    _same(rows.ids, others.ids, f"rows of {metric}")
    if not np.array_equal(rows.label, others.label):
        raise ReleaseError(f"rows of {metric} have other labels on each side: {REMEDY}")
    owners, codes = as_codes(rows.member)
    x = STATISTICS[name](rows.label, rows.probability, codes, len(owners))
    y = STATISTICS[name](rows.label, others.probability, codes, len(owners))
    sign = -1.0 if name in LOWER_IS_BETTER else 1.0
    gain = bootstrap_statistic(
        len(owners), lambda counts: sign * (x(counts) - y(counts)), seed, policy.row_resamples, policy.confidence
    )
    return _on_everyone(x, len(owners)), _on_everyone(y, len(owners)), gain, len(owners)


def _is_of_rows(metric: str, evidence: Evidence) -> bool:
    part, _, name = metric.partition(".")
    return part in evidence.rows and name in STATISTICS


def _held(metric: str, evidence: Evidence) -> tuple[Text, Floats]:
    """The members who have a figure, in order of their ids, and the figures."""
    if metric not in evidence.metrics:
        raise ReleaseError(_lacks(metric, evidence))
    values = evidence.metrics[metric]
    held = np.flatnonzero(~np.isnan(values))
    held = held[np.argsort(evidence.members[held])]
    return evidence.members[held], values[held]


def _sorted(rows: Rows) -> Rows:
    order = np.argsort(rows.ids)
    return Rows(rows.ids[order], rows.member[order], rows.label[order], rows.probability[order])


def _same(mine: Text, theirs: Text, what: str) -> None:
    if not np.array_equal(mine, theirs):
        apart = len(np.setxor1d(mine, theirs))
        raise ReleaseError(f"{what} differ between the sides ({apart} stand on one side only): {REMEDY}")


def _lacks(metric: str, evidence: Evidence) -> str:
    held = ", ".join([*evidence.metrics, *(f"{part}.*" for part in evidence.rows)]) or "nothing"
    return f"the evidence lacks {metric} (it holds {held}): {REMEDY}"


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else float("nan")


def _on_everyone(statistic: Statistic, members: int) -> float:
    return float(statistic(np.ones((1, members)))[0])
