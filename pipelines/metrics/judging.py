"""Which places of ordered lists hold something relevant, found once for any number of metrics."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.core.errors import DataError

Codes = npt.NDArray[np.integer[Any]]
Keys = npt.NDArray[np.int64]

CELLS = 1 << 18
"""Members are judged in blocks that hold about this many places and relevant media, so that a block stays in cache."""


@dataclass(frozen=True)
class Ragged:
    """What is relevant to each of n members, end to end: a million small arrays cost more to hold than to judge.

    codes: (total,), the first member's, then the second's. ends: (n,) where each member's part ends; int64, ascending.
    """

    codes: Codes
    ends: Keys

    def __post_init__(self) -> None:
        last = int(self.ends[-1]) if len(self.ends) else 0
        if last != len(self.codes) or np.any(np.diff(self.ends, prepend=0) < 0):
            raise DataError(
                f"ends of {len(self.ends)} members close at {last} for {len(self.codes)} codes: "
                "they must ascend from 0 to the number of codes"
            )

    def __len__(self) -> int:
        return len(self.ends)

    @classmethod
    def of(cls, relevant: "Relevant") -> "Ragged":
        """The same end to end, whichever form it has."""
        if isinstance(relevant, Ragged):
            return relevant
        sizes = np.fromiter((len(r) for r in relevant), dtype=np.int64, count=len(relevant))
        codes = np.concatenate([np.empty(0, dtype=np.int64), *relevant]).astype(np.int64)
        return cls(codes, np.cumsum(sizes))


Relevant = Sequence[Codes] | Ragged
"""n arrays of codes, or the same end to end; order and repeats do not matter."""


class Judged(NamedTuple):
    """hits: (n, places), whether each place holds something relevant. relevant: (n,) how many media are. listed: (n,)
    how many places are filled. k: the depth asked for; places are fewer where the lists are shorter."""

    hits: npt.NDArray[np.bool_]
    relevant: Keys
    listed: Keys
    k: int


def judge(ranked: Codes, relevant: Relevant, k: int) -> Judged:
    """Find which of the first ``k`` places hold something relevant; of a media that a list repeats, the first place.

    ranked: (n, width) codes, best first, -1 pads. Work grows with places and relevant media, not with the catalogue.

    Raises:
        DataError: where k is below 1, the members of the two sides differ in number, or a code is no code.
    """
    if k < 1:
        raise DataError(f"k is {k}: a list is scored to a depth of 1 or more")
    if ranked.ndim != 2 or len(ranked) != len(relevant):
        raise DataError(
            f"ranked has shape {ranked.shape} and relevant {len(relevant)} members: give one row of codes a member"
        )
    first, held = ranked[:, :k], Ragged.of(relevant)
    codes, ends = held.codes.astype(np.int64, copy=False), held.ends.astype(np.int64, copy=False)
    width = _width(first, codes)
    hits, counts = np.zeros(first.shape, dtype=np.bool_), np.zeros(len(first), dtype=np.int64)
    for rows, owner, code in _blocks(codes, ends, first.shape[1]):
        keys = np.sort(owner * width + code)
        keys = keys[np.diff(keys, prepend=-1) > 0]
        counts[rows] = np.bincount(keys // width, minlength=rows.stop - rows.start)
        if len(keys):
            hits[rows] = _found(first[rows], keys, width)
    return Judged(hits, counts, np.count_nonzero(first >= 0, axis=1), k)


def _width(ranked: Codes, relevant: Keys) -> int:
    """One more than the greatest code; members' codes are told apart by a multiple of it."""
    if relevant.size and relevant.min() < 0:
        raise DataError(
            f"relevant holds code {relevant.min()}: give media outside the catalogue codes above it, not -1"
        )
    width = int(max(relevant.max(initial=-1), ranked.max(initial=-1))) + 1
    if width > (1 << 62) // max(CELLS, 1):
        raise DataError(f"the greatest code is {width - 1}: give media dense codes from 0")
    return max(width, 1)


def _blocks(codes: Keys, ends: Keys, places: int) -> Iterator[tuple[slice, Keys, Keys]]:
    """Members in blocks: their rows, and the place within the block and the code of each relevant media."""
    work = ends + max(places, 1) * np.arange(1, len(ends) + 1)
    starts = [int(start) for start in np.flatnonzero(np.diff(work // CELLS, prepend=-1))]
    bounds = np.concatenate([[0], ends])
    for start, stop in pairwise([*starts, len(ends)]):
        owner = np.repeat(np.arange(stop - start), np.diff(bounds[start : stop + 1]))
        yield slice(start, stop), owner, codes[bounds[start] : bounds[stop]]


def _found(ranked: Codes, keys: Keys, width: int) -> npt.NDArray[np.bool_]:
    """(n, places) whether each place is among the keys (sorted, distinct) and the first such place of its list."""
    asked = ranked + np.arange(0, len(ranked) * width, width)[:, None]
    nearest = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    hits: npt.NDArray[np.bool_] = (keys[nearest] == asked) & (ranked >= 0)
    places = np.flatnonzero(hits)
    _, once = np.unique(nearest.ravel()[places], return_index=True)
    if len(once) < len(places):
        hits = np.zeros(ranked.shape, dtype=np.bool_)
        hits.ravel()[places[once]] = True
    return hits
