"""C6 Blend: several generators' lists become one, and each candidate remembers who proposed it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

from pipelines.candidates.top import best_places, distinct
from pipelines.core.config import Config
from pipelines.core.contracts import Codes, Floats, History


class BlendConfig(Config):
    """Reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009), weighted.

    weights: what the first place of a generator's list counts; 1 where it is not named. smoothings: how slowly places
    lose: that of place r counts (1 + smoothing) / (r + smoothing) of the first; ``smoothing`` where it is not named.
    candidates.weights learns both for each release.
    """

    candidates: PositiveInt = 300
    smoothing: PositiveFloat = 60.0
    weights: dict[str, PositiveFloat] = Field(default_factory=dict)
    smoothings: dict[str, PositiveFloat] = Field(default_factory=dict)

    def worth(self, name: str, k: int) -> Floats:
        """(k,) what each place of a generator's list counts."""
        return place_worth(self.weights.get(name, 1.0), self.smoothings.get(name, self.smoothing), k)


def place_worth(weight: float, smoothing: float, k: int) -> Floats:
    """(k,) what each place of a list counts, the first ``weight``."""
    return weight * (1 + smoothing) / (np.arange(1, k + 1) + smoothing)


class Proposer(Protocol):
    """As much of a fitted generator as blending needs."""

    def candidates(self, histories: Sequence[History], k: int) -> tuple[Codes, Floats]: ...


@dataclass(frozen=True)
class Blended:
    """codes: (n, k) best first, -1 pads. scores: (n, k) fused. ranks: generator -> (n, k), -1 = not proposed."""

    codes: Codes
    scores: Floats
    ranks: Mapping[str, Codes]


def blend(generators: Mapping[str, Proposer], histories: Sequence[History], config: BlendConfig, size: int) -> Blended:
    """Ask every generator for ``config.candidates`` and merge; ``size`` is the length of the shared catalogue."""
    n, k = len(histories), min(config.candidates, size)
    lists = {name: generator.candidates(histories, k)[0] for name, generator in generators.items()}
    worth = {name: config.worth(name, k) for name in lists}
    codes, scores = np.full((n, k), -1, dtype=np.int32), np.zeros((n, k), dtype=np.float32)
    ranks = {name: np.full((n, k), -1, dtype=np.int32) for name in lists}
    for row in range(n):
        own = {name: proposed[row][proposed[row] >= 0] for name, proposed in lists.items()}
        union, fused, placed = _fused(own, worth, size)
        order = best_places(fused, k)
        codes[row, : len(order)], scores[row, : len(order)] = union[order], fused[order]
        for name, places in placed.items():
            rank = np.full(len(union), -1, dtype=np.int32)
            rank[places] = np.arange(len(places))
            ranks[name][row, : len(order)] = rank[order]
    return Blended(codes, scores, ranks)


def _fused(own: Mapping[str, Codes], worth: Mapping[str, Floats], size: int) -> tuple[Codes, Floats, dict[str, Codes]]:
    """One member's lists as one: the codes that any of them names, ascending, what each is worth, and where the
    codes of each list stand among them."""
    named = np.concatenate([np.empty(0, dtype=np.int32), *own.values()])
    union, place = distinct(named, size)
    fused = np.zeros(len(union), dtype=np.float32)
    ends = np.cumsum([len(codes) for codes in own.values()]).tolist()
    placed = {name: place[end - len(own[name]) : end] for name, end in zip(own, ends, strict=True)}
    for name, places in placed.items():
        fused[places] += worth[name][: len(places)]
    return union, fused, placed
