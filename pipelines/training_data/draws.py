"""Uniform draws that depend on a key and a seed alone, so that row order and neighbours change nothing."""

import numpy as np
import numpy.typing as npt
import pandas as pd

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def uniform(keys: npt.ArrayLike, seed: int, draw: int = 0) -> npt.NDArray[np.float64]:
    """(n,) numbers in [0, 1), one a key; ``draw`` numbers independent draws of the same key.

    The hash of a key is SipHash keyed by the seed; splitmix64 turns it and the number of the draw into the next one.
    """
    hashed = pd.util.hash_array(np.asarray(keys, dtype=object), hash_key=f"{seed % 10**16:016d}")
    with np.errstate(over="ignore"):
        mixed = hashed + _STEP * np.uint64(draw + 1)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _MULTIPLIERS[0]
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _MULTIPLIERS[1]
    mixed = mixed ^ (mixed >> np.uint64(31))
    return (mixed >> np.uint64(11)).astype(np.float64) / float(1 << 53)
