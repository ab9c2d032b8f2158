"""The members: who they are, how they visit, and the tastes they bring, which turn slowly over the weeks."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.simulation.config import WorldConfig
from pipelines.simulation.geography import COUNTRIES, LANGUAGE_CODE, LANGUAGES, MEMBER_SHARE, ZONE_CODE
from pipelines.simulation.randomness import stream
from pipelines.simulation.vocabulary import GENRES, MATURITY
from pipelines.simulation.works import LATENT, Ints, Reals, people

DEVICES = ("tv", "phone", "tablet", "desktop")
GENDERS = ("female", "male", "non-binary")
TASTES = len(GENRES) + LATENT
"""A member's taste vector: a liking for each genre, then the directions that no metadata shows."""
NEW_A_DAY = 0.005
AGE_EDGES = (18, 30, 45, 60)


@dataclass(frozen=True)
class Members:
    """One row a member. ``own``, ``turning`` and ``turned`` make up the taste; see ``taste``."""

    joined_at: npt.NDArray[np.datetime64]
    age: Ints
    gender: Ints
    country: Ints
    language: Ints
    zone: Ints
    devices: Reals
    activity: Reals
    group_taste: Reals
    own: Reals
    turning: Reals
    turned: Reals
    angle: Reals
    language_taste: Reals
    maturity_taste: Reals
    actors: Ints
    directors: Ints
    steady: float

    @property
    def size(self) -> int:
        return len(self.age)

    def ids(self) -> npt.NDArray[np.object_]:
        return np.array([f"u{n:07d}" for n in range(self.size)], dtype=object)

    def taste(self, who: Ints, weeks: Reals) -> Reals:
        """(n, TASTES) personal taste of members at a time in weeks since the world began; unit variance always.

        A steady share stays; the other rotates between two vectors of the member's own at the member's own pace.
        """
        turn = (self.angle[who] * weeks)[:, None]
        moving = self.turning[who] * np.cos(turn) + self.turned[who] * np.sin(turn)
        mixed: Reals = self.steady**0.5 * self.own[who] + (1 - self.steady) ** 0.5 * moving
        return mixed

    def liked_genres(self, who: Ints, weeks: Reals, k: int, rng: np.random.Generator) -> Ints:
        """(n, k) codes of genres that members would name if asked at that time: mostly those they like most."""
        liking = self.taste(who, weeks)[:, : len(GENRES)] + self.group_taste[who]
        named: Ints = np.argsort(-(liking + 0.3 * rng.gumbel(size=liking.shape)), axis=1)[:, :k]
        return named


def build(config: WorldConfig) -> Members:
    """Draw every member that the world will ever have; those yet to join have a later ``joined_at``."""
    rng, size = stream(config.seed, "members"), config.members
    country = rng.choice(len(COUNTRIES), size, p=MEMBER_SHARE / MEMBER_SHARE.sum())
    age = np.clip(rng.gamma(6.0, 6.5, size), 13, 88).astype(np.int64)
    gender = rng.choice(3, size, p=(0.49, 0.49, 0.02))
    language = _languages(rng, country)
    hired = people(config)
    return Members(
        joined_at=_joined(rng, config),
        age=age,
        gender=gender,
        country=country,
        language=language,
        zone=_zones(rng, country),
        devices=rng.dirichlet((1.2, 1.0, 0.35, 0.5), size),
        activity=rng.gamma(1.6, 1 / 1.6, size),
        group_taste=_group_taste(config, age, gender, country),
        own=rng.normal(size=(size, TASTES)).astype(np.float32),
        turning=rng.normal(size=(size, TASTES)).astype(np.float32),
        turned=rng.normal(size=(size, TASTES)).astype(np.float32),
        angle=rng.gamma(4.0, config.traits.turn / 4.0, size),
        language_taste=_language_taste(rng, language),
        maturity_taste=rng.normal(0, 0.15, (size, len(MATURITY))) + _maturity_prior(age),
        actors=rng.choice(len(hired.actors), (size, 3), p=hired.actors),
        directors=rng.choice(len(hired.directors), (size, 2), p=hired.directors),
        steady=config.traits.steady,
    )


def _joined(rng: np.random.Generator, config: WorldConfig) -> npt.NDArray[np.datetime64]:
    """Seconds exact; most joined before the world began, some join on its days."""
    new = rng.random(config.members) < 1 - np.exp(-NEW_A_DAY * config.days)
    before = -rng.exponential(400 * 86400, config.members)
    seconds = np.where(new, rng.random(config.members) * config.days * 86400, before).astype(np.int64)
    return np.datetime64(config.start, "us") + seconds.astype("timedelta64[s]")


def _languages(rng: np.random.Generator, country: Ints) -> Ints:
    first = np.array([LANGUAGE_CODE[c.languages[0]] for c in COUNTRIES])[country]
    second = np.array([LANGUAGE_CODE[c.languages[-1]] for c in COUNTRIES])[country]
    return np.where(rng.random(len(country)) < 0.15, second, first)


def _zones(rng: np.random.Generator, country: Ints) -> Ints:
    zones = [rng.choice([ZONE_CODE[z] for z in c.zones], len(country)) for c in COUNTRIES]
    return np.stack(zones)[country, np.arange(len(country))]


def _group_taste(config: WorldConfig, age: Ints, gender: Ints, country: Ints) -> Reals:
    """(n, genres) what age, gender and country say about genres, the same for everyone alike."""
    rng = stream(config.seed, "groups")
    by_age, by_gender, by_country = (rng.normal(size=(n, len(GENRES))) for n in (len(AGE_EDGES) + 1, 3, len(COUNTRIES)))
    crossed = rng.normal(size=(len(AGE_EDGES) + 1, 3, len(GENRES)))
    group = np.digitize(age, AGE_EDGES)
    mixed: Reals = (
        0.6 * by_age[group] + 0.45 * by_gender[gender] + 0.4 * by_country[country] + 0.35 * crossed[group, gender]
    )
    spread: Reals = mixed - 0.9 * mixed.mean(axis=0)
    return spread


def _language_taste(rng: np.random.Generator, language: Ints) -> Reals:
    """(n, languages) log odds by a title's language: one's own, English where it is understood, at times a love."""
    size = len(language)
    taste = rng.normal(-1.3, 0.3, (size, len(LANGUAGES)))
    english = rng.random(size) < 0.65
    taste[english, LANGUAGE_CODE["en"]] = rng.normal(0.0, 0.25, int(english.sum()))
    loves = rng.random(size) < 0.25
    taste[loves, rng.integers(0, len(LANGUAGES), size)[loves]] = 0.6
    taste[np.arange(size), language] = 0.5
    return taste


def _maturity_prior(age: Ints) -> Reals:
    """(n, ratings) the young and the grown differ in what age advice they pick."""
    lean = np.clip((age[:, None] - 32) / 25, -1, 1)
    prior: Reals = lean * np.array([-0.5, -0.2, 0.1, 0.4])
    return prior
