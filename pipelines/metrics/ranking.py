"""How good ordered lists are: NDCG, recall, precision, average precision and recall, F1, reciprocal rank, hit rate.

Every metric takes ``ranked``, (n, width) integer codes, best first, -1 pads, and ``relevant``, n arrays of codes or
the same as ``Ragged``, and answers (n,) floats, a figure a member; ``measure`` answers many at once. They share rules:

- A member without anything relevant has no answer: NaN, left out of every mean.
- Relevance is binary. All relevant media count in the ideal, also those that no list could hold: give media outside
  the catalogue codes of their own.
- Lists are ordered, so there are no ties: whoever sorts by score decides them.
- A media that a list repeats counts once, at its first place. A list shorter than ``k`` is scored as it is.

Where the divisor is a choice it is the argument ``by``: "reachable" is min(k, relevant), the hits that a list of k
could hold; "relevant" is all that is relevant, whatever k.
"""

from collections.abc import Callable, Iterable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pipelines.core.errors import DataError
from pipelines.metrics.judging import Codes, Judged, Relevant, judge

Floats = npt.NDArray[np.float64]
By = Literal["reachable", "relevant"]

LISTS = 1 << 13
"""Lists are worked out in blocks of this many where a figure needs more than a bit a place."""


def ndcg(ranked: Codes, relevant: Relevant, k: int = 10) -> Floats:
    """DCG@k / ideal DCG@k, DCG = sum of hit_i / log2(i + 1) over the places i = 1..k.

    Range: [0, 1], higher is better. Ties: none, a list is ordered. Without positives: NaN.
    Normalised by: the ideal, a hit at each of the first min(k, relevant) places. Source: Järvelin and Kekäläinen, TOIS
    2002, with the discount log2(i + 1) that spares the first two places from being worth the same.
    """
    return _ndcg(judge(ranked, relevant, k))


def discounts(k: int) -> Floats:
    """(k,) what a hit at each place counts in a DCG: 1 / log2(i + 1) for i = 1..k."""
    return np.asarray(1 / np.log2(np.arange(2, k + 2)))


def recall(ranked: Codes, relevant: Relevant, k: int = 100, by: By = "reachable") -> Floats:
    """Hits among the first k / min(k, relevant): 1 when the list could not have held more of them.

    Range: [0, 1], higher is better. Ties: none, a list is ordered. Without positives: NaN.
    Normalised by: min(k, relevant), or with ``by="relevant"`` relevant, where a list of k < relevant cannot reach 1.
    """
    return _recall(judge(ranked, relevant, k), by)


def precision(ranked: Codes, relevant: Relevant, k: int = 10, by: Literal["k", "listed"] = "k") -> Floats:
    """Hits among the first k / k.

    Range: [0, min(k, relevant) / k], higher is better. Ties: none, a list is ordered. Without positives: NaN, although
    0 could be said, so that all means are of the same members.
    Normalised by: k, an empty place being a miss, or with ``by="listed"`` the filled places, NaN where none is.
    """
    return _precision(judge(ranked, relevant, k), by)


def average_precision(ranked: Codes, relevant: Relevant, k: int = 10, by: By = "reachable") -> Floats:
    """AP@k = sum of hit_i x precision@i over i = 1..k, / min(k, relevant); its mean over members is mAP@k.

    precision@i = hits among the first i / i.

    Range: [0, 1], higher is better. Ties: none, a list is ordered. Without positives: NaN.
    Normalised by: min(k, relevant), or with ``by="relevant"`` relevant, where a list of k < relevant cannot reach 1.
    """
    return _average_precision(judge(ranked, relevant, k), by)


def average_recall(ranked: Codes, relevant: Relevant, k: int = 10, by: By = "reachable") -> Floats:
    """AR@k = sum of hit_i x recall@i over i = 1..k, / min(k, relevant); its mean over members is mAR@k.

    recall@i = hits among the first i / relevant. It is AP@k with recall in the place of precision, so a perfect list
    reaches (m + 1) / (2 relevant), m = min(k, relevant), which is 1 only for a member with one relevant media. Where
    the hits stand does not matter, only how many there are.

    Range: [0, 1], higher is better. Ties: none, a list is ordered. Without positives: NaN.
    Normalised by: min(k, relevant), or with ``by="relevant"`` relevant.
    """
    return _average_recall(judge(ranked, relevant, k), by)


def reciprocal_rank(ranked: Codes, relevant: Relevant, k: int = 10) -> Floats:
    """1 / the place of the first hit among the first k, 0 without one; its mean over members is MRR@k.

    Range: 0 or [1 / k, 1], higher is better. Ties: none, a list is ordered. Without positives: NaN.
    Normalised by: nothing; one relevant media at the first place is enough for 1.
    """
    return _reciprocal_rank(judge(ranked, relevant, k))


