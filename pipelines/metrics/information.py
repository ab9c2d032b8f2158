"""How much a column tells of a label: mutual information in nats, counted in bins.

The estimate is the plain one: sum of p(bin, label) ln(p(bin, label) / (p(bin) p(label))). With many bins it is too high
by about (bins - 1) / (2 rows), so every figure stands beside that of shuffled labels, which has the same excess and
nothing else. Absent values have a bin of their own, since being absent may tell as much as a value.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Bins = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

NUMBER_BINS = 16
MOST_VALUES = 63
"""The commonest words that have a bin each; all others share one."""


@dataclass(frozen=True)
class Information:
    """Of the label itself, and the mean over its shuffled copies: what chance alone would show."""

    nats: float
    shuffled: float


def number_bins(values: npt.NDArray[np.floating]) -> Bins:
    """(n,) the bin of each number: one a value where they are few, else quantiles, so that no scale matters.

    NaN has bin 0.
    """
    numbers = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(numbers)
    if not known.any():
        return np.zeros(len(numbers), dtype=np.int64)
    edges = np.unique(numbers[known])
    if len(edges) > NUMBER_BINS:
        inner = np.linspace(0, 1, NUMBER_BINS + 1)[1:-1]
        edges = np.unique(np.quantile(numbers[known], inner, method="lower"))
    return np.where(known, 1 + np.searchsorted(edges, numbers, side="left"), 0).astype(np.int64)


def word_bins(values: npt.NDArray[np.object_]) -> Bins:
    """(n,) the bin of each word: the commonest have one each, the rest share one, None has bin 0."""
    codes, found = pd.factorize(pd.Series(values, dtype=object), use_na_sentinel=True)
    if not len(found):
        return np.zeros(len(codes), dtype=np.int64)
    order = np.argsort(-np.bincount(codes[codes >= 0], minlength=len(found)), kind="stable")
    rank = np.empty(len(found), dtype=np.int64)
    rank[order] = np.arange(len(found))
    return np.where(codes < 0, 0, 1 + np.minimum(rank[codes], MOST_VALUES))


def information(columns: Sequence[Bins], label: Floats, *, seed: int, shuffles: int = 5) -> Information:
    """Of the column that tells most; its shuffled figure is that of the best column too, so choosing is no advantage.

    columns: at least one, each (n,) bins. label: (n,) 0 or 1.
    """
    rng = np.random.default_rng(seed)
    labels = np.column_stack([label, *(rng.permutation(label) for _ in range(shuffles))])
    best = np.max([_nats(bins, labels) for bins in columns], axis=0)
    return Information(float(best[0]), float(best[1:].mean()))


def _nats(bins: Bins, labels: Floats) -> Floats:
    """(m,) the information of one column on each of m labels, (n, m)."""
    size = int(bins.max(initial=0)) + 1
    every = np.bincount(bins, minlength=size) / len(bins)
    found = []
    for label in labels.T:
        positive = np.bincount(bins, weights=label, minlength=size) / len(bins)
        share = float(label.mean())
        found.append(_sum(positive, every * share) + _sum(every - positive, every * (1 - share)))
    return np.array([max(nats, 0.0) for nats in found])


def _sum(joint: Floats, apart: Floats) -> float:
    held = joint > 1e-15
    return float((joint[held] * np.log(joint[held] / apart[held])).sum())
