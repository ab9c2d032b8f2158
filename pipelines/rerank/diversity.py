"""R6 Diversity: titles unlike those above them come before ones that are much like them, and no more of one series on a
page than ``most``. Titles move; none is taken out.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Literal

from pydantic import Field, PositiveInt

from pipelines.core.config import Config
from pipelines.core.contracts import Floats
from pipelines.rerank.dpp import dpp
from pipelines.rerank.mmr import mmr

Method = Callable[[Floats, Floats, int, float], list[int]]
METHODS: dict[str, Method] = {"mmr": mmr, "dpp": dpp}
"""(relevance, similarity, k, strength) -> places in the order they are chosen."""


class DiversityConfig(Config):
    """most: how many titles of one group (a series, else a creator) the first ``within`` places may hold.

    method: which of METHODS fills the first ``within`` places from the first ``depth`` of the ranking, or none.
    strength: how much likeness counts against relevance, 0 = not at all. Measured by benchmarks/diversity.py.
    """

    most: PositiveInt = 3
    within: PositiveInt = 10
    method: Literal["none", "mmr", "dpp"] = "mmr"
    strength: float = Field(default=0.1, ge=0, le=1)
    depth: PositiveInt = 50


def diversify(relevance: Floats, similarity: Callable[[int], Floats], config: DiversityConfig) -> list[int]:
    """An order of places 0..n-1: the first ``within`` by the method, the others as given.

    relevance: (n,) in [0, 1], best first. similarity: (m, m) of the first m places; asked only where there is a method.
    """
    places = list(range(len(relevance)))
    deep = min(config.depth, len(places))
    if config.method == "none" or config.strength == 0 or deep < 2:
        return places
    chosen = METHODS[config.method](relevance[:deep], similarity(deep), config.within, config.strength)
    first = set(chosen)
    return [*chosen, *(place for place in places if place not in first)]


def spread(groups: Sequence[Hashable | None], config: DiversityConfig) -> list[int]:
    """An order of places 0..n-1: as given, but what would be one too many of its group comes after the rest.

    None belongs to no group. Where there is too little else, the page is filled with what was moved down.
    """
    taken: Counter[Hashable] = Counter()
    kept: list[int] = []
    later: list[int] = []
    for place, group in enumerate(groups):
        if group is not None and len(kept) < config.within and taken[group] >= config.most:
            later.append(place)
        else:
            taken[group] += 1
            kept.append(place)
    return [*kept[: config.within], *sorted([*kept[config.within :], *later])]
