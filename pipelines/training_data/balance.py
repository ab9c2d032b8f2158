"""Negatives thinned out for fitting (T2); ranking.calibration undoes it in the probabilities."""

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pipelines.core.config import Config
from pipelines.training_data.draws import uniform

Floats = npt.NDArray[np.float64]


class BalanceConfig(Config):
    """How many negatives to keep for each positive of the fit rows; None keeps them all."""

    negatives_per_positive: float | None = Field(default=4.0, gt=0)


def rate(positives: int, negatives: int, config: BalanceConfig) -> float:
    """The share of negatives to keep, in (0, 1]; 1 where there are few enough already, or no positive to balance."""
    if config.negatives_per_positive is None or positives == 0 or negatives == 0:
        return 1.0
    return min(1.0, config.negatives_per_positive * positives / negatives)


def keep(keys: npt.ArrayLike, label: Floats, share: float, seed: int) -> npt.NDArray[np.bool_]:
    """(n,) True for the rows to keep: all but negatives, and of those the ``share`` that key and seed choose.

    keys: (n,) ids. label: (n,) 1, 0 or NaN. Neither row order nor other rows change what becomes of a row.
    """
    if share >= 1.0:
        return np.ones(len(label), dtype=bool)
    kept: npt.NDArray[np.bool_] = (label != 0.0) | (uniform(keys, seed) < share)
    return kept
