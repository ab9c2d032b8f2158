"""One metric of two pieces of evidence, compared on the members (and rows) that both scored, whole or in a slice."""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.core.errors import ReleaseError
from pipelines.core.evidence import Evidence, Floats, Rows, Text
from pipelines.metrics.classification import LOWER_IS_BETTER, STATISTICS
from pipelines.metrics.intervals import (
    NOTHING,
    Interval,
    Statistic,
    as_codes,
    bootstrap_statistic,
    paired_difference,
)
from pipelines.metrics.propensity import IPS, skewed_mean
from pipelines.metrics.significance import chance_of, detectable, detectable_within, signed_rank
from pipelines.promotion.policy import Policy

Against = Literal["champion", "floor"]
Finding = Literal["shown", "refuted", "open", "too few"]
Places = npt.NDArray[np.int64]
REMEDY = "evaluate both sides on the same window, by the same policy"


class Comparison(NamedTuple):
    """challenger, other: the metric of each on what both scored. gain: their difference, above 0 = challenger better.

    needed: what the policy asks of the gain. members: how many have a figure on both sides. finding: what it says.
    chance: two-sided p of a gain of 0 (Wilcoxon's where members have a figure each that is not weighed by inverse
    propensities, else from the interval).
    detectable: the gain that so many members would have shown with the policy's power. part: such as ``device=tv``.
    """

    metric: str
    against: Against
    challenger: float
    other: float
    gain: Interval
    needed: float
    members: int
    finding: Finding
    chance: float = float("nan")
    detectable: float = float("nan")
    part: str = ""

    def describe(self) -> str:
        """One line for a person."""
        return (
            f"{self.metric} {self.challenger:.4f} against the {self.against}'s {self.other:.4f}: gain "
            f"{self.gain.value:+.4f} [{self.gain.low:+.4f}, {self.gain.high:+.4f}] on {self.members} members"
            f"{f' with {self.part}' if self.part else ''}, {self.detectable:.4f} detectable"
        )


class Measured(NamedTuple):
    """What a Comparison takes from a pair."""

    challenger: float
    other: float
    gain: Interval
    chance: float
    detectable: float


class Lists(NamedTuple):
    """Figures of the same members, all (n,): their places in the challenger's evidence, the figures of either side."""

    metric: str
    places: Places
    mine: Floats
    theirs: Floats

    def of(self, kept: npt.NDArray[np.bool_]) -> "Lists":
        """Only those members."""
        return Lists(self.metric, self.places[kept], self.mine[kept], self.theirs[kept])

    def measure(self, policy: Policy, seed: int) -> Measured:
        """Means, and the paired gain."""
        gain = paired_gain(self.metric, self.mine, self.theirs, policy, seed)
        differences = self.mine - self.theirs
        # Most members' figures say nothing of a mean that a few of them hold: there ranks would mislead.
        chance = chance_of(gain, policy.confidence) if _weighed(self.metric) else signed_rank(differences)
        within = detectable(differences, policy.confidence, policy.power)
        return Measured(_mean(self.mine), _mean(self.theirs), gain, chance, within)


class Scores(NamedTuple):
    """Probabilities of the same rows. places: (n,) as above. owner: (rows,) which of them owns each row."""

    name: str
    places: Places
    owner: Places
    label: Floats
    mine: Floats
    theirs: Floats

    def of(self, kept: npt.NDArray[np.bool_]) -> "Scores":
        """Only those members' rows."""
        rows, code = kept[self.owner], np.cumsum(kept) - 1
        columns = (self.label[rows], self.mine[rows], self.theirs[rows])
        return Scores(self.name, self.places[kept], code[self.owner[rows]], *columns)

    def measure(self, policy: Policy, seed: int) -> Measured:
        """The statistic of the same rows under both probabilities, under the same draws of members."""
        n = len(self.places)
        x = STATISTICS[self.name](self.label, self.mine, self.owner, n)
        y = STATISTICS[self.name](self.label, self.theirs, self.owner, n)
        sign = -1.0 if self.name in LOWER_IS_BETTER else 1.0
        gain = bootstrap_statistic(
            n, lambda counts: sign * (x(counts) - y(counts)), seed, policy.row_resamples, policy.confidence
        )
        within = detectable_within(gain, policy.confidence, policy.power)
        return Measured(_on_everyone(x, n), _on_everyone(y, n), gain, chance_of(gain, policy.confidence), within)


def paired_gain(metric: str, mine: Floats, theirs: Floats, policy: Policy, seed: int) -> Interval:
    """The mean of mine - theirs over members who have both, (n,) each; what is weighed by inverse propensities is so
    skewed that its interval has to be corrected."""
    if _weighed(metric):
        return skewed_mean(mine - theirs, policy.confidence)
    return paired_difference(mine, theirs, seed, policy.resamples, policy.confidence)


