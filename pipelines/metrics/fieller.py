"""How sure a ratio of two means is, where both were measured on the same few things: Fieller's interval."""

from math import inf, isfinite, sqrt

import numpy as np
import numpy.typing as npt

from pipelines.core.errors import DataError
from pipelines.metrics.intervals import NOTHING, Interval


def ratio_of_means(top: npt.ArrayLike, below: npt.ArrayLike, confidence: float = 0.95) -> Interval:
    """mean(top) / mean(below) of pairs with its interval: every ratio r for which mean(top - r below) may be 0.

    top, below: (n,), the same thing at the same place. Exact where the pairs are normal, with Student's quantile of
    n - 1, and so honest where there are few. It is from -inf to inf where ``below`` cannot be told from 0, for then any
    ratio may be true. NaN throughout with fewer than two pairs.

    Source: Fieller, Some problems in interval estimation, Journal of the Royal Statistical Society B 16 (1954).

    Raises:
        DataError: where the lengths differ, or a value is no finite number.
    """
    from scipy.stats import t

    x, y = np.asarray(below, dtype=np.float64), np.asarray(top, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise DataError(
            f"a ratio of means was given shapes {y.shape} and {x.shape}: give one value a pair on each side"
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise DataError("a ratio of means was given a value that is no finite number: leave that pair out")
    if len(x) < 2:
        return NOTHING
    spread = float(t.ppf((1 + confidence) / 2, len(x) - 1)) ** 2 / len(x)
    covariance = np.cov(x, y) * spread
    means = float(x.mean()), float(y.mean())
    return Interval(means[1] / means[0] if means[0] else float("nan"), *_roots(*means, covariance))


def _roots(below: float, top: float, spread: npt.NDArray[np.float64]) -> tuple[float, float]:
    """The ends of the r for which (top - r below)^2 <= the spread of (top - r below); all r where they are no span."""
    a, b, c = below**2 - spread[0, 0], below * top - spread[0, 1], top**2 - spread[1, 1]
    inside = b * b - a * c
    if a <= 0 or not isfinite(inside):
        return -inf, inf
    half = sqrt(max(inside, 0.0))
    return (b - half) / a, (b + half) / a
