"""How good ordered lists are: NDCG, recall, average precision, average recall, F1.

Every metric takes ``ranked``, (n, width) integer codes, best first, -1 pads, and ``relevant``, n arrays of codes
(order and repeats do not matter), and answers (n,) floats in [0, 1], a figure a member. They share these rules:

- A member without anything relevant has no answer: NaN, left out of every mean.
- Relevance is binary. All relevant media count in the ideal, also those that no list could hold: give media outside
  the catalogue codes of their own.
- Lists are ordered, so there are no ties: whoever sorts by score decides them.
- A media that a list repeats counts once, at its first place. A list shorter than ``k`` is scored as it is.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.core.errors import DataError

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.integer[Any]]

CELLS = 1 << 25
"""Members are judged in blocks whose member x media table of bytes has at most this many cells (32 MB)."""


class Judged(NamedTuple):
    """hits: (n, k), whether each place holds something relevant. relevant: (n,) how many media are."""

    hits: npt.NDArray[np.bool_]
    relevant: npt.NDArray[np.int64]


def ndcg(ranked: Codes, relevant: Sequence[Codes], k: int = 10) -> Floats:
    """DCG@k / ideal DCG@k, DCG = sum of hit_i / log2(i + 1) over the places i = 1..k.

    The ideal has a hit at each of its first min(k, relevant) places.
    """
    judged = judge(ranked, relevant, k)
    discount = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(judged.relevant, k)]
    return _share(judged.hits @ discount[: judged.hits.shape[1]], ideal)


def recall(ranked: Codes, relevant: Sequence[Codes], k: int = 100) -> Floats:
    """Hits among the first k / min(k, relevant): 1 when the list could not have held more of them."""
    judged = judge(ranked, relevant, k)
    return _share(judged.hits.sum(axis=1, dtype=np.float64), np.minimum(judged.relevant, k))


def average_precision(ranked: Codes, relevant: Sequence[Codes], k: int = 10) -> Floats:
    """AP@k = sum of hit_i x precision@i over i = 1..k, / min(k, relevant); its mean over members is mAP@k.

    precision@i = hits among the first i / i.
    """
    judged = judge(ranked, relevant, k)
    hits = judged.hits.astype(np.float64)
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    return _share((hits * precision).sum(axis=1), np.minimum(judged.relevant, k))


def average_recall(ranked: Codes, relevant: Sequence[Codes], k: int = 10) -> Floats:
    """AR@k = sum of hit_i x recall@i over i = 1..k, / min(k, relevant); its mean over members is mAR@k.

    recall@i = hits among the first i / relevant. It is AP@k with recall in the place of precision, so a perfect list
    reaches (m + 1) / (2 relevant), m = min(k, relevant), which is 1 only for a member with one relevant media.
    """
    judged = judge(ranked, relevant, k)
    found = judged.hits.sum(axis=1, dtype=np.float64)
    return _share(found * (found + 1) / 2, judged.relevant * np.minimum(judged.relevant, k))


def f1(precision: npt.ArrayLike, recall: npt.ArrayLike) -> Floats:
    """2 p r / (p + r), element by element, 0 where both are 0; F1@k is that of mAP@k and mAR@k (means, not members)."""
    p, r = np.asarray(precision, dtype=np.float64), np.asarray(recall, dtype=np.float64)
    total = p + r
    return np.divide(2 * p * r, total, out=np.where(np.isnan(total), np.nan, 0.0), where=total > 0)


def judge(ranked: Codes, relevant: Sequence[Codes], k: int) -> Judged:
    """Find which of the first ``k`` places hold something relevant.

    Raises:
        DataError: where k is below 1, the members of the two sides differ in number, or a relevant code is negative.
    """
    if k < 1:
        raise DataError(f"k is {k}: a list is scored to a depth of 1 or more")
    if ranked.ndim != 2 or len(ranked) != len(relevant):
        raise DataError(
            f"ranked has shape {ranked.shape} and relevant {len(relevant)} members: give one row of codes a member"
        )
    first = ranked[:, :k]
    hits, counts = np.zeros(first.shape, dtype=np.bool_), np.zeros(len(first), dtype=np.int64)
    for rows, member, code, width in _blocks(first, relevant):
        table = np.zeros((len(first[rows]), width + 1), dtype=np.bool_)
        table[member, code] = True
        counts[rows] = table.sum(axis=1)
        hits[rows] = np.take_along_axis(table, np.where(first[rows] < 0, width, first[rows]).astype(np.intp), axis=1)
    return Judged(_first_places(first, hits), counts)


def _blocks(
    ranked: Codes, relevant: Sequence[Codes]
) -> Iterator[tuple[slice, npt.NDArray[np.int64], npt.NDArray[np.int64], int]]:
    """Members in blocks: their rows, the place and code of each relevant media, and how many codes there are."""
    sizes = np.fromiter((len(r) for r in relevant), dtype=np.int64, count=len(relevant))
    codes = np.concatenate([np.empty(0, dtype=np.int64), *relevant]).astype(np.int64)
    if codes.size and codes.min() < 0:
        raise DataError(f"relevant holds code {codes.min()}: give media outside the catalogue codes above it, not -1")
    width = int(max(codes.max(initial=-1), ranked.max(initial=-1))) + 1
    ends, size = np.concatenate([[0], np.cumsum(sizes)]), max(1, CELLS // (width + 1))
    for start in range(0, len(relevant), size):
        rows = slice(start, min(start + size, len(relevant)))
        member = np.repeat(np.arange(rows.stop - start), sizes[rows])
        yield rows, member, codes[ends[start] : ends[rows.stop]], width


def _first_places(ranked: Codes, hits: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Keep, of a hit that a list repeats, the first place."""
    rows, places = np.nonzero(hits)
    pairs = np.stack([rows, ranked[rows, places].astype(np.int64)])
    order = np.lexsort((places, *pairs[::-1]))
    again = np.zeros(len(rows), dtype=np.bool_)
    again[order[1:]] = (np.diff(pairs[:, order], axis=1) == 0).all(axis=0)
    hits[rows[again], places[again]] = False
    return hits


def _share(gained: Floats, possible: npt.NDArray[Any]) -> Floats:
    """gained / possible, NaN where nothing is possible."""
    share: Floats = np.full(len(gained), np.nan)
    np.divide(gained, possible, out=share, where=possible > 0)
    return share