def compare(
    metric: str, against: Against, challenger: Evidence, other: Evidence, needed: float, policy: Policy, seed: int
) -> Comparison:
    """The gain with its paired interval over members.

    ``shown`` where it lies wholly above ``needed``, ``refuted`` where wholly below min(needed, 0), else ``open``.

    Raises:
        ReleaseError: where one side lacks the metric, or the two were scored on other members or rows.
    """
    pair = _align(metric, challenger, other)
    measured = pair.measure(policy, seed)
    return _comparison(metric, against, measured, needed, len(pair.places), _finding(measured.gain, needed))


def compare_parts(
    metric: str,
    slices: tuple[str, ...],
    challenger: Evidence,
    champion: Evidence,
    needed: float,
    minimum: int,
    policy: Policy,
    seed: int,
) -> list[Comparison]:
    """The same in each part of the slices, by the challenger's words for its members, in the order of the words.

    ``too few`` where fewer than ``minimum`` members of a part have a figure, or theirs cannot tell.

    Raises:
        ReleaseError: as ``compare`` does, and where the evidence lacks a slice.
    """
    pair = _align(metric, challenger, champion)
    found = []
    for name in slices:
        if name not in challenger.slices:
            raise ReleaseError(lacks_slice(name, challenger))
        words, codes = np.unique(challenger.slices[name], return_inverse=True)
        own = codes[pair.places]
        for code, word in enumerate(words.tolist()):
            kept = own == code
            members = int(kept.sum())
            measured = pair.of(kept).measure(policy, seed) if members >= minimum else _UNMEASURED
            few: Finding | None = "too few" if np.isnan(measured.gain.low) else None
            finding = few or _finding(measured.gain, needed)
            found.append(_comparison(metric, "champion", measured, needed, members, finding, f"{name}={word}"))
    return found


_NAN = float("nan")
_UNMEASURED = Measured(_NAN, _NAN, NOTHING, _NAN, _NAN)


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
        return _NAN, 0
    return _on_everyone(STATISTICS[name](rows.label, rows.probability, codes, len(owners)), len(owners)), len(owners)


def holds(metric: str, evidence: Evidence) -> bool:
    """Whether the evidence has the metric, be it of lists or of rows."""
    return metric in evidence.metrics or _is_of_rows(metric, evidence)


def lacks_slice(name: str, evidence: Evidence) -> str:
    """What is said where the evidence does not know a slice."""
    held = ", ".join(evidence.slices) or "none"
    return f"the evidence lacks the slice {name} (it holds {held}): evaluate the challenger again, or mend the policy"


def _align(metric: str, a: Evidence, b: Evidence) -> Lists | Scores:
    """What both sides scored, member by member or row by row, in the order of ids."""
    if not _is_of_rows(metric, a):
        (mine, x), (theirs, y) = _held(metric, a), _held(metric, b)
        _same(a.members[mine], b.members[theirs], f"members of {metric}")
        return Lists(metric, mine, x, y)
    part, _, name = metric.partition(".")
    if not _is_of_rows(metric, b):
        raise ReleaseError(_lacks(metric, b))
    rows, others = _sorted(a.rows[part]), _sorted(b.rows[part])
    _same(rows.ids, others.ids, f"rows of {metric}")
    if not np.array_equal(rows.label, others.label):
        raise ReleaseError(f"rows of {metric} have other labels on each side: {REMEDY}")
    places, owner = as_codes(rows.member)
    return Scores(name, places, owner, rows.label, rows.probability, others.probability)


def _finding(gain: Interval, needed: float) -> Finding:
    return "shown" if gain.low > needed else "refuted" if gain.high < min(needed, 0.0) else "open"


def _comparison(
    metric: str, against: Against, found: Measured, needed: float, members: int, finding: Finding, part: str = ""
) -> Comparison:
    figures = (found.challenger, found.other, found.gain)
    return Comparison(metric, against, *figures, needed, members, finding, found.chance, found.detectable, part)


def _weighed(metric: str) -> bool:
    return metric.partition(".")[2].startswith(IPS)


def _is_of_rows(metric: str, evidence: Evidence) -> bool:
    part, _, name = metric.partition(".")
    return part in evidence.rows and name in STATISTICS


def _held(metric: str, evidence: Evidence) -> tuple[Places, Floats]:
    """The places of members who have a figure, in order of their ids, and the figures."""
    if metric not in evidence.metrics:
        raise ReleaseError(_lacks(metric, evidence))
    values = evidence.metrics[metric]
    held = np.flatnonzero(~np.isnan(values))
    held = held[np.argsort(evidence.members[held])]
    return held, values[held]


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
    return float(values.mean()) if values.size else _NAN


def _on_everyone(statistic: Statistic, members: int) -> float:
    return float(statistic(np.ones((1, members)))[0])
