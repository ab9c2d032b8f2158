"""R6 Max-sum diversification: each next title is the one that adds most, its relevance less its likeness to all titles
above it together.

What is maximised, greedily, is the sum of relevance - strength x the likeness of every pair: the mean over pairs is how
intra-list diversity is told, and the nearest title alone (MMR) stands for it less well.

Source: Gollapudi and Sharma, An axiomatic approach for result diversification, WWW 2009; Borodin, Lee and Ye, Max-sum
diversification, PODS 2012, that greedy choice is within a half of the best.
"""

import numpy as np

from pipelines.core.contracts import Floats


def maxsum(relevance: Floats, similarity: Floats, k: int, strength: float) -> list[int]:
    """At most ``k`` places in the order they are chosen; the first of equals.

    relevance: (n,) 0 or more, in any unit; strength is in the same. similarity: (n, n).
    """
    gain = np.array(relevance, dtype=np.float64)
    alike = strength * np.asarray(similarity, dtype=np.float64)
    chosen: list[int] = []
    for _ in range(min(k, len(gain))):
        place = int(np.argmax(gain))
        chosen.append(place)
        gain -= alike[place]
        gain[place] = -np.inf
    return chosen
