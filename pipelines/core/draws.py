"""How probable each title of an action set is, said once: exploration draws by it, and a replay must find the same."""

import numpy as np

from pipelines.core.contracts import Floats

LEAST = 1e-9


def tempered(scores: Floats, temperature: float, uniform: float) -> Floats:
    """(..., n) probabilities: a softmax over log ``scores``, mixed with a share ``uniform`` of even chance.

    scores: (..., n), NaN = cannot be drawn and has probability 0; where nothing can be, all are 0. temperature: above
    0; the larger, the nearer to even chance.
    """
    weights = np.maximum(scores, LEAST).astype(np.float64) ** (1 / temperature)
    total = weights.sum(axis=-1, keepdims=True)
    if np.isfinite(total).all():  # A page is waiting, and has a score for every title.
        return np.asarray(uniform / weights.shape[-1] + (1 - uniform) * weights / total)
    known = np.isfinite(weights)
    held, count = np.where(known, weights, 0.0), known.sum(axis=-1, keepdims=True)
    share = held / np.where(count > 0, held.sum(axis=-1, keepdims=True), 1.0)
    return np.where(known, uniform / np.maximum(count, 1) + (1 - uniform) * share, 0.0)
