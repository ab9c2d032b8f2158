"""R6 Max-sum diversification: each next title is the one that adds most, its relevance less its mean likeness to the
titles above it; a greedy list reaches half of the best one's worth at least.

Source: Borodin, Lee and Ye, Max-sum diversification, monotone submodular functions and dynamic updates, PODS 2012.
"""

import numpy as np

from pipelines.core.contracts import Floats


def max_sum(relevance: Floats, similarity: Floats, k: int, strength: float) -> list[int]:
    """At most ``k`` places in the order they are chosen; the first of equals.

    relevance: (n,) in [0, 1]. similarity: (n, n). strength: in [0, 1], 0 = by relevance alone.
    """
    kept = (1 - strength) * np.asarray(relevance, dtype=np.float64)
    alike = strength * np.asarray(similarity, dtype=np.float64)
    total = np.zeros(len(kept))
    chosen: list[int] = []
    for turn in range(min(k, len(kept))):
        place = int(np.argmax(kept - total / max(turn, 1)))
        chosen.append(place)
        kept[place] = -np.inf
        total += alike[place]
    return chosen
