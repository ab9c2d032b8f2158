"""Probabilities that mean what they say: undo the downsampling, then learn two numbers from a later window.

Training leaves out the middle, drops negatives and weights rows, so its scores are only an order. On the later window
every matured impression counts, unweighted. Source: Platt, Probabilities for SV Machines, 1999.
"""

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from scipy.special import expit, logit

from pipelines.core.contracts import Floats
from pipelines.core.errors import DataError

FEWEST, FARTHEST = 50, 50.0
"""Rows that can say something of a level, and how far it may be from them, in log odds."""
EDGE = 1e-6
"""Scores are kept this far from 0 and 1, so that their logit is finite."""


def says_nothing(watched: Floats) -> bool:
    """Whether a window has too few rows, or rows of one outcome."""
    return bool(len(watched) < FEWEST or watched.min() == watched.max())


def undo_downsampling(probability: Floats, rate: float) -> Floats:
    """(n,) the probability among all rows, from one learned where only ``rate`` of the negatives was kept (T2).

    Keeping the share r of the negatives multiplies the odds by 1/r, so p = q / (q + (1 - q) / r)
    (He et al., Practical Lessons from Predicting Clicks on Ads at Facebook, 2014). Order is unchanged.
    """
    if not 0.0 < rate <= 1.0:
        raise DataError(f"sampling rate {rate} is not in (0, 1]: give the share of negatives that was kept")
    kept = np.asarray(probability, dtype=np.float64)
    return np.asarray(kept / (kept + (1 - kept) / rate))


@dataclass(frozen=True)
class Calibration:
    """sigmoid(slope * logit(p) + intercept), after the downsampling is undone. The default changes nothing."""

    slope: float = 1.0
    intercept: float = 0.0
    rate: float = 1.0

    def __call__(self, probability: Floats) -> Floats:
        """(n,) in, (n,) out, in [0, 1], strictly increasing."""
        honest = np.clip(undo_downsampling(probability, self.rate), EDGE, 1 - EDGE)
        return np.asarray(expit(self.slope * logit(honest) + self.intercept))

    def levelled(self, probability: Floats, watched: Floats) -> Self:
        """The same, moved on the log-odds scale until the mean of its own (n,) answers ``probability`` is that of
        ``watched``; unmoved where those say nothing."""
        from scipy.optimize import brentq

        if says_nothing(watched):
            return self
        odds, wanted = logit(np.clip(probability, EDGE, 1 - EDGE)), float(watched.mean())
        move = brentq(lambda by: float(expit(odds + by).mean()) - wanted, -FARTHEST, FARTHEST)
        return replace(self, intercept=self.intercept + move)


UNCALIBRATED = Calibration()


@dataclass(frozen=True)
class Calibrated:
    """What every fitted ranker does with its calibration."""

    calibration: Calibration = field(default=UNCALIBRATED, kw_only=True)

    def calibrated(self, probability: Floats, watched: Floats, rate: float) -> Self:
        return replace(self, calibration=fit(probability, watched, rate=rate))

    def calibrated_like(self, other: Self) -> Self:
        return replace(self, calibration=other.calibration)

    def levelled(self, probability: Floats, watched: Floats) -> Self:
        return replace(self, calibration=self.calibration.levelled(probability, watched))


def fit(probability: Floats, watched: Floats, *, rate: float, weight: Floats | None = None) -> Calibration:
    """Learn slope and intercept by unpenalised logistic regression of ``watched`` on the logit; weight: (n,) or none.

    Where the window holds one class only, or too few rows to say anything, only the downsampling is undone.
    """
    from sklearn.linear_model import LogisticRegression

    if says_nothing(watched):
        return Calibration(rate=rate)
    honest = logit(np.clip(undo_downsampling(probability, rate), EDGE, 1 - EDGE))
    model = LogisticRegression(C=np.inf).fit(honest[:, None], watched, sample_weight=weight)
    slope = float(model.coef_[0, 0])
    # A ranker whose order is worse than chance on the window must not be turned round in silence.
    return Calibration(slope, float(model.intercept_[0]), rate) if slope > 0 else Calibration(rate=rate)
