"""What a policy would have earned in slots that another one filled by chance, from the logged propensities.

Each estimate is a ratio of sums over rows, of weight w (how much more often the policy shows what was shown than the
log did), reward r, the model's expectation q of what was shown and v of what the policy would show:

- ``ips``    sum(w r) / rows: unbiased, and the more uncertain the more the weights vary.
- ``snips``  sum(w r) / sum(w): stays within the rewards, and is less uncertain where rewards are alike; the default.
- ``dr``     sum(v + w (r - q)) / rows: unbiased whatever the model says, and the surer the better the model is.

Its interval is a jackknife over members, corrected for skewness (pipelines.metrics.clustered). Weights are never cut
off: exploration keeps them small by its uniform share, and where they are large the answer is ``inconclusive``.

Sources: Horvitz and Thompson 1952 (ips); Swaminathan and Joachims 2015 (snips); Dudik, Langford and Li 2011 (dr).
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from pipelines.core.errors import DataError
from pipelines.evaluation.logged import Logged, Target
from pipelines.evaluation.overlap import DEFAULT_RULES, Overlap, SupportRules, lacking, overlap, thin, weighed
from pipelines.metrics.clustered import LeftOut, ratio, skewed_interval
from pipelines.metrics.intervals import Interval

Method = Literal["ips", "snips", "dr"]
METHODS: tuple[Method, ...] = ("ips", "snips", "dr")


@dataclass(frozen=True)
class Estimate:
    """What a policy would have earned a slot. reasons: why the log cannot tell; none where it can."""

    method: Method
    value: Interval
    overlap: Overlap
    reasons: tuple[str, ...] = ()

    @property
    def verdict(self) -> Literal["supported", "inconclusive"]:
        return "inconclusive" if self.reasons else "supported"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "verdict": self.verdict}

    def describe(self) -> str:
        """A few lines for a person."""
        figure = f"{self.method} {_told(self.value, '.4f')} a slot: {self.verdict}"
        return "\n  ".join([figure, self.overlap.describe(), *self.reasons])


@dataclass(frozen=True)
class Difference:
    """What the challenger would have earned a slot beyond the champion, on the same rows.

    contrast: the overlap of the rows on which they differ, weighed by how much. reasons: why there is no answer.
    """

    method: Method
    gain: Interval
    challenger: Estimate
    champion: Estimate
    contrast: Overlap
    reasons: tuple[str, ...] = ()

    @property
    def verdict(self) -> Literal["better", "worse", "inconclusive"]:
        if self.reasons:
            return "inconclusive"
        return "better" if self.gain.low > 0 else "worse"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        sides = {"challenger": self.challenger.as_dict(), "champion": self.champion.as_dict()}
        return {**asdict(self), **sides, "verdict": self.verdict}

    def describe(self) -> str:
        """A few lines for a person."""
        sides = f"challenger {_told(self.challenger.value, '.4f')}, champion {_told(self.champion.value, '.4f')}"
        apart = f"they differ on {self.contrast.matched:.1%} of {self.contrast.rows} slots"
        figure = f"{self.method} gain {_told(self.gain, '+.4f')} a slot: {self.verdict}"
        return "\n  ".join([figure, f"{sides}; {apart}", *self.reasons])


def estimate(
    logged: Logged,
    target: Target,
    method: Method = "snips",
    *,
    rules: SupportRules = DEFAULT_RULES,
    confidence: float = 0.95,
) -> Estimate:
    """What ``target`` would have earned a slot; ``inconclusive`` where the rules say that the log cannot tell.

    Raises:
        DataError: where the target speaks of other rows, or "dr" is asked for without predictions on both sides.
    """
    found = overlap(logged, target)
    value = skewed_interval(_figure(logged, target, method), confidence)
    return Estimate(method, value, found, tuple(lacking(found, rules)))


def compare(
    logged: Logged,
    challenger: Target,
    champion: Target,
    method: Method = "snips",
    *,
    rules: SupportRules = DEFAULT_RULES,
    confidence: float = 0.95,
) -> Difference:
    """What ``challenger`` would have earned beyond ``champion``, paired row by row: what they share cancels.

    ``better`` or ``worse`` where the interval of the gain leaves 0 out and the log supports both; else
    ``inconclusive``. Errors as of ``estimate``.
    """
    sides = [estimate(logged, side, method, rules=rules, confidence=confidence) for side in (challenger, champion)]
    apart = np.abs(challenger.weights(logged) - champion.weights(logged))
    contrast = weighed(logged, apart, support=1.0)
    figure = _figure(logged, challenger, method) - _figure(logged, champion, method)
    gain = skewed_interval(figure, confidence)
    reasons = [
        *(f"challenger: {why}" for why in sides[0].reasons),
        *(f"champion: {why}" for why in sides[1].reasons),
        *_open(gain, contrast, rules),
    ]
    return Difference(method, gain, sides[0], sides[1], contrast, tuple(reasons))


def _open(gain: Interval, contrast: Overlap, rules: SupportRules) -> list[str]:
    """Why the gain is neither surely above 0 nor surely below it."""
    if not contrast.matched:
        return ["both would have shown the same titles as often on every slot"]
    few = [f"where they differ: {why}" for why in thin(contrast, rules)]
    sure = gain.low > 0 or gain.high < 0
    return few if sure else [*few, f"the gain's interval holds 0: {_told(gain, '+.4f')}"]


def _figure(logged: Logged, target: Target, method: Method) -> LeftOut:
    weights, slots = target.weights(logged), logged.sums(1.0)
    if method == "ips":
        return ratio(logged.sums(weights * logged.reward), slots)
    if method == "snips":
        return ratio(logged.sums(weights * logged.reward), logged.sums(weights))
    if method != "dr":
        raise DataError(f"off-policy estimator {method!r} is unknown: choose one of {', '.join(METHODS)}")
    if logged.predicted is None or target.predicted is None:
        raise DataError("dr needs what a model expects of the shown title and of the policy's: give predicted, or ips")
    corrected = target.predicted + weights * (logged.reward - logged.predicted)
    return ratio(logged.sums(corrected), slots)


def _told(of: Interval, form: str) -> str:
    return f"{of.value:{form}} [{of.low:{form}}, {of.high:{form}}]"
