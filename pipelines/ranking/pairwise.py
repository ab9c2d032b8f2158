"""What orders the titles of one page: a linear score, learnt from pairs that one member was shown on one day.

A pair is compared within a day because a member's own numbers move from day to day with what the member did: after a
watch the rates rise, and the next title is watched as rarely as ever. Whoever compares across days learns that a high
rate bodes ill, and the numbers that tell members apart best are turned against themselves (Nickell, Biases in Dynamic
Models with Fixed Effects, Econometrica 1981). Within a day every number is as it stood that morning.

What was watched in part stands between a watch and a failure, so it orders pairs though it is no label.
Source: Joachims, Optimizing Search Engines using Clickthrough Data, KDD 2002; the loss is the logistic one.
"""

from collections.abc import Callable

import numpy as np
from pydantic import PositiveFloat, PositiveInt
from scipy import sparse

from pipelines.core.config import Config
from pipelines.core.contracts import Codes, Floats, Groups

FARTHEST = 50
"""Rows of a day that are compared: at most so many places apart."""


def pairs(grade: Floats, groups: Groups) -> tuple[Codes, Codes, Floats]:
    """(p,) the better row of each pair, (p,) the worse one, and (p,) weights by which each group counts as its rows.

    grade: (n,) higher is better. Rows of one member, day and grade are not compared.
    """
    _, group, size = np.unique(groups, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(group, kind="stable")
    grade, group = grade[order], group[order]
    firsts, seconds = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for apart in range(1, min(FARTHEST, int(size.max(initial=1)) - 1) + 1):
        found = np.flatnonzero((group[apart:] == group[:-apart]) & (grade[apart:] != grade[:-apart]))
        firsts.append(found)
        seconds.append(found + apart)
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    held = np.bincount(group[first], minlength=len(size))
    better = grade[first] > grade[second]
    weight = size[group[first]] / held[group[first]]
    return order[np.where(better, first, second)], order[np.where(better, second, first)], weight


class Pairwise(Config):
    """penalty: the inverse strength of the ridge, as scikit-learn's C."""

    penalty: PositiveFloat = 0.03
    iterations: PositiveInt = 200
    most: PositiveInt = 100_000
    """Pairs that are learnt from, drawn where there are more."""

    def fit(self, columns: Callable[[Codes], sparse.csr_matrix], grade: Floats, groups: Groups, *, seed: int) -> Floats:
        """(q,) coefficients: what a pair's columns differ by, times these, are the log odds of its order.

        columns: (m,) rows -> their (m, q) columns. All 0 where fewer than two pairs tell of it.
        """
        from sklearn.linear_model import LogisticRegression

        better, worse, weight = pairs(grade, groups)
        if len(better) < 2:
            return np.zeros(columns(better).shape[1])
        if len(better) > self.most:
            drawn = np.sort(np.random.default_rng(seed).choice(len(better), self.most, replace=False))
            better, worse, weight = better[drawn], worse[drawn], weight[drawn] * (len(weight) / self.most)
        # Every other pair stands the other way round: the regression wants two classes.
        turned = np.arange(len(better)) % 2 == 1
        first, second = np.where(turned, worse, better), np.where(turned, better, worse)
        model = LogisticRegression(C=self.penalty, fit_intercept=False, max_iter=self.iterations, tol=1e-3)
        model.fit(columns(first) - columns(second), ~turned, sample_weight=weight)
        return np.asarray(model.coef_[0], dtype=np.float64)
