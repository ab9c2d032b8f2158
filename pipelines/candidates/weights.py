"""How much each generator counts in the blend: learned from what members engaged with after it was fitted."""

from collections.abc import Mapping, Sequence

import numpy as np

from pipelines.candidates.blend import BlendConfig, blend
from pipelines.core.contracts import FittedGenerator, History
from pipelines.metrics.ranking import recall

GRID = (0.1, 0.25, 0.5, 1.0)
DEPTH = 100


def learn(
    generators: Mapping[str, FittedGenerator],
    histories: Sequence[History],
    engaged: Sequence[Sequence[int]],
    config: BlendConfig,
) -> dict[str, float]:
    """Weights that maximise recall@100 of the blend, one generator at a time, twice round; all 1 without members.

    engaged: for each history, the codes that its member engaged with later. A weight is never 0: a source that adds
    nothing on average may still be the only one for a new member.
    """
    weights = dict.fromkeys(generators, 1.0)
    if not histories or len(generators) < 2:
        return weights
    wanted = [np.asarray(codes, dtype=np.int64) for codes in engaged]
    size = len(next(iter(generators.values())).catalogue)
    asked = {name: _Remembered(generator) for name, generator in generators.items()}
    for name in [*weights, *weights]:
        scored = {}
        for weight in GRID:
            tried = config.model_copy(update={"weights": {**weights, name: weight}})
            scored[weight] = float(recall(blend(asked, histories, tried, size).codes, wanted, DEPTH).mean())
        # Of equal weights the nearest to 1: nothing is turned down without evidence.
        weights[name] = max(scored, key=lambda weight: (scored[weight], weight))
    return weights


class _Remembered:
    """A generator that answers the same question once: every weight is tried on the same lists."""

    def __init__(self, generator: FittedGenerator) -> None:
        self.catalogue = generator.catalogue
        self._generator = generator
        self._answers: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def candidates(self, histories: Sequence[History], k: int) -> tuple[np.ndarray, np.ndarray]:
        if k not in self._answers:
            self._answers[k] = self._generator.candidates(histories, k)
        return self._answers[k]
