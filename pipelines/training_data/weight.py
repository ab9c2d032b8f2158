"""Watch-time weights (T3): 80 % of a two-hour film counts more than 80 % of an episode."""

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pipelines.core.config import Config

Floats = npt.NDArray[np.float64]


class WeightConfig(Config):
    """How strongly the time watched weighs: 0 = not at all, 1 = in proportion to ln(1 + minutes)."""

    watch_time_exponent: float = Field(default=0.15, ge=0, le=2)


def watch_time_weights(
    label: Floats, watched_seconds: Floats, reference: npt.NDArray[np.bool_], config: WeightConfig
) -> Floats:
    """(n,) weights above 0: positives by ln(1 + minutes watched) ** exponent, everything else 1.

    The positives of ``reference`` (the fit rows) average 1, so weighting moves no mass between the classes. A positive
    whose seconds are unknown weighs as much as the mean one.
    """
    positive = label == 1.0
    minutes = np.maximum(watched_seconds, 1.0) / 60.0
    raw = np.where(positive, np.log1p(minutes) ** config.watch_time_exponent, 1.0)
    measured = positive & np.isfinite(raw)
    shared = measured & reference if (measured & reference).any() else measured
    mean = float(raw[shared].mean()) if shared.any() else 1.0
    return np.where(measured, raw / mean, 1.0)
