"""Randomness that is a function of its arguments: named streams, and noise for any pair without storing it."""

import zlib

import numpy as np
import numpy.typing as npt

UInts = npt.NDArray[np.uint64]


def stream(seed: int, name: str, *place: int) -> np.random.Generator:
    """The generator of one purpose; another name or place gives an unrelated one."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), *place])


def pair_normal(seed: int, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """(n,) nearly standard normal draws, one fixed value for each (seed, left, right)."""
    mixed = _mix(left.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed))
    mixed = _mix(mixed ^ (right.astype(np.uint64) * np.uint64(0xD1B54A32D192ED03)))
    lanes = [((mixed >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.float64) for shift in (0, 16, 32, 48)]
    total: npt.NDArray[np.float64] = np.sum(lanes, axis=0)
    normal: npt.NDArray[np.float64] = (total / 65536.0 - 2.0) * 3.0**0.5
    return normal


def _mix(value: UInts) -> UInts:
    """The finaliser of splitmix64."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
