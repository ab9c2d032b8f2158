"""The policy that filled pages while the log was made: popular titles, some personal relevance, some chance.

A page is drawn slot by slot without replacement (Plackett-Luce), so the propensity of each slot, given the slots
above it and the named policy, is known exactly: a title's weight over what was left to choose from.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.simulation.catalogue import Catalogue
from pipelines.simulation.members import Members
from pipelines.simulation.works import Ints, Reals

LOGGING, RANDOM = "logging", "random"
RANDOM_SHARE = 0.06
POPULARITY, RELEVANCE, FRESH = 1.4, 0.6, 0.8
HALF_LIFE_DAYS = 7.0
PAGE_SIZES = (10, 11, 12)
MEMORY = 32
"""How many finished titles of a member the policy remembers not to show again."""


@dataclass(frozen=True)
class Pages:
    """(pages, 12) media codes, -1 beyond a page's size, and the propensity of each; (pages,) which were random."""

    media: Ints
    propensity: Reals
    random: npt.NDArray[np.bool_]


class LoggingPolicy:
    """Keeps a decaying count of watches, and the last titles each member finished."""

    def __init__(self, members: Members, catalogue: Catalogue) -> None:
        self._members, self._catalogue = members, catalogue
        self._count = np.zeros(catalogue.size)
        self._finished = np.full((members.size, MEMORY), -1, dtype=np.int32)
        self._cursor = np.zeros(members.size, dtype=np.int64)
        self._leaning = members.group_taste + members.own[:, : members.group_taste.shape[1]]

    def pages(self, rng: np.random.Generator, who: Ints, at: npt.NDArray[np.datetime64]) -> Pages:
        """One page for each request; every request falls on the same day."""
        allowed = self._allowed(who, at)
        random = rng.random(len(who)) < RANDOM_SHARE
        score = np.where(random[:, None], 0.0, self._score(who, at[0]))
        weight = np.where(allowed, np.exp(score), 0.0)
        keys = np.where(allowed, score + rng.gumbel(size=score.shape), -np.inf)
        top = _best(keys, PAGE_SIZES[-1])
        chosen = np.take_along_axis(weight, top, axis=1)
        left = weight.sum(axis=1, keepdims=True) - np.cumsum(chosen, axis=1) + chosen
        sizes = rng.choice(PAGE_SIZES, len(who))[:, None]
        drawn = (np.arange(PAGE_SIZES[-1]) < sizes) & (chosen > 0)
        propensity = np.minimum(np.divide(chosen, left, out=np.zeros_like(chosen), where=drawn), 1.0)
        return Pages(np.where(drawn, top, -1), propensity, random)

    def learn(self, watched: Ints, finishers: Ints, finished: Ints) -> None:
        """Close a day: codes of every media watched, and who finished what."""
        self._count *= 0.5 ** (1 / HALF_LIFE_DAYS)
        self._count += np.bincount(watched, minlength=self._catalogue.size)
        order = np.argsort(finishers, kind="stable")
        who, what = finishers[order], finished[order]
        turn = np.arange(len(who)) - np.searchsorted(who, who)
        self._finished[who, (self._cursor[who] + turn) % MEMORY] = what
        np.add.at(self._cursor, who, 1)

    def _allowed(self, who: Ints, at: npt.NDArray[np.datetime64]) -> npt.NDArray[np.bool_]:
        allowed = self._catalogue.showable(at.min(), self._members.country[who])
        seen = self._finished[who]
        rows = np.broadcast_to(np.arange(len(who))[:, None], seen.shape)
        allowed[rows[seen >= 0], seen[seen >= 0]] = False
        return allowed

    def _score(self, who: Ints, at: np.datetime64) -> Reals:
        """(n, media) log weights."""
        prior = np.exp(0.5 * self._catalogue.fame + 0.7 * self._catalogue.quality)
        seen = self._count / max(self._count.mean(), 1e-9)
        trust = self._count.sum() / (self._count.sum() + 2.0 * len(self._count))
        popular = np.log(0.04 + trust * seen + (1 - trust) * prior / prior.mean())
        age = (at - self._catalogue.platform_at) / np.timedelta64(1, "D")
        fresh = FRESH * np.exp(-np.maximum(age, 0) / 7.0)
        genres = self._leaning[who] @ self._catalogue.genre_mix.T
        language = self._members.language[who][:, None] == self._catalogue.works.language[self._catalogue.work]
        score: Reals = POPULARITY * popular + fresh + RELEVANCE * (genres + language)
        return score


def _best(keys: Reals, k: int) -> Ints:
    """(n, k) columns of the k greatest keys of each row, greatest first."""
    k = min(k, keys.shape[1])
    some = np.argpartition(-keys, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(keys, some, axis=1), axis=1)
    best: Ints = np.take_along_axis(some, order, axis=1)
    return best
