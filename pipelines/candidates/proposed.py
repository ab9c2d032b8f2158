"""What generators propose to many members, laid out so that any blend of it is judged without asking them again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from pipelines.candidates.blend import Proposer
from pipelines.core.contracts import Codes, Floats, History

CELLS = 1 << 22
"""Engaged media are compared with the lists of their members in blocks of at most this many cells (16 MB)."""


@dataclass(frozen=True)
class Proposed:
    """ranks: generator -> (n, w), the place in its list of each media that any list of the member names; k = none.

    A member's media are ascending by code, columns beyond them are of no list. row, column: (p,) where the media stand
    that their members engaged with later. engaged: (n,) how many those are, named or not.
    """

    ranks: Mapping[str, Codes]
    row: Codes
    column: Codes
    engaged: Codes
    k: int

    @classmethod
    def of(
        cls,
        generators: Mapping[str, Proposer],
        histories: Sequence[History],
        engaged: Sequence[Sequence[int]],
        k: int,
    ) -> Self:
        """Ask every generator for k; ``engaged`` holds the codes that each member engaged with later."""
        lists = {name: generator.candidates(histories, k)[0] for name, generator in generators.items()}
        named = [np.unique(np.concatenate([own[line] for own in lists.values()])) for line in range(len(histories))]
        named = [codes[codes >= 0] for codes in named]
        width = max((len(codes) for codes in named), default=0)
        ranks = {name: np.full((len(histories), width), k, dtype=np.int32) for name in lists}
        for name, own in lists.items():
            for line, codes in enumerate(own):
                held = codes[codes >= 0]
                ranks[name][line, np.searchsorted(named[line], held)] = np.arange(len(held))
        wanted = [np.unique(np.asarray(codes, dtype=np.int64)) for codes in engaged]
        found = [np.flatnonzero(np.isin(codes, later)) for codes, later in zip(named, wanted, strict=True)]
        rows = np.repeat(np.arange(len(found)), [len(columns) for columns in found])
        column = np.concatenate([np.empty(0, dtype=np.int64), *found])
        return cls(ranks, rows, column, np.array([len(later) for later in wanted]), k)

    def fused(self, name: str, worth: Floats) -> Floats:
        """(n, w) what a generator's list counts for each media, by the (k,) worth of its places."""
        return np.append(worth, 0).astype(np.float32)[self.ranks[name]]

    def recall(self, fused: Floats, depth: int) -> Floats:
        """(n,) recall at ``depth`` of the media in order of ``fused``, NaN without anything engaged.

        The same as metrics.ranking.recall of the lists, which are never sorted here.
        """
        hits = np.bincount(self.row, weights=self.ahead(fused) < depth, minlength=len(self.engaged))
        share = np.full(len(hits), np.nan)
        possible = np.minimum(self.engaged, depth)
        np.divide(hits, possible, out=share, where=possible > 0)
        return share

    def ahead(self, fused: Floats) -> Floats:
        """(p,) how many stand before each engaged media in order of ``fused``, equal ones by code; inf if none fused
        it."""
        return np.concatenate([np.empty(0), *(_ahead(*part) for part in self._blocks(fused))])

    def _blocks(self, fused: Floats) -> Iterator[tuple[Floats, Codes]]:
        together = max(1, CELLS // max(1, fused.shape[1]))
        for begin in range(0, len(self.row), together):
            yield fused[self.row[begin : begin + together]], self.column[begin : begin + together]


def _ahead(fused: Floats, column: Codes) -> Floats:
    own = np.take_along_axis(fused, column[:, None], axis=1)
    before = np.count_nonzero(fused > own, axis=1)
    before += np.count_nonzero((fused == own) & (np.arange(fused.shape[1]) < column[:, None]), axis=1)
    return np.where(own[:, 0] > 0, before, np.inf)
