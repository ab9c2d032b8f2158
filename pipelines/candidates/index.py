"""An index for catalogues whose exact product is too slow: vectors in lists around centres, the nearest lists read.

Source: Sivic and Zisserman, Video Google, ICCV 2003 (inverted lists); Jegou, Douze and Schmid, Product Quantization for
Nearest Neighbor Search, PAMI 2011 (as an index, IVF). Read by inner product: a list's centre stands for its vectors.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveInt

from pipelines.candidates.top import best_places
from pipelines.core.config import Config
from pipelines.core.contracts import Codes, Floats

TOGETHER = 8192
"""Vectors compared with every centre at once: a few tens of MB."""


class IndexConfig(Config):
    """How the lists are made and how much of them a question reads.

    ``read`` is the share of the catalogue that is multiplied exactly: recall and time grow with it. A list is read by
    what its centre promises and by how far its vectors reach from it: ``reach`` times their root mean square distance.
    Of KuaiRand's fitted factors 0.2 finds 94 % of the best 50 where 0 finds 88 %.
    """

    read: float = Field(0.1, gt=0, le=1)
    reach: NonNegativeFloat = 0.2
    rounds: PositiveInt = 8
    learn_from: PositiveInt = 100_000


@dataclass(frozen=True)
class Lists:
    """centres: (c, d) means of lists. spread: (c,) root mean square distances from them. vectors: (m, d), those of a
    list together. codes: (m,), whose each is. edges: (c + 1,) places."""

    centres: Floats
    spread: Floats
    vectors: Floats
    codes: Codes
    edges: Codes
    config: IndexConfig

    @classmethod
    def of(cls, vectors: Floats, codes: Codes, config: IndexConfig) -> Self:
        """Lists of (m, d) float32 vectors, about sqrt(m) of them, by k-means of an even sample: nothing is random."""
        sample = vectors[:: max(1, len(vectors) // config.learn_from)]
        centres = sample[:: max(1, len(sample) // max(1, int(len(vectors) ** 0.5)))].copy()
        for _ in range(config.rounds):
            centres = _moved(centres, sample, _nearest(centres, sample))
        of = _nearest(centres, vectors)
        order, count = np.argsort(of, kind="stable"), np.bincount(of, minlength=len(centres))
        centres = _moved(centres, vectors, of)
        spread = np.sqrt(np.bincount(of, _distance(centres, vectors, of), len(centres)) / np.maximum(count, 1))
        edges = np.concatenate([[0], np.cumsum(count)])
        return cls(centres, spread.astype(np.float32), vectors[order], codes[order], edges, config)

    def nearest(self, query: Floats, k: int) -> tuple[Codes, Floats]:
        """(at most k,) codes and inner products with the (d,) query, best first, of the lists nearest to it."""
        chosen = self._chosen(query, k)
        begins, ends = self.edges[chosen], self.edges[chosen + 1]
        places = np.concatenate([[0], np.cumsum(ends - begins)])
        scores = np.empty(places[-1], dtype=np.float32)
        for begin, end, at in zip(begins.tolist(), ends.tolist(), places.tolist(), strict=False):
            np.dot(self.vectors[begin:end], query, out=scores[at : at + end - begin])
        found = best_places(scores, k)
        line = np.searchsorted(places, found, side="right") - 1
        return self.codes[begins[line] + found - places[line]], scores[found]

    def _chosen(self, query: Floats, k: int) -> Codes:
        """The lists that promise most, until their vectors are as many as shall be read."""
        promised = self.centres @ query + self.config.reach * np.linalg.norm(query) * self.spread
        order = best_places(promised, len(promised))
        held = np.cumsum(self.edges[order + 1] - self.edges[order])
        enough = max(k, int(self.config.read * len(self.codes)))
        return np.sort(order[: int(np.searchsorted(held, enough)) + 1])


def _nearest(centres: Floats, vectors: Floats) -> Codes:
    """(m,) the centre nearest to each vector, by Euclidean distance."""
    half = (centres * centres).sum(axis=1) / 2
    parts = [vectors[begin : begin + TOGETHER] for begin in range(0, len(vectors), TOGETHER)]
    return np.concatenate([np.argmax(part @ centres.T - half, axis=1) for part in parts])


def _distance(centres: Floats, vectors: Floats, of: Codes) -> Floats:
    """(m,) the squared distance of each vector from its centre."""
    apart = np.empty(len(vectors), dtype=np.float32)
    for begin in range(0, len(vectors), TOGETHER):
        part = slice(begin, begin + TOGETHER)
        apart[part] = ((vectors[part] - centres[of[part]]) ** 2).sum(axis=1)
    return apart


def _moved(centres: Floats, vectors: Floats, of: Codes) -> Floats:
    """The means of the vectors around each centre; a centre without vectors stays."""
    count = np.bincount(of, minlength=len(centres))
    held = np.flatnonzero(count)
    firsts = np.concatenate([[0], np.cumsum(count[held])[:-1]])
    moved = centres.copy()
    moved[held] = np.add.reduceat(vectors[np.argsort(of, kind="stable")], firsts, axis=0) / count[held, None]
    return moved
