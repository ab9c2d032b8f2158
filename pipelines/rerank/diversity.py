"""R6 Diversity: no more of one kind on a page than ``most``, moved down rather than taken out."""

from collections import Counter
from collections.abc import Hashable, Sequence

from pydantic import PositiveInt

from pipelines.core.config import Config


class DiversityConfig(Config):
    """most: how many titles of one group (a series, else a creator) the first ``within`` places may hold."""

    most: PositiveInt = 3
    within: PositiveInt = 10


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
