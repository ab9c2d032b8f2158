"""Beside the interval: could a gain be chance, which of many gains are discoveries, what could have been detected.

An interval says where a gain lies; these say how to read many of them, or one that is wide.
"""

from math import sqrt

import numpy as np
import numpy.typing as npt

from pipelines.core.errors import DataError
from pipelines.metrics.intervals import Floats, Interval

NAN = float("nan")


def signed_rank(differences: npt.ArrayLike) -> float:
    """Wilcoxon's signed-rank test: the two-sided p that paired differences lie about 0 alike on both sides.

    differences: (members,), NaN left out, zeros dropped as Wilcoxon did. It asks of the ranks, not of the mean: a few
    large losses weigh no more there than small ones. 1 where every difference is 0, NaN where there is none.
    """
    from scipy.stats import wilcoxon

    held = _held(differences)
    if not held.size:
        return NAN
    moved = held[held != 0]
    return float(wilcoxon(moved).pvalue) if moved.size else 1.0


def chance_of(gain: Interval, confidence: float = 0.95) -> float:
    """The two-sided p that a gain is 0, from its interval's width, as if it were spread normally.

    For what has no figure a member, such as AUC. NaN where there is no interval.
    """
    from scipy.stats import norm

    error = standard_error(gain, confidence)
    if np.isnan(error) or np.isnan(gain.value):
        return NAN
    if error == 0:
        return float(gain.value == 0)
    return float(2 * norm.sf(abs(gain.value) / error))


def discoveries(p: npt.ArrayLike, rate: float = 0.05) -> npt.NDArray[np.bool_]:
    """Which of many tests stand if at most a share ``rate`` of those named may be false (Benjamini and Hochberg 1995).

    p: (tests,), NaN = no test was made, which counts for nothing.

    Raises:
        DataError: for a p outside [0, 1], or a rate outside (0, 1).
    """
    from scipy.stats import false_discovery_control

    values = np.asarray(p, dtype=np.float64)
    made = ~np.isnan(values)
    if not 0 < rate < 1:
        raise DataError(f"the rate of false discoveries is {rate}: give a share above 0 and below 1")
    if ((values[made] < 0) | (values[made] > 1)).any():
        raise DataError(f"p holds {values[made].min()} to {values[made].max()}: a probability lies in [0, 1]")
    found = np.zeros(values.shape, dtype=np.bool_)
    if made.any():
        found[made] = false_discovery_control(values[made]) <= rate
    return found


def detectable(differences: npt.ArrayLike, confidence: float = 0.95, power: float = 0.8) -> float:
    """The smallest true mean of paired differences that this many members show with that power.

    (t of the confidence, two-sided, + t of the power) x standard error, n - 1 degrees of freedom. differences:
    (members,), NaN left out. NaN for fewer than two members.
    """
    from scipy.stats import t

    _sure(confidence, power)
    held = _held(differences)
    if held.size < 2:
        return NAN
    quantiles = t.ppf([(1 + confidence) / 2, power], held.size - 1)
    return float(quantiles.sum() * held.std(ddof=1) / sqrt(held.size))


def detectable_within(gain: Interval, confidence: float = 0.95, power: float = 0.8) -> float:
    """The same from an interval's width, as if it were spread normally: for what has no figure a member."""
    from scipy.stats import norm

    _sure(confidence, power)
    return float(norm.ppf([(1 + confidence) / 2, power]).sum() * standard_error(gain, confidence))


def standard_error(gain: Interval, confidence: float = 0.95) -> float:
    """Half the interval's width in units of the normal's quantile; NaN where there is no interval."""
    from scipy.stats import norm

    return float((gain.high - gain.low) / (2 * norm.ppf((1 + confidence) / 2)))


def _held(differences: npt.ArrayLike) -> Floats:
    values = np.asarray(differences, dtype=np.float64)
    return values[~np.isnan(values)]


def _sure(confidence: float, power: float) -> None:
    if not (0.5 < confidence < 1 and 0.5 <= power < 1):
        raise DataError(f"confidence is {confidence} and power {power}: give shares of at least a half, below 1")
