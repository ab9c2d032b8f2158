"""How much each generator counts in the blend: learned from what members engaged with after it was fitted."""

from collections.abc import Mapping

import numpy as np

from pipelines.candidates.blend import BlendConfig, place_worth
from pipelines.candidates.proposed import Proposed
from pipelines.core.contracts import Floats

DEPTH = 100
WEIGHTS = (0.1, 0.2, 0.35, 0.6, 1.0)
SMOOTHINGS = (10.0, 30.0, 60.0, 150.0, 400.0)
ROUNDS = 3
GAIN = 1e-9
"""What is not better by more than rounding is left as it is: nothing is turned down without evidence."""


def learn(proposed: Proposed, config: BlendConfig) -> BlendConfig:
    """The config with the weight and the smoothing of each generator under which the blend finds most.

    One generator after the other, at most ROUNDS times round, from equal weights, which stay where there is nothing to
    learn from. A weight is never 0: a source that adds nothing on average may be the only one for a new member.
    """
    chosen = dict.fromkeys(proposed.ranks, (1.0, config.smoothing))
    parts = {name: proposed.fused(name, place_worth(*chosen[name], proposed.k)) for name in chosen}
    most = found(proposed, _sum(parts))
    for _ in range(ROUNDS if len(proposed.row) and len(chosen) > 1 else 0):
        before = dict(chosen)
        for name in chosen:
            others = _sum({other: part for other, part in parts.items() if other != name})
            for smoothing in SMOOTHINGS:
                whole = proposed.fused(name, place_worth(1.0, smoothing, proposed.k))
                for weight in WEIGHTS:
                    part = np.float32(weight) * whole
                    tried = found(proposed, others + part)
                    if tried > most + GAIN:
                        most, chosen[name], parts[name] = tried, (weight, smoothing), part
        if chosen == before:
            break
    weights, smoothings = ({name: pair[n] for name, pair in chosen.items()} for n in (0, 1))
    return config.model_copy(update={"weights": weights, "smoothings": smoothings})


def found(proposed: Proposed, fused: Floats) -> float:
    """How much of what members engaged with stands high: each media counts 1 at the top and half at place DEPTH.

    Plain recall at DEPTH moves by whole media, and a thousand members with one or two new ones each do not tell weights
    apart by it: what it chose depended more on who was drawn, and was no better on the next day.
    """
    ahead = proposed.ahead(fused)
    return float((1 / (1 + (ahead / DEPTH) ** 2)).sum())


def _sum(parts: Mapping[str, Floats]) -> Floats:
    return np.asarray(sum(parts.values()))
