"""R6 Maximal marginal relevance: each next title is the one that adds most, its relevance less its likeness to the
nearest title above it.

Source: Carbonell and Goldstein, The use of MMR, diversity-based reranking for reordering documents and producing
summaries, SIGIR 1998.
"""

import numpy as np

from pipelines.core.contracts import Floats


def mmr(relevance: Floats, similarity: Floats, k: int, strength: float) -> list[int]:
    """At most ``k`` places in the order they are chosen; the first of equals.

    relevance: (n,) in [0, 1]. similarity: (n, n). strength: in [0, 1], 0 = by relevance alone.
    """
    kept = (1 - strength) * np.asarray(relevance, dtype=np.float64)
    alike = strength * np.asarray(similarity, dtype=np.float64)
    nearest = np.zeros(len(kept))
    chosen: list[int] = []
    for turn in range(min(k, len(kept))):
        place = int(np.argmax(kept - nearest))
        chosen.append(place)
        kept[place] = -np.inf
        nearest = np.maximum(nearest, alike[place]) if turn else alike[place]
    return chosen
