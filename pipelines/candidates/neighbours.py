"""C1 Item neighbours: titles that the same members engaged with, by cosine similarity shrunk where few did.

Sources: Sarwar, Karypis, Konstan and Riedl, Item-based Collaborative Filtering Recommendation Algorithms, WWW 2001;
the shrinkage by Bell and Koren, Scalable Collaborative Filtering with Jointly Derived Neighborhood Interpolation
Weights, ICDM 2007. Only each title's nearest are kept, so that a request costs what the history is long, not what the
catalogue is large.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from pipelines.candidates.engaged import media_codes
from pipelines.candidates.top import best_sums, codes_of
from pipelines.core.config import Config
from pipelines.core.contracts import Codes, Floats, History, Ids, Interactions

BLOCK = 1000
"""Titles compared with the whole catalogue at once: what they have in common fits in memory."""
DENSE = 50_000
"""Up to so many titles votes are counted in one array of the catalogue's length; beyond it, by sorting them."""


@dataclass(frozen=True)
class FittedNeighbours:
    """near: (len(catalogue), w) codes, nearest first. similarity: the same shape, 0 where there is no neighbour.

    half_life: after how many later watches one counts half. history: how many of the latest are asked.
    """

    catalogue: Ids
    near: Codes
    similarity: Floats
    half_life: float
    history: int

    @cached_property
    def codes(self) -> dict[str, int]:
        return codes_of(self.catalogue)

    @cached_property
    def _speaks(self) -> Codes:
        """(len(catalogue) + 1,) whether a title has neighbours; code -1 has none."""
        return np.append((self.similarity > 0).any(axis=1), False)

    def candidates(self, histories: Sequence[History], k: int) -> tuple[Codes, Floats]:
        found = np.full((len(histories), k), -1, dtype=np.int32)
        kept = np.full((len(histories), k), -np.inf, dtype=np.float32)
        for row, history in enumerate(histories):
            watched, weight = self._watched(history)
            near, votes = self.near[watched].ravel(), (self.similarity[watched] * weight[:, None]).ravel()
            media, votes = best_sums(near, votes, k, self._own(history), len(self.catalogue))
            media, votes = media[votes > 0], votes[votes > 0]
            found[row, : len(media)], kept[row, : len(media)] = media, votes
        return found, kept

    def scores(self, histories: Sequence[History], codes: Codes) -> Floats:
        """The similarities to what was watched, later ones counting more; 0 for no neighbour, NaN where none exist."""
        found = np.full(codes.shape, np.nan, dtype=np.float32)
        speaks = self._speaks
        for row, history in enumerate(histories):
            watched, weight = self._watched(history)
            if not speaks[watched].any():
                continue
            media, votes = self._votes(watched, weight)
            place = np.minimum(np.searchsorted(media, codes[row]), len(media) - 1)
            found[row] = np.where(media[place] == codes[row], votes[place], 0)
            found[row][~speaks[codes[row]]] = np.nan
        return found

    def _watched(self, history: History) -> tuple[Codes, Floats]:
        """The latest known codes of a history and what each counts; all together at most 1."""
        pairs = zip(history.media, history.weight, strict=True)
        known = [(self.codes[media], weight) for media, weight in pairs if media in self.codes][-self.history :]
        watched, weight = np.array([code for code, _ in known], dtype=np.int64), np.array([w for _, w in known])
        decay = 0.5 ** (np.arange(len(known))[::-1] / self.half_life)
        return watched, (weight * decay / max(decay.sum(), 1.0)).astype(np.float32)

    def _own(self, history: History) -> Codes:
        return np.array([self.codes[media] for media in history.media if media in self.codes], dtype=np.int64)

    def _votes(self, watched: Codes, weight: Floats, without: Codes | None = None) -> tuple[Codes, Floats]:
        """(m,) the codes that are near to what was watched, ascending, and (m,) the sum of their similarities."""
        near, votes = self.near[watched].ravel(), (self.similarity[watched] * weight[:, None]).ravel()
        if len(self.catalogue) <= DENSE:
            total = np.bincount(near, votes, minlength=len(self.catalogue))
            total[[] if without is None else without] = 0
            media = np.flatnonzero(total)
            return media, total[media].astype(np.float32)
        media, place = np.unique(near, return_inverse=True)
        total = np.bincount(place, votes, minlength=len(media))
        total[np.isin(media, [] if without is None else without)] = 0
        return media[total > 0], total[total > 0].astype(np.float32)

    def because(self, code: int, history: History) -> str | None:
        """The watched media that gives the candidate most."""
        watched, weight = self._watched(history)
        given = np.where(self.near[watched] == code, self.similarity[watched], 0).sum(axis=1) * weight
        return str(self.catalogue[watched[int(given.argmax())]]) if given.any() else None

    def save(self, folder: Path) -> None:
        np.savez(
            folder / "neighbours.npz",
            catalogue=self.catalogue.astype(str),
            near=self.near,
            similarity=self.similarity,
            half_life=np.array(self.half_life),
            history=np.array(self.history),
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        with np.load(folder / "neighbours.npz", allow_pickle=False) as stored:
            scalars = float(stored["half_life"]), int(stored["history"])
            return cls(stored["catalogue"], stored["near"], stored["similarity"], *scalars)


class Neighbours(Config):
    """How many of the nearest titles each remembers, and how many members in common are too few to be sure.

    popularity: the power of the neighbour's own audience in the denominator; 0.5 is the cosine, less lets popular
    neighbours count more.
    """

    neighbours: PositiveInt = 200
    shrinkage: NonNegativeFloat = 2.0
    popularity: float = Field(default=0.3, ge=0, le=1)
    half_life: PositiveFloat = 20.0
    history: PositiveInt = 50
    """How many of the latest watches are asked for their neighbours; what lies before counts little."""

    def fit(self, interactions: Interactions, *, as_of: datetime, seed: int) -> FittedNeighbours:
        """Nothing random happens, and age plays no part: ``as_of`` has already cut the interactions."""
        size = len(interactions.catalogue)
        near = np.zeros((size, min(self.neighbours, size)), dtype=np.int32)
        similarity = np.zeros(near.shape, dtype=np.float32)
        watched = _matrix(interactions)
        audience = np.asarray(watched.sum(axis=0)).ravel()
        for begin in range(0, size, BLOCK):
            together = (watched[:, begin : begin + BLOCK].T @ watched).tocsr()
            for row in range(together.shape[0]):
                code, held = begin + row, slice(together.indptr[row], together.indptr[row + 1])
                other, common = together.indices[held], together.data[held]
                scale = audience[code] ** (1 - self.popularity) * audience[other] ** self.popularity
                alike = np.where(other == code, 0, common / (scale + self.shrinkage))
                kept = np.lexsort((other, -alike))[: near.shape[1]]
                kept = kept[alike[kept] > 0]
                near[code, : len(kept)], similarity[code, : len(kept)] = other[kept], alike[kept]
        return FittedNeighbours(interactions.catalogue, near, similarity, self.half_life, self.history)


def _matrix(interactions: Interactions) -> Any:
    """(members, len(catalogue)) sparse: 1 where a member engaged with a media of the catalogue."""
    from scipy.sparse import csc_matrix

    of_row = media_codes(interactions)
    known = of_row >= 0
    members, member_of_row = np.unique(interactions.users[known].astype(str), return_inverse=True)
    pairs = (interactions.weight[known].astype(np.float32), (member_of_row, of_row[known]))
    return csc_matrix(pairs, shape=(len(members), len(interactions.catalogue)))
