"""The catalogue in print: every column of the canonical media table, in words."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.core.tables import MEDIA
from pipelines.simulation.catalogue import Catalogue
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.events import table, where
from pipelines.simulation.geography import COUNTRIES, LANGUAGES
from pipelines.simulation.randomness import stream
from pipelines.simulation.vocabulary import (
    FAMILY,
    GENRES,
    GIVEN,
    HEROES,
    MATURITY,
    PERIODS,
    PLACES,
    STUDIOS,
    SYLLABLES,
    THEMES,
)
from pipelines.simulation.works import Ints, Works

Words = npt.NDArray[np.object_]
COUNTRY_CODES = np.array([c.code for c in COUNTRIES], dtype=object)


def media_table(config: WorldConfig, catalogue: Catalogue) -> pa.Table:
    """One row a media; what does not apply (a film's season) or is not known is null."""
    work, works = catalogue.work, catalogue.works
    titles = _titles(config, works)
    columns = _numbers(catalogue) | _words(config, works, titles, work) | _dates(catalogue) | _public(config, catalogue)
    return table(
        MEDIA,
        columns
        | {
            "media_id": catalogue.ids(),
            "title": _shown(titles[work], catalogue),
            "available_at": catalogue.platform_at,
            "platform_at": catalogue.platform_at,
            "leaves_at": catalogue.leaves_at,
        },
    )


def person(code: int) -> str:
    """The name of a person by code; directors, creators and composers count on from 10,000."""
    generation = code // (len(GIVEN) * len(FAMILY)) % 9
    name = f"{GIVEN[code * 7 % len(GIVEN)]} {FAMILY[(code * 5 + code // len(GIVEN)) % len(FAMILY)]}"
    return name if not generation else f"{name} {('II', 'III', 'IV', 'V', 'VI', 'VII', 'VIII', 'IX')[generation - 1]}"


def director(code: int) -> str:
    """The name of a director, creator or composer by code."""
    return person(10_000 + code)


def _numbers(catalogue: Catalogue) -> dict[str, Words]:
    episode = catalogue.is_episode
    return {
        "kind": np.where(episode, "episode", "film").astype(object),
        "series_id": where(episode, [f"series{n:05d}" for n in catalogue.work]),
        "season_number": where(episode, catalogue.season.tolist()),
        "episode_number": where(episode, catalogue.episode.tolist()),
        "duration_seconds": catalogue.duration.astype(object),
    }


def _words(config: WorldConfig, works: Works, titles: Words, work: Ints) -> dict[str, Words]:
    """What is said of a work, repeated on each of its media."""
    country = COUNTRY_CODES[works.country]
    said: dict[str, list[object]] = {
        "original_title": list(_original(config, works, titles)),
        "synopsis": list(_synopses(config, works)),
        "genres": [[GENRES[g] for g in row if g >= 0] for row in works.genres],
        "tags": list(_tags(config, works)),
        "actors": [[person(a) for a in row] for row in works.actors.tolist()],
        "director": [director(d) for d in works.director.tolist()],
        "creator": [director(d) for d in works.creator.tolist()],
        "composer": [director(5_000 + d) if d >= 0 else None for d in works.composer.tolist()],
        "distributor": [STUDIOS[s] for s in works.studio],
        "original_language": [LANGUAGES[code] for code in works.language],
        "country_of_origin": list(country),
        "release_country": list(np.where(works.remake_years > 0, "US", country)),
        "maturity_rating": [MATURITY[m] for m in works.maturity],
        "period_setting": [PERIODS[p] for p in works.period],
        "rights_countries": [None if row.all() else COUNTRY_CODES[row].tolist() for row in works.rights],
    }
    return {name: _objects(values)[work] for name, values in said.items()}


def _dates(catalogue: Catalogue) -> dict[str, npt.NDArray[np.generic]]:
    """Release before the platform: originals on the day itself, later seasons a year apart, cinema films years ago."""
    work, works = catalogue.work, catalogue.works
    arrival = catalogue.platform_at.astype("datetime64[D]")
    original = ~works.cinema[work] & (works.lag_days[work] % 2 == 0)
    back = np.where(original, 0, works.lag_days[work]) - np.maximum(catalogue.season - 1, 0) * 365
    release = arrival - np.maximum(back, 0).astype("timedelta64[D]")
    year = release.astype("datetime64[Y]").astype(np.int64) + 1970
    cases = [original, works.cinema[work], works.lag_days[work] % 5 == 0]
    kind = np.select(cases, ["streaming", "cinema", "festival"], "broadcast")
    return {
        "release_date": _days(release),
        "release_year": year,
        "first_release_year": year - works.remake_years[work],
        "release_type": kind.astype(object),
    }


def _public(config: WorldConfig, catalogue: Catalogue) -> dict[str, Words]:
    """The public's rating follows quality, revenue follows fame; both only partly."""
    rng, works = stream(config.seed, "public"), catalogue.works
    size = len(works.fame)
    rating = np.round(np.clip(6.3 + 0.8 * works.quality + 0.5 * rng.normal(size=size), 1, 9.8), 1)
    revenue = np.round(np.exp(16.5 + 1.1 * works.fame + 0.8 * rng.normal(size=size)), -3)
    rated, earned = rng.random(size) > 0.05, works.cinema & (rng.random(size) > 0.1)
    return {
        "public_rating": where(rated, rating.tolist())[catalogue.work],
        "revenue": where(earned, revenue.tolist())[catalogue.work],
    }


def _titles(config: WorldConfig, works: Works) -> Words:
    rng = stream(config.seed, "titles")
    made = []
    for genre, place, draw in zip(works.genres[:, 0], works.director, rng.random((len(works.fame), 4)), strict=True):
        adjectives, nouns, _ = THEMES[GENRES[genre]]
        first, noun = _pick(adjectives, draw[0]), _pick(nouns, draw[1])
        patterns = (
            f"The {first} {noun}",
            f"{first} {noun}",
            f"{noun} of {_pick(FAMILY, draw[2])}",
            f"{_pick(GIVEN, draw[2])}'s {noun}",
            f"{first} {noun} {place % 4 + 2}",
        )
        made.append(_pick(patterns, draw[3]))
    return _objects(made)


def _shown(titles: Words, catalogue: Catalogue) -> Words:
    parts = zip(titles, catalogue.season.tolist(), catalogue.episode.tolist(), strict=True)
    return _objects([f"{title}: season {s}, episode {e}" if s else title for title, s, e in parts])


def _original(config: WorldConfig, works: Works, titles: Words) -> Words:
    """The English title, or words in the sounds of the work's own language."""
    rng = stream(config.seed, "original titles")
    made: list[object] = []
    for language, title, draw in zip(works.language, titles, rng.random((len(titles), 6)), strict=True):
        sounds = SYLLABLES.get(LANGUAGES[language])
        words = [] if sounds is None else ["".join(_pick(sounds, d) for d in half) for half in (draw[:2], draw[2:])]
        made.append(" ".join(words).capitalize() or title)
    return _objects(made)


def _synopses(config: WorldConfig, works: Works) -> Words:
    rng = stream(config.seed, "synopses")
    made: list[object] = []
    for genres, period, draw in zip(works.genres, works.period, rng.random((len(works.fame), 5)), strict=True):
        main, other = THEMES[GENRES[genres[0]]][2], THEMES[GENRES[genres[max(int((genres >= 0).sum()) - 1, 0)]]][2]
        made.append(
            f"In {_pick(PLACES, draw[0])} ({PERIODS[period]}), {_pick(HEROES, draw[1])} must face "
            f"{_pick(main, draw[2])} and {_pick(main, draw[3])}. "
            f"A story of {_pick(other, draw[4])} told as {GENRES[genres[0]]}."
        )
    return _objects(made)


def _tags(config: WorldConfig, works: Works) -> Words:
    rng = stream(config.seed, "tags")
    made: list[object] = []
    for genres, draw in zip(works.genres, rng.random((len(works.fame), 3)), strict=True):
        words = [_pick(THEMES[GENRES[g]][2], d) for g, d in zip(genres, draw, strict=True) if g >= 0]
        made.append(sorted(set(words)))
    return _objects(made)


def _pick(words: tuple[str, ...], draw: float) -> str:
    return words[int(draw * len(words))]


def _objects(values: list[object] | list[str]) -> Words:
    """An object array of any values, lists kept whole."""
    return np.fromiter(values, dtype=object, count=len(values))


def _days(values: npt.NDArray[np.datetime64]) -> pa.Array:
    return pa.array(values.astype("datetime64[D]"))
