"""C6 What each source adds to the blend, on what members engaged with later: so that one can be retired on evidence."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.candidates.blend import BlendConfig, Proposer
from pipelines.candidates.proposed import Proposed
from pipelines.candidates.top import best
from pipelines.candidates.weights import DEPTH
from pipelines.core.contracts import Codes, Floats, History
from pipelines.metrics.intervals import Interval, bootstrap_mean, paired_difference


@dataclass(frozen=True)
class Contribution:
    """One source, each figure a mean over members with its interval.

    own: recall at DEPTH of its list alone. unique: what the blend's recall loses when it is left out and the others
    keep their weights; near or below 0, the others know what it knows. share: of the blend's candidates, those that it
    proposed. alone: those that nobody else did.
    """

    own: Interval
    unique: Interval
    share: Interval
    alone: Interval

    def as_dict(self) -> dict[str, dict[str, float | None]]:
        return {name: plain(figure) for name, figure in vars(self).items()}


def plain(figure: Interval) -> dict[str, float | None]:
    """The interval for JSON, which knows no NaN."""
    return {name: value if value == value else None for name, value in figure.as_dict().items()}


def contributions(proposed: Proposed, config: BlendConfig, seed: int) -> tuple[Interval, dict[str, Contribution]]:
    """The recall of the blend at DEPTH, and what each source adds to it; NaN throughout where there are no members."""
    parts = {name: proposed.fused(name, config.worth(name, proposed.k)) for name in proposed.ranks}
    everything = _sum(parts, proposed)
    whole = proposed.recall(everything, DEPTH)
    chosen = best(np.where(everything > 0, everything, -np.inf), config.candidates)[0]
    by = {name: _proposed_by(rank, chosen, proposed.k) for name, rank in proposed.ranks.items()}
    speak = np.sum(list(by.values()), axis=0)
    held = np.count_nonzero(chosen >= 0, axis=1)
    found = {}
    for name, part in parts.items():
        others = _sum({other: kept for other, kept in parts.items() if other != name}, proposed)
        found[name] = Contribution(
            own=bootstrap_mean(proposed.recall(part, DEPTH), seed),
            unique=paired_difference(whole, proposed.recall(others, DEPTH), seed),
            share=bootstrap_mean(_of(by[name], held), seed),
            alone=bootstrap_mean(_of(by[name] & (speak == 1), held), seed),
        )
    return bootstrap_mean(whole, seed), found


def report(proposed: Proposed, config: BlendConfig, seed: int) -> dict[str, Any]:
    """The contributions as JSON: blend, members, depth, candidates, and for each source its figures and settings.

    Measured on the members that the weights were learned from.
    """
    whole, found = contributions(proposed, config, seed)
    return {
        "blend": plain(whole),
        "members": len(proposed.engaged),
        "depth": DEPTH,
        "candidates": config.candidates,
        "sources": {
            name: {
                "weight": config.weights.get(name, 1.0),
                "smoothing": config.smoothings.get(name, config.smoothing),
                **one.as_dict(),
            }
            for name, one in found.items()
        },
    }


def milliseconds(
    generators: Mapping[str, Proposer],
    histories: Sequence[History],
    k: int,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Generator -> the median time in which it answers one member; the first question, which prepares, not counted."""
    found = {}
    for name, generator in generators.items():
        took = []
        for history in [histories[0], *histories]:
            began = clock()
            generator.candidates([history], k)
            took.append((clock() - began) * 1e3)
        found[name] = float(np.median(took[1:]))
    return found


def _sum(parts: Mapping[str, Floats], proposed: Proposed) -> Floats:
    total = np.zeros(next(iter(proposed.ranks.values())).shape, dtype=np.float32)
    for part in parts.values():
        total += part
    return total


def _proposed_by(rank: Codes, chosen: Codes, k: int) -> Codes:
    """(n, candidates) whether the generator named each of the chosen; False where there is none."""
    return (np.take_along_axis(rank, np.maximum(chosen, 0), axis=1) < k) & (chosen >= 0)


def _of(named: Codes, held: Codes) -> Floats:
    """(n,) the share of the held candidates that are named; NaN without candidates."""
    share = np.full(len(held), np.nan)
    np.divide(np.count_nonzero(named, axis=1), held, out=share, where=held > 0)
    return share
