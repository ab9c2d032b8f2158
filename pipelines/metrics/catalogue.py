"""What lists do to the catalogue: how much of it they show, how unevenly, and how far from the beaten track.

``ranked``: (n, width) codes in [0, media), best first, -1 pads. ``media``: how many titles the catalogue has; all of
them count, also those that no list shows. No list is judged, so members without positives count like any other.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.core.errors import DataError
from pipelines.metrics.judging import Codes

Floats = npt.NDArray[np.float64]


def exposures(ranked: Codes, media: int, k: int = 10) -> npt.NDArray[np.int64]:
    """(media,) how many of the first ``k`` places each title holds; a title that a list repeats counts each time.

    Raises:
        DataError: where k or media is below 1, or a code lies outside the catalogue.
    """
    first = _first(ranked, k)
    if media < 1:
        raise DataError(f"media is {media}: a catalogue holds 1 title or more")
    greatest = int(first.max(initial=-1))
    if greatest >= media:
        raise DataError(f"ranked holds code {greatest} of a catalogue of {media}: count the whole catalogue")
    codes = first.ravel()
    if codes.size and codes.min() < 0:
        codes = codes[codes >= 0]
    return np.bincount(codes, minlength=media).astype(np.int64, copy=False)


def coverage(ranked: Codes, media: int, k: int = 10) -> float:
    """Titles that any of the first k places holds / titles of the catalogue.

    Range: [0, 1], higher is broader. Ties: none. Without positives: members count all the same.
    Normalised by: media; n lists of k cannot cover more than n k / media. It grows with n, so compare the same n.
    """
    return float(np.count_nonzero(exposures(ranked, media, k)) / media)


def popularity_bias(ranked: Codes, media: int, k: int = 10) -> float:
    """The Gini coefficient of the titles' exposures in the first k places: 0 where all are shown equally often.

    Range: [0, 1 - 1 / media], lower is more even. Ties: none. Without positives: members count all the same; NaN
    where nothing is shown. Normalised by: the mean exposure, of the whole catalogue, titles never shown included.
    """
    return gini(exposures(ranked, media, k))


def gini(amounts: npt.ArrayLike) -> float:
    """sum of (2 i - m - 1) x_i / (m sum of x) over m amounts in ascending order, i = 1..m: how unevenly they lie.

    It is half the mean difference between two amounts drawn with replacement, / the mean amount.

    Range: [0, 1 - 1 / m], 0 where all are equal. Ties: equal amounts may stand in any order. Without positives: NaN
    where all are 0 or there are none. Normalised by: the mean amount; the scale does not matter.

    Raises:
        DataError: where an amount is negative or not finite.
    """
    x = np.sort(np.asarray(amounts, dtype=np.float64).ravel())
    if x.size and not (x[0] >= 0 and np.isfinite(x[-1])):
        wrong = x[~((x >= 0) & np.isfinite(x))][0]
        raise DataError(f"an amount is {wrong}: Gini is of finite amounts of 0 or more")
    total = x.sum()
    if not total > 0:
        return float("nan")
    return max(0.0, float(np.dot(2 * np.arange(1, len(x) + 1) - len(x) - 1.0, x) / (len(x) * total)))


def novelty(ranked: Codes, engaged: npt.ArrayLike, members: int, k: int = 10) -> Floats:
    """(n,) the mean over the first k places of -log2(share of members who engaged with the title), in bits.

    engaged: (media,) by how many of ``members`` each title was engaged with, in the past of the lists. A title that
    nobody met counts as met by one, or it would be worth infinitely much. After Zhou et al., PNAS 2010.

    Range: [0, log2(members)], higher is less known. Ties: none. Without positives: members count all the same; NaN for
    an empty list. Normalised by: the filled places.

    Raises:
        DataError: where an engaged count is not in [0, members], or a code has none.
    """
    met = np.asarray(engaged, dtype=np.float64)
    if members < 1 or met.ndim != 1 or not ((met >= 0) & (met <= members)).all():
        raise DataError(f"engaged of shape {met.shape} holds counts outside [0, {members}]: count distinct members")
    first = _first(ranked, k)
    greatest = int(first.max(initial=-1))
    if greatest >= len(met):
        raise DataError(f"ranked holds code {greatest}, engaged has {len(met)} counts: give one for every title")
    bits = np.append(np.log2(members / np.maximum(met, 1.0)), 0.0)
    filled = np.count_nonzero(first >= 0, axis=1)
    told = np.zeros(len(first))
    for place in first.T:
        told += bits[np.maximum(place, -1)]
    found: Floats = np.full(len(first), np.nan)
    np.divide(told, filled, out=found, where=filled > 0)
    return found


def _first(ranked: Codes, k: int) -> npt.NDArray[np.integer[Any]]:
    if k < 1:
        raise DataError(f"k is {k}: a list is scored to a depth of 1 or more")
    if ranked.ndim != 2:
        raise DataError(f"ranked has shape {ranked.shape}: give one row of codes a member")
    return ranked[:, :k]
