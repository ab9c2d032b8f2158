"""The order of a page: the probability of a watch once shown, and how much the generators agree on the title.

The ranker learns from titles that were shown, so it says little of those that never would have been. What generators
retrieve for the member is evidence on just that: order by log probability + prior x log generators' score.
"""

import numpy as np
from pydantic import Field

from pipelines.core.config import Config
from pipelines.core.contracts import Codes, Floats


class OrderingConfig(Config):
    """prior: how much the generators' score counts; 0 = the ranker alone. Measured in docs/decisions/0008."""

    prior: float = Field(default=1.5, ge=0)


def log_score(probability: Floats, retrieved: Floats, config: OrderingConfig) -> Floats:
    """(n,) what titles are ordered by. probability, retrieved: (n,) above 0."""
    tiny = np.finfo(np.float64).tiny
    return np.asarray(np.log(np.maximum(probability, tiny)) + config.prior * np.log(np.maximum(retrieved, tiny)))


def best_first(score: Floats, codes: Codes) -> Codes:
    """(n,) places, best first; ties by code."""
    return np.lexsort((codes, -score))
