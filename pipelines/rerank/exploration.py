"""R6 Exploration: in stated slots, one of a logged set of runners-up is shown with a logged probability.

Each slot has an action set of its own, disjoint from the others, so the slots are independent draws and the logged
propensity is the whole truth about each. The draw depends on the request id and the seed alone: a replay repeats it.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

from pipelines.core.config import Config
from pipelines.core.contracts import Floats
from pipelines.core.draws import tempered


class ExplorationConfig(Config):
    """slots: places of the page that explore. actions: how many runners-up each may choose from.

    temperature: a softmax over log probability of a watch; the larger, the nearer to uniform. uniform: the share of
    the draw that ignores scores, so that no propensity is tiny.
    """

    slots: tuple[int, ...] = (7,)
    actions: PositiveInt = 10
    temperature: PositiveFloat = 1.0
    uniform: float = Field(default=0.2, ge=0, le=1)


@dataclass(frozen=True)
class Draw:
    """For one slot: the places (in the ranking) it could choose from, their probabilities, and the one chosen."""

    slot: int
    actions: tuple[int, ...]
    probabilities: tuple[float, ...]
    chosen: int

    @property
    def propensity(self) -> float:
        return self.probabilities[self.actions.index(self.chosen)]


def explore(
    scores: Floats,
    k: int,
    config: ExplorationConfig,
    *,
    request_id: str,
    seed: int,
    taken: Collection[int] = (),
) -> list[Draw]:
    """One draw for each slot below ``k``; none where fewer than two runners-up are left.

    scores: (n,) probabilities in ranking order. Places that fill the page's other slots are no actions. taken: slots
    below ``k`` that hold something else than the ranking's titles: they do not explore, and no title fills them.
    """
    slots = [slot for slot in config.slots if slot < k and slot not in taken]
    first = k - len(slots) - len(taken)
    runners_up = np.arange(first, min(len(scores), first + config.actions * len(slots)))
    draws = []
    for turn, slot in enumerate(slots):
        actions = runners_up[turn :: len(slots)]
        if len(actions) > 1:
            probabilities = tempered(scores[actions], config.temperature, config.uniform)
            point = _uniform(f"{seed}:{request_id}:{slot}")
            place = min(int(np.searchsorted(np.cumsum(probabilities), point, side="right")), len(actions) - 1)
            draws.append(Draw(slot, tuple(actions.tolist()), tuple(probabilities.tolist()), int(actions[place])))
    return draws


def _uniform(key: str) -> float:
    """A number in [0, 1) that is a fair coin over keys and always the same for one."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest()) / 2**64


TAKEN = -1


def order(length: int, k: int, draws: Sequence[Draw], taken: Collection[int] = ()) -> list[int]:
    """Places of the ranking in page order, at most ``k``: the slots' draws, and around them the ranking's best.

    TAKEN stands at the slots that are ``taken``.
    """
    drawn = {draw.slot: draw.chosen for draw in draws}
    chosen = set(drawn.values())
    rest = (place for place in range(length) if place not in chosen)
    page = []
    for slot in range(min(k, length + len(taken))):
        if slot in taken:
            page.append(TAKEN)
        else:
            page.append(drawn[slot] if slot in drawn else next(rest))
    return page
