"""Which rows fit, which calibrate, which test: by day alone, so that the future never leaks into the past (T4)."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, NonNegativeInt, PositiveInt

from pipelines.core.config import Config
from pipelines.core.errors import DataError
from pipelines.core.window import Window

FIT, CALIBRATE, TEST = "fit", "calibrate", "test"
CALIBRATION_SHARE = 0.12
"""The share of the days before the test that calibrate; one day at least."""


def assign(days: Sequence[date], window: Window) -> npt.NDArray[np.object_]:
    """(n,) FIT, CALIBRATE or TEST a row; None for a day outside the window or in its gap."""
    return np.array([_split(day, window) for day in days], dtype=object)


def _split(day: date, window: Window) -> str | None:
    if day < window.fit_from or day > window.test_to:
        return None
    if day < window.calibrate_from:
        return FIT
    if day < window.known_from:
        return CALIBRATE
    return TEST if day >= window.test_from else None


def calibrating(days: int) -> int:
    """How many of the ``days`` that are learnt from calibrate."""
    return max(1, round(CALIBRATION_SHARE * days))


class FoldConfig(Config):
    """Time-series cross-validation: tests of equal length, one after the other, each after what it is learnt from.

    ``expanding`` learns from every day before; ``sliding`` from as many days in each fold as the first fold has.
    """

    folds: int = Field(default=3, ge=2)
    kind: Literal["expanding", "sliding"] = "expanding"
    test_days: PositiveInt = 7
    gap_days: NonNegativeInt = 0
    """Days left out between the last that is learnt from and the test."""
    least_days: int = Field(default=7, ge=2)
    """The fewest days that the first fold may learn from."""


def folds(first: date, last: date, config: FoldConfig) -> list[Window]:
    """The folds, earliest first, of the days ``first`` to ``last``; the last test ends on ``last``.

    Raises:
        DataError: where those days are too few, with how many are needed and what to make smaller.
    """
    tested = config.folds * config.test_days
    learnt = (last - first).days + 1 - tested - config.gap_days
    if learnt < config.least_days:
        raise DataError(
            f"{config.folds} folds of {config.test_days} test days, a gap of {config.gap_days} and {config.least_days} "
            f"days to learn from need {tested + config.gap_days + config.least_days} days: {first} to {last} are "
            f"{(last - first).days + 1}; take fewer folds, shorter tests or a smaller gap"
        )
    begins = [last - timedelta(days=tested - number * config.test_days - 1) for number in range(config.folds)]
    return [_fold(first, begin, learnt, config) for begin in begins]


def _fold(first: date, test_from: date, learnt: int, config: FoldConfig) -> Window:
    known_from = test_from - timedelta(days=config.gap_days)
    fit_from = first if config.kind == "expanding" else known_from - timedelta(days=learnt)
    return Window(
        fit_from=fit_from,
        calibrate_from=known_from - timedelta(days=calibrating((known_from - fit_from).days)),
        test_from=test_from,
        test_to=test_from + timedelta(days=config.test_days - 1),
        gap_days=config.gap_days,
    )
