"""Which rows fit, which calibrate, which test: by day alone, so that the future never leaks into the past (T4)."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import numpy.typing as npt

from pipelines.core.window import Window

FIT, CALIBRATE, TEST = "fit", "calibrate", "test"


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
