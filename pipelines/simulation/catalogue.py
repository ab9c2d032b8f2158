"""The catalogue as numbers: what the truth, the policy and the printed table all read."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.simulation.config import WorldConfig
from pipelines.simulation.randomness import stream
from pipelines.simulation.vocabulary import GENRES
from pipelines.simulation.works import LATENT, Ints, Reals, Works, draw_works

GENRE_WEIGHTS = np.array([0.6, 0.28, 0.12])
LICENSED = 0.06
"""Share of works whose licence ends, on some day of the world or of as many days after it."""
SHORTEST_LICENCE = 30


@dataclass(frozen=True)
class Catalogue:
    """One row a media. ``work`` and ``works`` say what it belongs to; the other arrays are its own."""

    works: Works
    work: Ints
    season: Ints
    episode: Ints
    duration: Reals
    genre_mix: Reals
    latent: Reals
    quality: Reals
    fame: Reals
    platform_at: npt.NDArray[np.datetime64]
    leaves_at: npt.NDArray[np.datetime64]
    """NaT where a title stays."""

    @property
    def size(self) -> int:
        return len(self.work)

    @property
    def is_episode(self) -> npt.NDArray[np.bool_]:
        return self.season > 0

    def ids(self) -> npt.NDArray[np.object_]:
        return np.array([f"m{n:06d}" for n in range(self.size)], dtype=object)

    def showable(self, at: np.datetime64, country: Ints) -> npt.NDArray[np.bool_]:
        """(n, media) which media may be shown to members in these countries at that moment."""
        there = (self.platform_at <= at) & ~(self.leaves_at <= at)
        allowed: npt.NDArray[np.bool_] = self.works.rights[self.work].T[country] & there
        return allowed


def build(config: WorldConfig) -> Catalogue:
    """Draw the works and expand series into episodes until the catalogue has its size."""
    works = draw_works(config, config.media_count)
    parts = np.where(works.seasons > 0, works.seasons * works.episodes, 1)
    work = np.repeat(np.arange(config.media_count), parts)[: config.media_count]
    place = (np.arange(len(parts[work])) - np.repeat(np.cumsum(parts) - parts, parts)[: config.media_count]).astype(int)
    series = works.seasons[work] > 0
    rng = stream(config.seed, "media")
    size = config.media_count
    start = np.datetime64(config.start, "us")
    return Catalogue(
        works=works,
        work=work,
        season=np.where(series, place // works.episodes[work] + 1, 0),
        episode=np.where(series, place % works.episodes[work] + 1, 0),
        duration=_durations(rng, work, series),
        genre_mix=_genre_mix(works.genres)[work],
        latent=works.latent[work] + np.where(series[:, None], 0.25, 0.0) * rng.normal(size=(size, LATENT)),
        quality=np.where(series, 0.65 * works.quality[work] + 0.5 * rng.normal(size=size), works.quality[work]),
        fame=works.fame[work],
        platform_at=start + works.platform_day[work].astype("timedelta64[D]"),
        leaves_at=(start + _leaves_day(config, works.platform_day))[work],
    )


def _leaves_day(config: WorldConfig, platform_day: Ints) -> npt.NDArray[np.timedelta64]:
    """(works,) the day of the world on which a work's licence ends, NaT for those that stay; a series leaves whole."""
    rng = stream(config.seed, "licences")
    ends = np.maximum(rng.integers(1, 2 * config.days + 1, len(platform_day)), platform_day + SHORTEST_LICENCE)
    return np.where(rng.random(len(platform_day)) < LICENSED, ends.astype("timedelta64[D]"), np.timedelta64("NaT"))


def _durations(rng: np.random.Generator, work: Ints, series: npt.NDArray[np.bool_]) -> Reals:
    """Seconds: films about 100 minutes, episodes of a series near its own length."""
    typical = rng.choice([24.0, 45.0, 55.0], size=int(work[-1]) + 1)[work]
    minutes = np.where(series, typical + rng.normal(0, 2, len(work)), np.clip(rng.normal(104, 18, len(work)), 70, 190))
    seconds: Reals = np.round(minutes * 60)
    return seconds


def _genre_mix(genres: Ints) -> Reals:
    """(works, genres) shares that sum to 1, the main genre weighing most."""
    weights = np.where(genres >= 0, GENRE_WEIGHTS, 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    mix = np.zeros((len(genres), len(GENRES)))
    for place in range(3):
        np.add.at(mix, (np.arange(len(genres)), genres[:, place]), weights[:, place])
    return mix
