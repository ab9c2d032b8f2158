"""The true probability of a watch, for any member, media and moment. For exams only: the product never asks it.

A *watch* here is a completion above 0.8. ``appeal`` is P(watch | the member examined the title); whether a title in
some position is examined at all is ``examination``, which knows only position and device. So
P(watch | shown at position) = examination x appeal, and the order of titles by appeal does not depend on position.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pipelines.simulation import calendar
from pipelines.simulation.catalogue import Catalogue
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.members import DEVICES, Members
from pipelines.simulation.randomness import pair_normal, stream
from pipelines.simulation.vocabulary import GENRES
from pipelines.simulation.works import Ints, Reals

Times = npt.NDArray[np.datetime64]
GENRE_EFFECT, GROUP_EFFECT, LATENT_EFFECT = 0.8, 1.0, 0.22
QUALITY_EFFECT, ACTOR_EFFECT, DIRECTOR_EFFECT = 0.96, 0.45, 0.45
FRESH_EFFECT, FRESH_DAYS = 0.6, 12.0
DEVICE_EFFECT = np.array([0.15, -0.1, 0.0, 0.0])
LENGTH_EFFECT = np.array([0.0, -0.5, -0.3, -0.15])
"""How much each doubling beyond 45 minutes takes from the log odds, by device."""
EXAMINED_FIRST = 0.95
EXAMINED_DECAY = np.array([0.07, 0.12, 0.09, 0.08])
"""How fast attention falls with position, by device."""
CHUNK, SAMPLE = 100_000, 20_000


@dataclass(frozen=True)
class Truth:
    """Everything that decides a watch."""

    config: WorldConfig
    members: Members
    catalogue: Catalogue
    mood: Reals
    """(dayparts, genres) what each time of day adds to each genre."""
    base: float = 0.0
    """What is added to all log odds, so that the mean appeal is the one the difficulty asks for."""

    def appeal(self, who: Ints, media: Ints, at: Times, device: Ints) -> Reals:
        """(n,) P(completion > 0.8 | examined), for codes of members, media and devices at moments in UTC."""
        spans = (slice(i, i + CHUNK) for i in range(0, len(who), CHUNK))
        parts = [self.log_odds(who[s], media[s], at[s], device[s]) for s in spans]
        odds = np.concatenate(parts) if parts else np.zeros(0)
        chance: Reals = 1 / (1 + np.exp(-odds))
        return chance

    def log_odds(self, who: Ints, media: Ints, at: Times, device: Ints) -> Reals:
        """(n,) the log odds of a watch once examined."""
        noise = self.config.traits.noise * pair_normal(self.config.seed, who, media)
        lasting = self._taste(who, media, at) + self._people(who, media) + self._fit(who, media)
        total: Reals = self.base + lasting + noise + self._context(who, media, at, device)
        return total

    def _taste(self, who: Ints, media: Ints, at: Times) -> Reals:
        """Liking of genres, by group and by person, and the latent directions that no metadata shows."""
        taste = self.members.taste(who, self._weeks(at))
        mix, split = self.catalogue.genre_mix[media], len(GENRES)
        genres = GENRE_EFFECT * taste[:, :split] + GROUP_EFFECT * self.members.group_taste[who]
        hidden = LATENT_EFFECT * np.einsum("nd,nd->n", taste[:, split:], self.catalogue.latent[media])
        liked: Reals = np.einsum("ng,ng->n", genres, mix) + hidden
        return liked

    def _people(self, who: Ints, media: Ints) -> Reals:
        """Favourite actors, those billed first the most, and favourite directors."""
        work = self.catalogue.work[media]
        cast = self.catalogue.works.actors[work]
        known = (self.members.actors[who][:, :, None] == cast[:, None, :]).any(axis=1)
        starring = known @ np.array([1.0, 0.8, 0.5, 0.4])
        directed = (self.members.directors[who] == self.catalogue.works.director[work][:, None]).any(axis=1)
        drawn: Reals = ACTOR_EFFECT * np.minimum(starring, 1.5) + DIRECTOR_EFFECT * directed
        return drawn

    def _fit(self, who: Ints, media: Ints) -> Reals:
        """Quality, and how language and age advice suit the member."""
        work = self.catalogue.work[media]
        suited: Reals = (
            QUALITY_EFFECT * self.catalogue.quality[media]
            + self.members.language_taste[who, self.catalogue.works.language[work]]
            + self.members.maturity_taste[who, self.catalogue.works.maturity[work]]
        )
        return suited

    def _context(self, who: Ints, media: Ints, at: Times, device: Ints) -> Reals:
        """Time of day, weekend, holiday, freshness, and length against the device in hand."""
        hour, weekday = calendar.local_hours(at, self.members.zone[who])
        mood = self.mood[(hour // 6).astype(np.int64)]
        moved = np.einsum("ng,ng->n", mood, self.catalogue.genre_mix[media])
        festive = self.catalogue.genre_mix[media][:, [GENRES.index("family"), GENRES.index("animation")]].sum(axis=1)
        age = (at - self.catalogue.platform_at[media]) / np.timedelta64(1, "D")
        fresh = np.where(age >= 0, FRESH_EFFECT * np.exp(-np.maximum(age, 0) / FRESH_DAYS), 0.0)
        long = LENGTH_EFFECT[device] * np.maximum(np.log2(self.catalogue.duration[media] / 2700), 0)
        film_weekend = 0.2 * ((weekday >= 5) & ~self.catalogue.is_episode[media])
        holiday = 0.6 * festive * calendar.holiday_flags(at)
        moment: Reals = moved + fresh + long + film_weekend + holiday + DEVICE_EFFECT[device]
        return moment

    def _weeks(self, at: Times) -> Reals:
        weeks: Reals = (at - np.datetime64(self.config.start, "us")) / np.timedelta64(7, "D")
        return weeks


def build(config: WorldConfig, members: Members, catalogue: Catalogue) -> Truth:
    """The truth of a world, at the level of appeal that its difficulty asks for."""
    mood = stream(config.seed, "moods").normal(0, 0.35, (calendar.DAYPARTS, len(GENRES)))
    return _levelled(Truth(config, members, catalogue, mood))


def _levelled(truth: Truth) -> Truth:
    """The truth with the base that gives the wanted mean appeal on a sample of pairs, found by bisection."""
    rng = stream(truth.config.seed, "level")
    who, media = rng.integers(0, truth.members.size, SAMPLE), rng.integers(0, truth.catalogue.size, SAMPLE)
    at = np.full(SAMPLE, np.datetime64(truth.config.start, "us") + np.timedelta64(20, "h"))
    odds = truth.log_odds(who, media, at, main_device(truth.members, who))
    low, high = -12.0, 4.0
    for _ in range(40):
        middle = (low + high) / 2
        above = float((1 / (1 + np.exp(-(odds + middle)))).mean()) > truth.config.traits.appeal
        low, high = (low, middle) if above else (middle, high)
    return replace(truth, base=low)


def examination(position: Ints, device: Ints) -> Reals:
    """(n,) P(the member looks at this position), 0 = first."""
    seen: Reals = EXAMINED_FIRST * np.exp(-EXAMINED_DECAY[device] * position)
    return seen


def main_device(members: Members, who: Ints) -> Ints:
    """(n,) the device each member holds most often."""
    devices: Ints = np.argmax(members.devices[who], axis=1)
    return devices


__all__ = ["DEVICES", "Truth", "build", "examination", "main_device"]
