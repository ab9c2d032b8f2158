"""The media whose vectors have the greatest inner product with a member's: exact, and by an index beyond a size."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from pydantic import PositiveInt

from pipelines.candidates.index import IndexConfig, Lists
from pipelines.candidates.top import best_places, in_rows
from pipelines.core.config import Config
from pipelines.core.contracts import Codes, Floats

CELLS = 1 << 24
"""Members are asked together as long as members x media is not more than this (64 MB of scores)."""


class RetrievalConfig(Config):
    """From how many media on an index answers."""

    index_from: PositiveInt = 200_000
    index: IndexConfig = IndexConfig()


EXACT_WHERE_FAST = RetrievalConfig()


@dataclass(frozen=True)
class Retrieval:
    """vectors: (media, d) float32. known: (media,) which may be proposed; where None, those that are not all zeros."""

    vectors: Floats
    config: RetrievalConfig = EXACT_WHERE_FAST
    known: npt.NDArray[np.bool_] | None = None

    def best(self, queries: Floats, k: int, own: Sequence[Codes]) -> tuple[Codes, Floats]:
        """(n, k) codes and inner products for (n, d) queries, best first; -1 and -inf pad.

        own: for each query the codes that are left out. A query of zeros knows nothing and gets nothing.
        """
        index = self._index
        found = self._exact(queries, k, own) if index is None else _by_index(index, queries, k, own)
        return in_rows(found, len(queries), k)

    @cached_property
    def _index(self) -> Lists | None:
        """Made at the first question: what only scores given media never asks one."""
        if len(self.vectors) < self.config.index_from:
            return None
        held = np.flatnonzero(self._known)
        return Lists.of(self.vectors[held], held.astype(np.int32), self.config.index) if len(held) else None

    @cached_property
    def _known(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.vectors.any(axis=1)) if self.known is None else self.known

    @cached_property
    def _unknown(self) -> Codes:
        return np.flatnonzero(~self._known)

    def _exact(self, queries: Floats, k: int, own: Sequence[Codes]) -> Iterator[tuple[Codes, Floats]]:
        together = max(1, CELLS // max(1, len(self.vectors)))
        for begin in range(0, len(queries), together):
            scores = queries[begin : begin + together] @ self.vectors.T
            scores[:, self._unknown] = -np.inf
            scores[~queries[begin : begin + together].any(axis=1)] = -np.inf
            for row, left_out in zip(scores, own[begin : begin + together], strict=True):
                row[left_out] = -np.inf
                places = best_places(row, k)
                yield places, row[places]


def _by_index(index: Lists, queries: Floats, k: int, own: Sequence[Codes]) -> Iterator[tuple[Codes, Floats]]:
    for query, left_out in zip(queries, own, strict=True):
        # As many more as may have to be left out again.
        codes, scores = index.nearest(query, k + len(left_out))
        kept = np.flatnonzero(~np.isin(codes, left_out))[: k if query.any() else 0]
        yield codes[kept], scores[kept]
