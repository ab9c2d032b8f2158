"""How alike titles are, from what is written of them: their embedding, their genres, and whether one series or maker is
behind both. A weighted sum of inner products, so the matrix is positive semi-definite, as determinants need it.
"""

import numpy as np

from pipelines.core.contracts import Codes, Floats

EMBEDDING, GENRES, GROUP = 0.2, 0.7, 0.1
"""What each says of the likeness of two titles. One that neither title has says nothing: it counts as unlike."""


def directions(vectors: Floats) -> Floats:
    """(n, d) rows of length 1; a row without a direction stays 0."""
    length = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    return np.asarray(vectors / np.where(length > 0, length, 1.0)[:, None])


def similarity(embedding: Floats, genres: Floats, groups: Codes) -> Floats:
    """(n, n) in [-EMBEDDING, 1], 1 on the diagonal.

    embedding: (n, d), genres: (n, g), of any length, of width 0 where there are none. groups: (n,), -1 = none.
    """
    near, shared = directions(embedding), directions(genres)
    same = (groups[:, None] == groups[None, :]) & (groups >= 0)
    alike = EMBEDDING * (near @ near.T) + GENRES * (shared @ shared.T) + GROUP * same
    np.fill_diagonal(alike, 1.0)
    return np.asarray(alike)
