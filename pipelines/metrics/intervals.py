"""How sure a figure is: bootstrap intervals over members, because the rows of one member are not independent.

A resample draws as many members as there are, with replacement; a member drawn twice counts twice, with all its rows.
A statistic is therefore a function of *multiplicities*, (resamples, members) counts, and one set of draws serves
both sides of a comparison. The intervals are percentile intervals, the same for the same seed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.core.errors import DataError

Floats = npt.NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
"""(r, members) multiplicities -> (r,) figures; NaN where a resample has no answer."""

CELLS = 1 << 22
"""Resamples are drawn in blocks of at most this many multiplicities (32 MB)."""


@dataclass(frozen=True)
class Interval:
    """A figure on all members, and where it lies with the confidence asked for."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        return {"value": self.value, "low": self.low, "high": self.high}


NOTHING = Interval(float("nan"), float("nan"), float("nan"))
"""The answer where nobody has one."""


def multiplicities(members: int, seed: int, resamples: int) -> Iterator[Floats]:
    """Blocks of (r, members) counts, each row one draw of ``members`` members; ``resamples`` rows in all."""
    rng, size = np.random.default_rng(seed), max(1, CELLS // max(1, members))
    for start in range(0, resamples, size):
        block = np.empty((min(size, resamples - start), members))
        for row in block:
            row[:] = np.bincount(rng.integers(0, members, size=members, dtype=np.int32), minlength=members)
        yield block


def bootstrap_statistic(
    members: int, statistic: Statistic, seed: int, resamples: int = 1000, confidence: float = 0.95
) -> Interval:
    """The statistic on everyone, and the percentile interval of its resamples (those without an answer left out)."""
    return _interval(*_draws(members, statistic, seed, resamples), confidence)


def bootstrap_centred(
    members: int, statistic: Statistic, seed: int, resamples: int = 1000, confidence: float = 0.95
) -> Interval:
    """The same for a statistic that resampling inflates (ECE, a sum of magnitudes): draws are moved to centre on it.

    Without the move the interval of a small ECE would lie wholly above the ECE. It is cut off at 0.
    """
    value, draws = _draws(members, statistic, seed, resamples)
    return _interval(value, np.maximum(draws - (draws.mean() - value) if draws.size else draws, 0.0), confidence)


def bootstrap_mean(values: npt.ArrayLike, seed: int, resamples: int = 1000, confidence: float = 0.95) -> Interval:
    """The mean of (members,) values, NaN left out, with its interval; NaN throughout where nobody has a value."""
    held = np.asarray(values, dtype=np.float64)
    return _mean_interval(held[~np.isnan(held)], seed, resamples, confidence)


def paired_difference(
    a: npt.ArrayLike, b: npt.ArrayLike, seed: int, resamples: int = 1000, confidence: float = 0.95
) -> Interval:
    """The mean of a - b over the members that have both, with its interval: above 0, a is higher.

    a, b: (members,), the same member at the same place. DataError where the lengths differ.
    """
    left, right = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if left.shape != right.shape:
        raise DataError(f"paired sides have shapes {left.shape} and {right.shape}: score the same members on both")
    return bootstrap_mean(left - right, seed, resamples, confidence)


def ratio(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> Statistic:
    """The statistic sum(numerator) / sum(denominator) of (members,) sums; NaN where the denominator vanishes."""
    top, below = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)

    def statistic(counts: Floats) -> Floats:
        total = counts @ below
        figures: Floats = np.full(len(counts), np.nan)
        np.divide(counts @ top, total, out=figures, where=total != 0)
        return figures

    return statistic


def _mean_interval(held: Floats, seed: int, resamples: int, confidence: float) -> Interval:
    if not held.size:
        return NOTHING
    return bootstrap_statistic(held.size, ratio(held, np.ones(held.size)), seed, resamples, confidence)


def _draws(members: int, statistic: Statistic, seed: int, resamples: int) -> tuple[float, Floats]:
    """The statistic on everyone, and on each resample that has an answer."""
    if members == 0:
        return float("nan"), np.empty(0)
    value = float(statistic(np.ones((1, members)))[0])
    draws = np.concatenate([np.empty(0), *(statistic(block) for block in multiplicities(members, seed, resamples))])
    return value, draws[~np.isnan(draws)]


def _interval(value: float, draws: Floats, confidence: float) -> Interval:
    if np.isnan(value) or not draws.size:
        return Interval(value, float("nan"), float("nan"))
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return Interval(value, float(low), float(high))


def as_codes(groups: npt.ArrayLike) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """The distinct members of the rows, and each row's place among them."""
    members, codes = np.unique(np.asarray(groups), return_inverse=True)
    return members, codes.astype(np.int64)
