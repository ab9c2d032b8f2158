"""Team-draft interleaving: one page of two releases' choices, and which release members preferred.

Each round a coin says which release chooses first, and each chooses its best title that is not on the page yet
(Radlinski, Kurup and Joachims 2008, "How does clickthrough data reflect retrieval quality?"). Both sides' titles stand
in the same places on average, so that equal releases win equally often, and each member compares for themselves: it
needs far fewer members than an A/B test, and says which page is preferred, not how sessions or hours would change.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np

from pipelines.core.errors import RequestError

FIRST, SECOND = 0, 1


@dataclass(frozen=True)
class Draft:
    """The page, best first, and which side each title came from (FIRST or SECOND)."""

    media: tuple[str, ...]
    side: tuple[int, ...]


@dataclass(frozen=True)
class Preference:
    """first, second, tied: members by whom their credit favours. share: those for the second among those for one, with
    its exact interval; p_value: of a fair coin."""

    first: int
    second: int
    tied: int
    share: float
    low: float
    high: float
    p_value: float


def team_draft(first: Sequence[str], second: Sequence[str], k: int, *, request_id: str, salt: str) -> Draft:
    """A page of at most ``k`` titles, the same whenever the request is asked again.

    Raises:
        RequestError: k is below 1, or a ranking names a title twice.
    """
    if k < 1:
        raise RequestError(f"k is {k}: ask for a title at least")
    for name, ranking in (("first", first), ("second", second)):
        if len(set(ranking)) < len(ranking):
            raise RequestError(f"the {name} ranking names a title twice: give each title once")
    key = hashlib.blake2b(request_id.encode(), key=hashlib.sha256(salt.encode()).digest(), digest_size=8).digest()
    coin = np.random.default_rng(int.from_bytes(key))
    left = [list(reversed(first)), list(reversed(second))]
    drawn: dict[str, int] = {}
    while len(drawn) < k and any(left):
        sides = (FIRST, SECOND) if coin.random() < 0.5 else (SECOND, FIRST)
        for side in sides:
            chosen = _best(left[side], drawn)
            if chosen is not None and len(drawn) < k:
                drawn[chosen] = side
    return Draft(tuple(drawn), tuple(drawn.values()))


def credit(draft: Draft, engaged: AbstractSet[str]) -> tuple[int, int]:
    """How many titles that the member engaged with (clicked, watched) each side had chosen."""
    sides = [side for media, side in zip(draft.media, draft.side, strict=True) if media in engaged]
    return sides.count(FIRST), sides.count(SECOND)


def preference(credits: Iterable[tuple[str, tuple[int, int]]], *, confidence: float = 0.95) -> Preference:
    """Which side members prefer, from (member, credit) of their pages: each member has one vote, by all their pages.

    An exact sign test over members, those without a preference left out; share and interval are NaN where all are.
    """
    from scipy.stats import binomtest

    balance: dict[str, int] = {}
    for member, (one, other) in credits:
        balance[member] = balance.get(member, 0) + other - one
    first, second, tied = _votes(balance)
    if not first + second:
        nothing = float("nan")
        return Preference(0, 0, tied, nothing, nothing, nothing, 1.0)
    test = binomtest(second, first + second, 0.5)
    held = test.proportion_ci(confidence)
    return Preference(first, second, tied, second / (first + second), float(held.low), float(held.high), test.pvalue)


def _votes(balance: Mapping[str, int]) -> tuple[int, int, int]:
    signs = [int(np.sign(value)) for value in balance.values()]
    return signs.count(-1), signs.count(1), signs.count(0)


def _best(left: list[str], drawn: Mapping[str, int]) -> str | None:
    """A side's best title that is not on the page yet, taken off its list; None where it has none left."""
    while left:
        chosen = left.pop()
        if chosen not in drawn:
            return chosen
    return None
