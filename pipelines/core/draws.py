"""How probable each title of an action set is, said once: exploration draws by it, and a replay must find the same."""

import numpy as np

from pipelines.core.contracts import Floats

LEAST = 1e-9


def tempered(scores: Floats, temperature: float, uniform: float) -> Floats:
    """(..., n) probabilities: a softmax over log ``scores``, mixed with a share ``uniform`` of even chance.

    scores: (..., n), NaN = cannot be drawn and has probability 0; where nothing can be, all are 0. temperature: above
    0; the larger, the nearer to even chance.
    """
    known = np.isfinite(scores)
    weights = np.where(known, np.maximum(np.where(known, scores, 0), LEAST), 0).astype(np.float64) ** (1 / temperature)
    total, count = weights.sum(axis=-1, keepdims=True), known.sum(axis=-1, keepdims=True)
    mixed = uniform / np.maximum(count, 1) + (1 - uniform) * weights / np.where(count > 0, total, 1.0)
    return np.where(known, mixed, 0.0)
