"""How sure a figure is: bootstrap intervals over members, because the rows of one member are not independent.

A resample draws as many members as there are, with replacement; a member drawn twice counts twice, with all its rows.
A statistic is therefore a function of *multiplicities*, (resamples, members) counts, and one set of draws serves
both sides of a comparison. The intervals are percentile intervals, the same for the same seed.
"""

from collections.abc import Callable, Iterator, Mapping
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
    return bootstrap_mean(_difference(a, b), seed, resamples, confidence)


def bootstrap_means(
    values: Mapping[str, npt.ArrayLike], seed: int, resamples: int = 1000, confidence: float = 0.95
) -> dict[str, Interval]:
    """The mean of each of several (members,) figures with its interval, of one set of draws for all of them.

    values: name -> a figure a member, the same member at the same place. A member whose figure of one name is NaN is
    left out of that name alone; one who has none at all is not drawn. So figures that miss the same members have the
    intervals that ``bootstrap_mean`` gives them one by one. DataError where the lengths differ.
    """
    figures = _columns(values)
    draws = resampled_means(figures, seed, resamples)
    found = {}
    for name, figure, drawn in zip(values, figures.T, draws.T, strict=True):
        held = figure[~np.isnan(figure)]
        found[name] = _interval(float(held.mean()), drawn[~np.isnan(drawn)], confidence) if held.size else NOTHING
    return found


def paired_differences(
    a: Mapping[str, npt.ArrayLike],
    b: Mapping[str, npt.ArrayLike],
    seed: int,
    resamples: int = 1000,
    confidence: float = 0.95,
) -> dict[str, Interval]:
    """The mean of a - b of each name over the members that have both, with its interval, of one set of draws.

    a, b: name -> (members,), the same member at the same place on both sides. DataError where names or lengths differ.
    """
    if set(a) != set(b):
        raise DataError(f"paired sides differ in {sorted(set(a) ^ set(b))}: score the same figures on both")
    differences = {name: _difference(a[name], b[name], f" of {name}") for name in a}
    return bootstrap_means(differences, seed, resamples, confidence)


def resampled_means(figures: Floats, seed: int, resamples: int = 1000) -> Floats:
    """(resamples, m) the means of m figures in each resample, NaN where none of its members has one; rows are joint.

    figures: (members, m), NaN where a member has none. Each block of draws meets all figures in one matrix product.
    """
    known = ~np.isnan(figures)
    anyone = known.any(axis=1)
    known, members = known[anyone], int(np.count_nonzero(anyone))
    means: Floats = np.full((resamples, figures.shape[1]), np.nan)
    if not members:
        return means
    partial = ~known.all(axis=0)
    amounts, present, at = np.where(known, figures[anyone], 0.0), known[:, partial].astype(np.float64), 0
    for block in multiplicities(members, seed, resamples):
        held = np.full((len(block), figures.shape[1]), float(members))
        held[:, partial] = block @ present
        np.divide(block @ amounts, held, out=means[at : at + len(block)], where=held > 0)
        at += len(block)
    return means


def ratio(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> Statistic:
    """The statistic sum(numerator) / sum(denominator) of (members,) sums; NaN where the denominator vanishes."""
    top, below = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)

    def statistic(counts: Floats) -> Floats:
        total = counts @ below
        figures: Floats = np.full(len(counts), np.nan)
        np.divide(counts @ top, total, out=figures, where=total != 0)
        return figures

    return statistic


def _difference(a: npt.ArrayLike, b: npt.ArrayLike, named: str = "") -> Floats:
    left, right = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if left.shape != right.shape:
        raise DataError(
            f"paired sides{named} have shapes {left.shape} and {right.shape}: score the same members on both"
        )
    return left - right


def _columns(values: Mapping[str, npt.ArrayLike]) -> Floats:
    """(members, names) as one table; DataError where there are no names or the lengths differ."""
    columns = {name: np.asarray(figures, dtype=np.float64) for name, figures in values.items()}
    shapes = {figures.shape for figures in columns.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        told = {name: figures.shape for name, figures in columns.items()}
        raise DataError(f"figures have shapes {told}: give one figure a member, of the same members for every name")
    return np.column_stack(list(columns.values()))


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
