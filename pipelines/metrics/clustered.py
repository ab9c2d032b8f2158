"""How sure a weighted figure is: a jackknife over members, whose t interval is corrected for skewness.

Where a few rows weigh much and rewards are rare, what members add to a figure is skewed: the plain t interval and the
percentile bootstrap then lie too low (benchmarks/off_policy.py prints how often each holds the truth). Hall's cubic
transformation takes the skewness out; it draws nothing, so it needs no seed.

Source: P. Hall, "On the removal of skewness by transformation", JRSS B 54 (1992) 221-228.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from pipelines.metrics.intervals import Floats, Interval


@dataclass(frozen=True)
class LeftOut:
    """A figure on everyone, and (members,) what it would be without each one; NaN where nothing would be left."""

    value: float
    without: Floats

    def __sub__(self, other: "LeftOut") -> "LeftOut":
        """The difference of two figures of the same members."""
        return LeftOut(self.value - other.value, self.without - other.without)

    @property
    def influence(self) -> Floats:
        """(members,) what each one adds, of mean 0: the figure is about their mean away from the truth."""
        added = (len(self.without) - 1) * (self.value - self.without)
        return np.asarray(added - added.mean()) if len(added) else added

    @property
    def error(self) -> float:
        """The standard error; NaN for fewer than two members."""
        members = len(self.without)
        return float(np.sqrt((self.influence**2).sum() / (members - 1) / members)) if members > 1 else float("nan")


def ratio(top: npt.ArrayLike, below: npt.ArrayLike) -> LeftOut:
    """sum(top) / sum(below) of (members,) sums."""
    over, under = np.asarray(top, dtype=np.float64), np.asarray(below, dtype=np.float64)
    tops, unders = np.append(over.sum() - over, over.sum()), np.append(under.sum() - under, under.sum())
    # What is left of a sum without its only part is rounding, and no divisor.
    left = np.abs(unders) > 1e-12 * max(float(np.abs(under).sum()), 1e-300)
    figures = np.divide(tops, unders, out=np.full(len(tops), np.nan), where=left)
    return LeftOut(float(figures[-1]), figures[:-1])


def skewed_interval(figure: LeftOut, confidence: float = 0.95) -> Interval:
    """The figure with its interval; its ends are NaN where a member holds everything or there is but one."""
    error, members = figure.error, len(figure.without)
    if not np.isfinite(error):
        return Interval(figure.value, float("nan"), float("nan"))
    if error == 0.0:
        return Interval(figure.value, figure.value, figure.value)
    spread = figure.influence
    slope = float((spread**3).mean() / (spread**2).mean() ** 1.5) / members**0.5
    most = float(stats.t.ppf((1 + confidence) / 2, members - 1))
    high, low = (figure.value - error * _untransformed(point, slope) for point in (-most, most))
    return Interval(figure.value, low, high)


def _untransformed(point: float, slope: float) -> float:
    """The studentised figure t at which t + slope t^2 / 3 + slope^2 t^3 / 27 + slope / 6 is ``point``."""
    shifted = point - slope / 6
    if abs(slope) < 1e-9:
        return shifted
    return float((np.cbrt(1 + slope * shifted) - 1) * 3 / slope)
