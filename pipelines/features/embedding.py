"""A media as 32 numbers made from what is written of it, without anything learned: two that share much point alike."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

WIDTH = 32
UNITS = 1024
"""Components are whole parts of this many: sums of them are exact, in whatever order they are added."""

Units = npt.NDArray[np.int32]


def embeddings(tokens: Sequence[Sequence[str]]) -> Units:
    """(n, WIDTH) whole UNITS of unit vectors: the sum of one fixed direction a token; zeros where there is none.

    A token's direction is 32 signs drawn by its digest, so it needs no vocabulary, never changes, and two tokens are
    nearly at right angles. After Achlioptas, "Database-friendly random projections" (2003).
    """
    directions: dict[str, npt.NDArray[np.int64]] = {}
    found = np.zeros((len(tokens), WIDTH), dtype=np.int32)
    for row, own in enumerate(tokens):
        if not own:
            continue
        total = np.zeros(WIDTH, dtype=np.int64)
        for token in dict.fromkeys(own):
            if token not in directions:
                directions[token] = direction(token)
            total += directions[token]
        length = np.sqrt(float(total @ total))
        if length > 0:
            found[row] = np.rint(total / length * UNITS)
    return found


def direction(token: str) -> npt.NDArray[np.int64]:
    """(WIDTH,) of -1 and 1."""
    digest = hashlib.blake2b(token.encode("utf-8", "surrogatepass"), digest_size=WIDTH // 8).digest()
    return np.unpackbits(np.frombuffer(digest, dtype=np.uint8)).astype(np.int64) * 2 - 1
