"""R6 Diversity: what is much like other titles of a page gives way to what is not, and a page holds no more of one
series than ``most``. Titles move; none is taken out.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt

from pipelines.core.config import Config
from pipelines.core.contracts import Floats
from pipelines.rerank.dpp import dpp
from pipelines.rerank.maxsum import maxsum
from pipelines.rerank.mmr import mmr

Method = Callable[[Floats, Floats, int, float], list[int]]
METHODS: dict[str, Method] = {"mmr": mmr, "dpp": dpp, "maxsum": maxsum}
"""(relevance, similarity, k, strength) -> places in the order they are chosen."""
ABSOLUTE = ("maxsum",)
"""Methods to which a member who will watch much is worth more than one who will not; to the others the best title of
each page is worth 1."""


class DiversityConfig(Config):
    """most: how many titles of one group (a series, else a creator) the first ``within`` places may hold.

    method: which of METHODS chooses the first ``within`` titles among the first ``depth`` of the ranking, or none; they
    keep the ranking's order among each other. strength: how much likeness counts against relevance, 0 = not at all.
    rate: the share of impressions that are watched, the unit of relevance in methods that are ABSOLUTE; a release holds
    its own. Measured in docs/decisions/0020.
    """

    most: PositiveInt = 8
    within: PositiveInt = 10
    method: Literal["none", "mmr", "dpp", "maxsum"] = "maxsum"
    strength: float = Field(default=0.15, ge=0, le=1)
    depth: PositiveInt = 50
    rate: PositiveFloat = 0.1


def diversify(worth: Floats, similarity: Callable[[int], Floats], config: DiversityConfig) -> list[int]:
    """An order of places 0..n-1: the ``within`` that the method chooses, then the others, both as given.

    How unlike the titles of a page are does not depend on their order, its expected watches do.

    worth: (n,) expected watches of each title once shown, best first. similarity: (m, m) of the first m places; asked
    only where there is a method.
    """
    places = list(range(len(worth)))
    deep = min(config.depth, len(places))
    if config.method == "none" or config.strength == 0 or deep < 2:
        return places
    unit = config.rate if config.method in ABSOLUTE else float(worth[0]) or 1.0
    chosen = set(METHODS[config.method](worth[:deep] / unit, similarity(deep), config.within, config.strength))
    return [*sorted(chosen), *(place for place in places if place not in chosen)]


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
