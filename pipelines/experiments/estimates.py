"""The lift of a ratio metric between two groups of members, by the delta method, adjusted by what went before (CUPED).

Each member's sums are one draw: sessions of one member are not independent. Deng et al. (2013), "Improving the
sensitivity of online controlled experiments by utilizing pre-experiment data"; for ratios their appendix B. Variances
are the jackknife's (HC3 of MacKinnon and White, 1985): a few members have much of all sessions, and pull the ratio and
the slopes towards themselves, so that their plain residuals are too small.
"""

from dataclasses import dataclass

import numpy as np

from pipelines.metrics.intervals import Floats


@dataclass(frozen=True)
class Sample:
    """A group's sums: numerator and denominator (members,), covariates from before (members, p)."""

    numerator: Floats
    denominator: Floats
    before: Floats

    @property
    def ratio(self) -> float:
        """sum / sum; NaN where nothing is below."""
        total = self.denominator.sum()
        return float(self.numerator.sum() / total) if total else float("nan")

    def influence(self) -> Floats:
        """(members,) what each member adds to the ratio's error; the mean is 0."""
        found: Floats = (self.numerator - self.ratio * self.denominator) / self.denominator.mean()
        return found

    def weight(self) -> Floats:
        """(members,) each one's share of what is below."""
        found: Floats = self.denominator / self.denominator.sum()
        return found


@dataclass(frozen=True)
class Lift:
    """value: treated / control - 1. error: its standard error. saved: the share of variance that CUPED took away."""

    control: float
    treated: float
    value: float
    error: float
    saved: float

    @property
    def known(self) -> bool:
        return bool(np.isfinite(self.value) and np.isfinite(self.error) and self.error > 0)


UNKNOWN = float("nan")
MOST_PULL = 0.99
"""A member who alone decides a figure: the rest of the error is divided by no less than 1 - this."""


def lift(control: Sample, treated: Sample) -> Lift:
    """How much higher the ratio of ``treated`` is, relative to ``control``; NaN where one has no ratio, or it is 0."""
    raw = control.ratio, treated.ratio
    if not (np.isfinite(raw).all() and raw[0] > 0 and min(len(control.numerator), len(treated.numerator)) > 1):
        return Lift(*raw, UNKNOWN, UNKNOWN, UNKNOWN)
    sides = [control, treated]
    errors = [side.influence() for side in sides]
    plain = _relative(raw, [_variance(error, side.weight()) for error, side in zip(errors, sides, strict=True)])
    slopes, inverse = _slopes(sides, errors)
    centre = np.vstack([control.before, treated.before]).mean(axis=0)
    ratios, variances = [], []
    for side, error in zip(sides, errors, strict=True):
        own = side.before.mean(axis=0)
        known = side.before - own
        ratios.append(side.ratio - float((own - centre) @ slopes))
        pull = side.weight() + np.einsum("ij,jk,ik->i", known, inverse, known)
        variances.append(_variance(error - known @ slopes, pull))
    value, variance = _relative((ratios[0], ratios[1]), variances)
    saved = 1 - variance / plain[1] if plain[1] > 0 else UNKNOWN
    return Lift(ratios[0], ratios[1], value, float(np.sqrt(variance)), saved)


def spread(sample: Sample) -> tuple[float, float]:
    """The variance of one member's part of the ratio, relative to the ratio, before and after CUPED."""
    error, centred = sample.influence(), sample.before - sample.before.mean(axis=0)
    rest = error - centred @ _slopes([sample], [error])[0]
    scale = sample.ratio**2
    return float(error.var(ddof=1) / scale), float(rest.var(ddof=1) / scale)


def _slopes(sides: list[Sample], errors: list[Floats]) -> tuple[Floats, Floats]:
    """(p,) least squares of the errors on the covariates, within the groups, so that no effect is taken for a slope;
    and the inverse (p, p) of the covariates' squares."""
    centred = np.vstack([side.before - side.before.mean(axis=0) for side in sides])
    inverse = np.linalg.pinv(centred.T @ centred)
    return inverse @ (centred.T @ np.concatenate(errors)), inverse


def _variance(error: Floats, pull: Floats) -> float:
    """The jackknife's variance of a mean of errors, each without the pull of its own member; the textbook's where all
    weigh alike."""
    members = len(error)
    alone = error / (1 - np.minimum(pull, MOST_PULL))
    return float((members - 1) / members**3 * (alone**2).sum())


def _relative(ratios: tuple[float, float], variances: list[float]) -> tuple[float, float]:
    """The relative lift and its variance, by the delta method."""
    control, treated = ratios
    quotient = treated / control
    return quotient - 1, (variances[1] + quotient**2 * variances[0]) / control**2
