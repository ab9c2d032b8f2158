"""Works: the films and series that a catalogue is expanded from, and the people who make them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from pipelines.simulation.config import WorldConfig
from pipelines.simulation.geography import COUNTRIES, FILM_SHARE, LANGUAGE_CODE
from pipelines.simulation.randomness import stream
from pipelines.simulation.vocabulary import GENRE_SHARE, GENRES, MATURITY, PERIODS, STUDIOS

Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]
CAST = 4
LATENT = 6
SERIES_SHARE = 0.07
NEW_A_DAY = 0.004
"""Share of the catalogue that arrives on a day of the world."""


@dataclass(frozen=True)
class Works:
    """One row a work. Codes index vocabulary and geography; -1 is none."""

    seasons: Ints
    episodes: Ints
    genres: Ints
    actors: Ints
    director: Ints
    creator: Ints
    composer: Ints
    studio: Ints
    country: Ints
    language: Ints
    period: Ints
    maturity: Ints
    quality: Reals
    fame: Reals
    latent: Reals
    cinema: npt.NDArray[np.bool_]
    platform_day: Ints
    lag_days: Ints
    remake_years: Ints
    rights: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class People:
    """How many people there are, and how often each is hired."""

    actors: Reals
    directors: Reals


def people(config: WorldConfig) -> People:
    """Hiring shares of actors and directors: a few are everywhere."""
    return People(*(_zipf(n) for n in (config.media_count // 3 + 20, config.media_count // 10 + 8)))


def draw_works(config: WorldConfig, count: int) -> Works:
    """``count`` works; fewer media would leave the catalogue short, so the caller asks for enough."""
    rng = stream(config.seed, "works")
    hired = people(config)
    country = rng.choice(len(COUNTRIES), count, p=FILM_SHARE / FILM_SHARE.sum())
    series = rng.random(count) < SERIES_SHARE
    fame = rng.normal(size=count)
    language = _language(rng, country)
    rights = rng.random((count, len(COUNTRIES))) < 0.6
    rights[rng.random(count) < 0.8] = True
    rights[np.arange(count), country] = True
    return Works(
        seasons=np.where(series, rng.integers(1, 4, count), 0),
        episodes=np.where(series, rng.integers(3, 7, count), 1),
        genres=_genres(rng, count),
        actors=_cast(rng, hired.actors, count),
        director=rng.choice(len(hired.directors), count, p=hired.directors),
        creator=rng.choice(len(hired.directors), count, p=hired.directors),
        composer=np.where(rng.random(count) < 0.1, -1, rng.integers(0, len(hired.directors), count)),
        studio=rng.choice(len(STUDIOS), count, p=_zipf(len(STUDIOS))),
        country=country,
        language=language,
        period=np.where(rng.random(count) < 0.6, PERIODS.index("present day"), rng.integers(0, len(PERIODS), count)),
        maturity=rng.choice(len(MATURITY), count, p=(0.15, 0.25, 0.35, 0.25)),
        quality=_normal_scores(0.5 * fame + 0.87 * rng.normal(size=count), 2 * series + (language == 0)),
        fame=fame,
        latent=rng.normal(size=(count, LATENT)),
        cinema=~series & (rng.random(count) < 0.7),
        platform_day=_platform_day(rng, config, count),
        lag_days=rng.exponential(1500, count).astype(np.int64) + 30,
        remake_years=np.where(rng.random(count) < 0.06, rng.integers(15, 60, count), 0),
        rights=rights,
    )


def _zipf(count: int) -> Reals:
    weight = 1.0 / (np.arange(count) + 4.0) ** 0.8
    shares: Reals = weight / weight.sum()
    return shares


def _normal_scores(values: Reals, group: Ints) -> Reals:
    """The same order within each group, spread as a standard normal exactly: no world is better by luck."""
    scores = np.zeros(len(values))
    for rows in (np.flatnonzero(group == g) for g in np.unique(group)):
        ranks = np.argsort(np.argsort(values[rows])) + 0.5
        scores[rows] = ndtri(ranks / len(rows))
    return scores


def _genres(rng: np.random.Generator, count: int) -> Ints:
    """(count, 3) distinct genre codes, the main one first, -1 where a work has fewer."""
    share = np.log(np.array(GENRE_SHARE))
    order = np.argsort(-(share + rng.gumbel(size=(count, len(GENRES)))), axis=1)[:, :3]
    have = rng.choice(3, count, p=(0.35, 0.45, 0.2)) + 1
    return np.where(np.arange(3) < have[:, None], order, -1)


def _cast(rng: np.random.Generator, hired: Reals, count: int) -> Ints:
    """(count, CAST) distinct actors in billing order."""
    keys = np.log(hired) + rng.gumbel(size=(count, len(hired)))
    return np.argsort(-keys, axis=1)[:, :CAST]


def _language(rng: np.random.Generator, country: Ints) -> Ints:
    """The maker's first language, now and then English."""
    first = np.array([LANGUAGE_CODE[c.languages[0]] for c in COUNTRIES])[country]
    return np.where(rng.random(len(country)) < 0.12, LANGUAGE_CODE["en"], first)


def _platform_day(rng: np.random.Generator, config: WorldConfig, count: int) -> Ints:
    """The day of the world on which a work arrives; negative for what was there before it."""
    new = rng.random(count) < 1 - np.exp(-NEW_A_DAY * config.days)
    before = -1 - rng.exponential(250, count).astype(np.int64)
    return np.where(new, rng.integers(0, config.days, count), before)
