"""How unlike the titles of one list are."""

import numpy as np
import numpy.typing as npt

from pipelines.core.errors import DataError

Floats = npt.NDArray[np.float64]

LISTS = 1 << 13
"""Lists are summed in blocks of this many, so that the vectors of all their titles are never in memory at once."""


def intra_list_diversity(ranked: npt.NDArray[np.integer], vectors: npt.NDArray[np.floating]) -> Floats:
    """(n,) the mean of 1 - cosine over all pairs of each list; NaN for a list of fewer than two such titles.

    ranked: (n, k) rows of ``vectors``, -1 pads. vectors: (m, d), any length; a title whose vector is 0 is of no
    direction, and its pairs are left out. After Ziegler, McNee, Konstan and Lausen, WWW 2005.

    Range: [0, 2], [0, 1] where no vector has negative parts; higher is more unlike. Ties: none, order does not matter.
    Without positives: members count all the same. Normalised by: the pairs of titles that have a direction.

    Raises:
        DataError: where a code has no vector.
    """
    if ranked.size and int(ranked.max()) >= len(vectors):
        raise DataError(f"ranked holds code {int(ranked.max())}, vectors are {len(vectors)}: give one for every code")
    length = np.sqrt(np.einsum("md,md->m", vectors, vectors, dtype=np.float64))
    units = np.vstack([vectors / np.where(length > 0, length, 1.0)[:, None], np.zeros((1, vectors.shape[1]))])
    directed = np.append(length > 0, False)
    blocks = (ranked[start : start + LISTS] for start in range(0, max(len(ranked), 1), LISTS))
    return np.concatenate([_unlike(np.where(lists >= 0, lists, -1), units, directed) for lists in blocks])


def _unlike(lists: npt.NDArray[np.integer], units: Floats, directed: npt.NDArray[np.bool_]) -> Floats:
    counted = directed[lists].sum(axis=1)
    # The sum over all pairs of unit vectors is the square of the length of their sum, less each with itself.
    total = units[lists].sum(axis=1)
    alike = np.einsum("nd,nd->n", total, total) - counted
    pairs = counted * (counted - 1.0)
    found: Floats = np.full(len(lists), np.nan)
    np.divide(alike, pairs, out=found, where=pairs > 0)
    return 1 - found


def unlike_titles(diversity: npt.ArrayLike, k: int) -> Floats:
    """How many wholly unlike titles a list of ``k`` is worth: from 1, all the same, to k, all at right angles.

    1 - diversity is the mean cosine of pairs, so k / (1 + (k - 1) (1 - diversity)) is the similarity-sensitive
    diversity of order 2 of Leinster and Cobbold, Ecology 2012. Unlike the mean over pairs, which ends at 1, a ratio of
    it says what it seems to say (Jost, Oikos 2006): twice as many unlike titles are twice as much.

    Range: [1, k] for a diversity in [0, 1], higher is more unlike. Ties: none. Without positives: members count all the
    same; NaN where the diversity is. Normalised by: nothing, it is a number of titles.
    """
    unlike: Floats = k / (1 + (k - 1) * (1 - np.asarray(diversity, dtype=np.float64)))
    return unlike
