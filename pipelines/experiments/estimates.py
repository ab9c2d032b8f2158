"""The lift of a ratio metric between two groups of members, by the delta method, adjusted by what went before (CUPED).

Each member's sums are one draw: sessions of one member are not independent. Deng et al. (2013), "Improving the
sensitivity of online controlled experiments by utilizing pre-experiment data"; for ratios their appendix B.
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


def lift(control: Sample, treated: Sample) -> Lift:
    """How much higher the ratio of ``treated`` is, relative to ``control``; NaN where one has no ratio, or it is 0."""
    raw = control.ratio, treated.ratio
    if not (np.isfinite(raw).all() and raw[0] > 0 and min(len(control.numerator), len(treated.numerator)) > 1):
        return Lift(*raw, UNKNOWN, UNKNOWN, UNKNOWN)
    errors = [side.influence() for side in (control, treated)]
    plain = _relative(raw, [_variance(error) for error in errors])
    slopes, centre = _slopes([control, treated], errors), np.vstack([control.before, treated.before]).mean(axis=0)
    ratios, variances = [], []
    for side, error in zip((control, treated), errors, strict=True):
        own = side.before.mean(axis=0)
        ratios.append(side.ratio - float((own - centre) @ slopes))
        variances.append(_variance(error - (side.before - own) @ slopes))
    value, variance = _relative((ratios[0], ratios[1]), variances)
    saved = 1 - variance / plain[1] if plain[1] > 0 else UNKNOWN
    return Lift(ratios[0], ratios[1], value, float(np.sqrt(variance)), saved)


def spread(sample: Sample) -> tuple[float, float]:
    """The variance of one member's part of the ratio, relative to the ratio, before and after CUPED."""
    error, centred = sample.influence(), sample.before - sample.before.mean(axis=0)
    rest = error - centred @ _slopes([sample], [error])
    scale = sample.ratio**2
    return float(error.var(ddof=1) / scale), float(rest.var(ddof=1) / scale)


def _slopes(sides: list[Sample], errors: list[Floats]) -> Floats:
    """(p,) least squares of the errors on the covariates, within the groups, so that no effect is taken for a slope."""
    centred = np.vstack([side.before - side.before.mean(axis=0) for side in sides])
    found: Floats = np.linalg.lstsq(centred, np.concatenate(errors), rcond=None)[0]
    return found


def _variance(error: Floats) -> float:
    return float(error.var(ddof=1) / len(error))


def _relative(ratios: tuple[float, float], variances: list[float]) -> tuple[float, float]:
    """The relative lift and its variance, by the delta method."""
    control, treated = ratios
    quotient = treated / control
    return quotient - 1, (variances[1] + quotient**2 * variances[0]) / control**2
