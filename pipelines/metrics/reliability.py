"""What probabilities promised and what came of them, bin by bin: the curve whose gaps ECE adds up."""

import numpy as np
import numpy.typing as npt

from pipelines.metrics.classification import BINS
from pipelines.metrics.intervals import Floats


def reliability(label: npt.ArrayLike, p: npt.ArrayLike, bins: int = BINS) -> Floats:
    """(bins, 3): mean p, mean label and rows of each bin of equal width over [0, 1]; NaN means where it is empty.

    The bins are those of ``classification.ece``: closed above, the first closed below too. label: (rows,) 0 or 1.
    """
    y, q = np.asarray(label, dtype=np.float64), np.asarray(p, dtype=np.float64)
    place = np.clip(np.ceil(q * bins).astype(np.int64) - 1, 0, bins - 1)
    rows = np.bincount(place, minlength=bins).astype(np.float64)
    sums = np.stack([np.bincount(place, weights=values, minlength=bins) for values in (q, y)])
    means = np.divide(sums, rows, out=np.full(sums.shape, np.nan), where=rows > 0)
    return np.column_stack([*means, rows])


def gap(curve: Floats) -> float:
    """The ECE of a ``reliability`` curve; NaN where it has no rows."""
    predicted, observed, rows = curve.T
    held = rows > 0
    total = rows.sum()
    return float((np.abs(predicted - observed)[held] * rows[held]).sum() / total) if total else float("nan")
