"""How far predicted ratings are from given ones (M10): RMSE and MAE, in the unit of the ratings, lower better.

rating, predicted: (rows,) finite numbers. Row order never matters.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pipelines.core.errors import DataError
from pipelines.metrics.intervals import Floats, Statistic, ratio

Members = npt.NDArray[np.int64]


def rmse(rating: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """sqrt(mean of (rating - predicted)^2): a mistake of two counts four times a mistake of one.

    Range: [0, the span of ratings and predictions], lower is better. Ties: none, nothing is ordered. Without positives:
    members count all the same, but without ratings they have no rows. Normalised by: rows.
    """
    return float(np.sqrt(np.square(_errors(rating, predicted)).mean()))


def mae(rating: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Mean of |rating - predicted|.

    Range: [0, the span of ratings and predictions], lower is better; never above RMSE. Ties: none, nothing is ordered.
    Without positives: members count all the same, but without ratings they have no rows. Normalised by: rows.
    """
    return float(np.abs(_errors(rating, predicted)).mean())


def rmse_statistic(rating: npt.ArrayLike, predicted: npt.ArrayLike, members: Members, count: int) -> Statistic:
    """RMSE under member multiplicities, of all the rows of the members drawn."""
    mean = _mean(np.square(_errors(rating, predicted)), members, count)
    return lambda counts: np.sqrt(mean(counts))


def mae_statistic(rating: npt.ArrayLike, predicted: npt.ArrayLike, members: Members, count: int) -> Statistic:
    """MAE under member multiplicities."""
    return _mean(np.abs(_errors(rating, predicted)), members, count)


RatingStatistic = Callable[[npt.ArrayLike, npt.ArrayLike, Members, int], Statistic]
STATISTICS: dict[str, RatingStatistic] = {"rmse": rmse_statistic, "mae": mae_statistic}
"""Every rating metric by name: (rating, predicted, member code of each row, number of members) -> its statistic."""


def _mean(values: Floats, members: Members, count: int) -> Statistic:
    rows = np.bincount(members, minlength=count).astype(np.float64)
    return ratio(np.bincount(members, weights=values, minlength=count), rows)


def _errors(rating: npt.ArrayLike, predicted: npt.ArrayLike) -> Floats:
    """Both as floats, subtracted; DataError where they differ in shape, are empty or not finite."""
    given, told = np.asarray(rating, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if given.ndim != 1 or given.shape != told.shape:
        raise DataError(f"rating has shape {given.shape} and predicted {told.shape}: give one of each a row")
    if not given.size:
        raise DataError("there are no ratings to measure: choose other days")
    for name, values in (("rating", given), ("predicted", told)):
        if not np.isfinite(values).all():
            at = int(np.argmin(np.isfinite(values)))
            raise DataError(f"{name} of row {at} is {values[at]}: it must be a finite number")
    return given - told
