"""Slices: the parts of the membership in which nobody may be worse off, by a word a member.

A slice is of members, never of rows, so that pages, lists and rows of one member count in the same part. What is of the
title or the moment becomes the member's own: the device on which they were mostly met on the test days, the main genre
and the age advice of what they mostly watched before. Everything else is what was known before the first test day.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipelines.core.contracts import History

SLICES = ("tenure", "warmth", "age_band", "gender", "device", "country", "genre", "maturity")
UNKNOWN = "unknown"
"""A part like any other: those of whom nothing is known may not be worse off either."""
NEW = timedelta(days=28)
"""A member who joined less than this before the first test day is new."""
COLD = 5
"""A member who engaged with fewer titles than this before the first test day is cold."""
BANDS = ((0, "under 18"), (18, "18-24"), (25, "25-34"), (35, "35-44"), (45, "45-54"), (55, "55-64"), (65, "65+"))


@dataclass(frozen=True)
class Facts:
    """What slices are cut by. at: the beginning of the test. histories: by member, as known then. joined: by member.

    devices: by member, the device of each impression of theirs on the test days. genres, ratings: by media, the main
    genre and the age advice. What is not known is left out.
    """

    at: datetime
    histories: Mapping[str, History]
    joined: Mapping[str, datetime] = field(default_factory=dict)
    devices: Mapping[str, str] = field(default_factory=dict)
    genres: Mapping[str, str] = field(default_factory=dict)
    ratings: Mapping[str, str] = field(default_factory=dict)


def label(members: Iterable[str], facts: Facts) -> dict[str, dict[str, str]]:
    """Every slice by name: the word of each member."""
    found: dict[str, dict[str, str]] = {name: {} for name in SLICES}
    for member in members:
        for name, word in _words(member, facts).items():
            found[name][member] = word
    return found


def _words(member: str, facts: Facts) -> dict[str, str]:
    history = facts.histories.get(member, History())
    known, watched = history.context, history.media
    return {
        "tenure": _tenure(facts.joined.get(member), facts.at),
        "warmth": "cold" if len(watched) < COLD else "warm",
        "age_band": age_band(known.get("age")),
        "gender": _word(known.get("gender")),
        "device": facts.devices.get(member, UNKNOWN),
        "country": _word(known.get("country")),
        "genre": mostly(facts.genres.get(media) for media in watched),
        "maturity": mostly(facts.ratings.get(media) for media in watched),
    }


def age_band(age: object) -> str:
    """The band of BANDS that an age falls into."""
    if not isinstance(age, int | float) or not age >= 0:
        return UNKNOWN
    return [word for least, word in BANDS if age >= least][-1]


def mostly(words: Iterable[str | None]) -> str:
    """The commonest word, of equally common ones the first in the alphabet; UNKNOWN where there is none."""
    counts = Counter(word for word in words if word)
    return min(counts, key=lambda word: (-counts[word], word)) if counts else UNKNOWN


def _tenure(joined: datetime | None, at: datetime) -> str:
    if joined is None:
        return UNKNOWN
    return "new" if joined > at - NEW else "settled"


def _word(value: object) -> str:
    return value if isinstance(value, str) and value else UNKNOWN