def hit_rate(ranked: Codes, relevant: Relevant, k: int = 10) -> Floats:
    """1 where any of the first k places is a hit, else 0; its mean over members is the hit rate.

    Range: 0 or 1, higher is better. Ties: none, a list is ordered. Without positives: NaN.
    Normalised by: nothing; one hit says as much as k.
    """
    return _hit_rate(judge(ranked, relevant, k))


def f1(precision: npt.ArrayLike, recall: npt.ArrayLike) -> Floats:
    """2 p r / (p + r), element by element, 0 where both are 0; F1@k is that of mAP@k and mAR@k (means, not members).

    Range: [0, 1], higher is better. Ties: none. Without positives: NaN where p or r is. Normalised by: what they are.
    """
    p, r = np.asarray(precision, dtype=np.float64), np.asarray(recall, dtype=np.float64)
    total = p + r
    return np.divide(2 * p * r, total, out=np.where(np.isnan(total), np.nan, 0.0), where=total > 0)


def measure(ranked: Codes, relevant: Relevant, k: int = 10, names: Iterable[str] | None = None) -> dict[str, Floats]:
    """The named metrics at ``k``, all of METRICS if not given, each (n,), of lists that are judged once.

    Raises:
        DataError: for a name that METRICS lacks, and as ``judge`` does.
    """
    wanted = tuple(METRICS) if names is None else tuple(names)
    unknown = [name for name in wanted if name not in METRICS]
    if unknown:
        raise DataError(f"there is no list metric {unknown[0]!r}: choose among {', '.join(METRICS)}")
    judged = judge(ranked, relevant, k)
    return {name: METRICS[name](judged) for name in wanted}


def _ndcg(judged: Judged) -> Floats:
    discount = discounts(judged.k)
    ideal = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(judged.relevant, judged.k)]
    return _share(judged.hits @ discount[: judged.hits.shape[1]], ideal)


def _recall(judged: Judged, by: By = "reachable") -> Floats:
    return _share(_found(judged), _possible(judged, by))


def _precision(judged: Judged, by: Literal["k", "listed"] = "k") -> Floats:
    if by not in ("k", "listed"):
        raise DataError(f'precision is divided by {by!r}: choose "k" or "listed"')
    places = judged.listed if by == "listed" else np.full(len(judged.hits), judged.k)
    return _share(_found(judged), np.where(judged.relevant > 0, places, 0))


def _average_precision(judged: Judged, by: By = "reachable") -> Floats:
    gained, places = np.zeros(len(judged.hits)), np.arange(1, judged.hits.shape[1] + 1)
    for start in range(0, len(gained), LISTS):
        rows = slice(start, start + LISTS)
        hits = judged.hits[rows].astype(np.float64)
        gained[rows] = (hits * (np.cumsum(hits, axis=1) / places)).sum(axis=1)
    return _share(gained, _possible(judged, by))


def _average_recall(judged: Judged, by: By = "reachable") -> Floats:
    found = _found(judged)
    return _share(found * (found + 1) / 2, judged.relevant * _possible(judged, by))


def _reciprocal_rank(judged: Judged) -> Floats:
    gained = np.zeros(len(judged.hits))
    rows = np.flatnonzero(_found(judged))
    if len(rows):
        gained[rows] = 1 / (1.0 + judged.hits[rows].argmax(axis=1))
    return _share(gained, judged.relevant > 0)


def _hit_rate(judged: Judged) -> Floats:
    return _share(np.minimum(_found(judged), 1.0), judged.relevant > 0)


METRICS: dict[str, Callable[[Judged], Floats]] = {
    "ndcg": _ndcg,
    "recall": _recall,
    "precision": _precision,
    "map": _average_precision,
    "mar": _average_recall,
    "mrr": _reciprocal_rank,
    "hit_rate": _hit_rate,
}
"""Every list metric by the name of its mean: judged lists -> (n,) figures, with the divisor that is the default."""


def _found(judged: Judged) -> Floats:
    """(n,) how many hits there are."""
    found: Floats = judged.hits.sum(axis=1, dtype=np.float64)
    return found


def _possible(judged: Judged, by: By) -> npt.NDArray[np.int64]:
    if by not in ("reachable", "relevant"):
        raise DataError(f'hits are divided by {by!r}: choose "reachable" or "relevant"')
    return judged.relevant if by == "relevant" else np.minimum(judged.relevant, judged.k)


def _share(gained: Floats, possible: npt.NDArray[Any]) -> Floats:
    """gained / possible, NaN where nothing is possible."""
    share: Floats = np.full(len(gained), np.nan)
    np.divide(gained, possible, out=share, where=possible > 0)
    return share
