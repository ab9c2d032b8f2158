"""R6 A determinantal point process: the list whose titles are relevant and span the largest volume, chosen greedily.

Source: Chen, Zhang and Zhou, Fast greedy MAP inference for determinantal point process to improve recommendation
diversity, NeurIPS 2018, algorithm 1: a Cholesky factor grows by a row a title, O(n k) each.
"""

import numpy as np

from pipelines.core.contracts import Floats

LEAST = 1e-9
"""The volume below which a title adds nothing: it lies in the span of those chosen."""


def dpp(relevance: Floats, similarity: Floats, k: int, strength: float) -> list[int]:
    """At most ``k`` places in the order they are chosen, fewer where the others add no volume; the first of equals.

    What is maximised is (1 - strength) x the sum of relevance + strength x log det of the similarity of the list.

    relevance: (n,) in [0, 1]. similarity: (n, n) positive semi-definite, 1 on the diagonal. strength: in [0, 1].
    """
    worth = (1 - strength) * np.asarray(relevance, dtype=np.float64)
    left = np.ones(len(worth))
    factors = np.zeros((min(k, len(worth)), len(worth)))
    chosen: list[int] = []
    for turn in range(len(factors)):
        gain = worth + strength * np.log(np.maximum(left, LEAST))
        gain[chosen] = -np.inf
        place = int(np.argmax(gain))
        if strength > 0 and left[place] < LEAST:
            break
        chosen.append(place)
        known = factors[:turn]
        factors[turn] = (similarity[place] - known[:, place] @ known) / np.sqrt(max(left[place], LEAST))
        left = left - factors[turn] ** 2
    return chosen
