"""C6 Blend: several generators' lists become one, and each candidate remembers who proposed it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

from pipelines.core.config import Config
from pipelines.core.contracts import Codes, Floats, History


class BlendConfig(Config):
    """Reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009): a list counts weight / (smoothing + rank).

    A generator without a weight counts 1; candidates.weights learns them for each release.
    """

    candidates: PositiveInt = 300
    smoothing: PositiveFloat = 60.0
    weights: dict[str, PositiveFloat] = Field(default_factory=dict)


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
    fused = np.zeros((n, size), dtype=np.float32)
    rank_of: dict[str, Codes] = {}
    for name, generator in generators.items():
        codes, _ = generator.candidates(histories, k)
        row, rank = np.nonzero(codes >= 0)
        media = codes[row, rank]
        fused[row, media] += config.weights.get(name, 1.0) / (config.smoothing + rank + 1)
        rank_of[name] = np.full((n, size), -1, dtype=np.int32)
        rank_of[name][row, media] = rank
    order = np.argsort(-fused, axis=1, kind="stable")[:, :k].astype(np.int32)
    scores = np.take_along_axis(fused, order, axis=1)
    proposed = scores > 0
    ranks = {name: np.where(proposed, np.take_along_axis(rank, order, axis=1), -1) for name, rank in rank_of.items()}
    return Blended(np.where(proposed, order, -1).astype(np.int32), scores, ranks)
