"""How much of a world's truth can be known: what stands between any recommender and the oracle. For benchmarks."""

from dataclasses import replace

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from pipelines.core.errors import DataError
from pipelines.simulation.exam import read_log, true_matrix
from pipelines.simulation.randomness import pair_normal
from pipelines.simulation.truth import GENRE_EFFECT, LATENT_EFFECT, Times, examination
from pipelines.simulation.works import Ints, Reals
from pipelines.simulation.world import World

NOBODY, SURE = -2, 1e-9
"""The code of no actor and no director, and how near to 0 and 1 a probability comes."""


def shared(world: World, who: Ints, at: np.datetime64) -> Reals:
    """(n, media) true log odds but for a member's own: likings of genres, people and hidden directions, and noise."""
    return _log_odds(_tasteless(world, people=False), who, at)


def learnt(world: World, who: Ints, at: np.datetime64) -> Reals:
    """(n, media) log odds of whoever knows every other effect, of titles, people and moments, and learns what is left,
    a member's likings of genres and hidden directions, from the impressions before ``at`` by the world's own prior.

    The mode of the posterior stands for its mean; but for that, nothing that learns from the same log can know more.

    Raises:
        DataError: the world has no folder with its log.
    """
    if world.folder is None:
        raise DataError("the world has no log: load it from the folder that simulate wrote")
    log, blind = read_log(world, world.folder), _tasteless(world, people=True)
    kept = np.flatnonzero(log.at < at)
    kept = kept[np.argsort(log.who[kept], kind="stable")]
    person, media, device = log.who[kept], log.media[kept], log.device[kept]
    odds = logit(blind.truth.appeal(person, media, log.at[kept], device)) - _noise(world, person, media)
    seen, watched = examination(log.position[kept], device), log.watched[kept].astype(float)
    likings = np.hstack([GENRE_EFFECT * world.truth.catalogue.genre_mix, LATENT_EFFECT * world.truth.catalogue.latent])
    turned, now = _turned(world, person, log.at[kept]), _turned(world, who, np.full(len(who), at))
    found = _log_odds(blind, who, at)
    starts = np.searchsorted(person, [who, who + 1])
    for row, (begin, end) in enumerate(zip(*starts, strict=True)):
        mine = slice(begin, end)
        told = (turned[mine, :, None] * likings[media[mine], None, :]).reshape(-1, 3 * likings.shape[1])
        own = _mode(told, odds[mine], seen[mine], watched[mine]).reshape(3, -1)
        found[row] += likings @ (now[row] @ own)
    return found


def _tasteless(world: World, *, people: bool) -> World:
    """The world whose members like no genre and no hidden direction for themselves, nor people unless told so."""
    members, none = world.truth.members, np.zeros_like(world.truth.members.own)
    members = replace(members, own=none, turning=none, turned=none)
    if not people:
        actors, directors = (np.full_like(one, NOBODY) for one in (members.actors, members.directors))
        members = replace(members, actors=actors, directors=directors)
    return replace(world, truth=replace(world.truth, members=members))


def _noise(world: World, who: Ints, media: Ints) -> Reals:
    noise: Reals = world.config.traits.noise * pair_normal(world.config.seed, who, media)
    return noise


def _log_odds(world: World, who: Ints, at: np.datetime64) -> Reals:
    size = world.truth.catalogue.size
    noise = _noise(world, np.repeat(who, size), np.tile(np.arange(size), len(who)))
    odds: Reals = logit(true_matrix(world, who, at)) - noise.reshape(len(who), size)
    return odds


def _turned(world: World, who: Ints, at: Times) -> Reals:
    """(n, 3) how much of a taste its steady part, and the two that it turns between, are at those moments."""
    members, weeks = world.truth.members, (at - np.datetime64(world.config.start, "us")) / np.timedelta64(7, "D")
    one, none = np.ones((members.size, 1)), np.zeros((members.size, 1))
    parts = ((one, none, none), (none, one, none), (none, none, one))
    shares = [replace(members, own=a, turning=b, turned=c).taste(who, weeks) for a, b, c in parts]
    return np.concatenate(shares, axis=1)


def _mode(told: Reals, odds: Reals, seen: Reals, watched: Reals) -> Reals:
    """(d,) the likeliest coefficients of (n, d), each a standard normal before, where a watch needs a look too."""

    def loss(own: Reals) -> tuple[float, Reals]:
        appeal = expit(odds + told @ own)
        chance = np.clip(seen * appeal, SURE, 1 - SURE)
        value = own @ own / 2 - watched @ np.log(chance) - (1 - watched) @ np.log1p(-chance)
        slope = (chance - watched) / (chance * (1 - chance)) * seen * appeal * (1 - appeal)
        return float(value), told.T @ slope + own

    found: Reals = minimize(loss, np.zeros(told.shape[1]), jac=True, method="L-BFGS-B").x
    return found
