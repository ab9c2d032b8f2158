"""R6 Filters: what may not be shown to this member now. Each title that falls out has one reason, the first that holds.

A candidate carries the code of its reason, a place in ``REASONS``; words are made of it only where somebody asks.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pipelines.core.config import Config
from pipelines.core.contracts import Codes, Floats, Ids
from pipelines.rerank.fatigue import FLOOR, SPAN

SHOWN, GONE, EXCLUDED, WATCHED, WINDOW, RIGHTS, MATURITY, FATIGUE = REASONS = (
    "shown",
    "not in the catalogue any more",
    "excluded",
    "watched",
    "not on the platform now",
    "no rights in this country",
    "for older members",
    "shown too often without success",
)
"""What a code stands for, in the order in which filters are asked. 0: nothing hinders it."""

Flags = npt.NDArray[np.bool_]
Reasons = npt.NDArray[np.int8]

LEAST_AGE = {
    **dict.fromkeys(("G", "U", "TV-Y", "TV-G", "ALL", "0", "0+", "FSK 0", "E", "TP", "AL", "L"), 0),
    **dict.fromkeys(("3", "3+"), 3),
    **dict.fromkeys(("6", "6+", "FSK 6"), 6),
    **dict.fromkeys(("7", "7+", "TV-Y7", "TV-Y7-FV", "PG", "TV-PG"), 7),
    **dict.fromkeys(("9", "9+"), 9),
    **dict.fromkeys(("10", "10+", "E10+"), 10),
    **dict.fromkeys(("12", "12+", "12A", "FSK 12"), 12),
    **dict.fromkeys(("13", "13+", "PG-13", "T"), 13),
    **dict.fromkeys(("14", "14+", "TV-14"), 14),
    **dict.fromkeys(("15", "15+", "MA15+"), 15),
    **dict.fromkeys(("16", "16+", "FSK 16"), 16),
    **dict.fromkeys(("17", "17+", "R", "TV-MA", "M"), 17),
    **dict.fromkeys(("18", "18+", "FSK 18", "NC-17", "X", "R18", "R18+", "A", "AO"), 18),
}
"""The age in years from which each printed age advice lets a title be shown: the one table of it.

Where systems share a word (an R, an M, an A) it has the oldest age. PG and TV-PG ask for a parent's judgement up to 7.
"""


class FiltersConfig(Config):
    """Which of the filters that are a choice are on; rights, window and what the member asked not to see always are.

    maturity: hold a title's age advice against the member's age. most_without_success: a title that was shown so often
    within so many days, and not engaged with since, is not shown; None = however often. Where titles never tire anybody
    (worlds 11 and 12), 8 costs 0.2 % of expected watches, 5 0.9 %, 3 3.4 % and 2 7.5 %.
    """

    maturity: bool = True
    most_without_success: int | None = Field(default=8, ge=FLOOR)
    days: int = Field(default=14, ge=1, le=SPAN)


@dataclass(frozen=True)
class Bounds:
    """Where, when and to whom each title of a catalogue may be shown, (n,) each. least_ages: years, NaN = anybody."""

    opens: npt.NDArray[np.datetime64]
    closes: npt.NDArray[np.datetime64]
    rights: Sequence[list[str] | None]
    least_ages: Floats


@dataclass(frozen=True)
class Viewer:
    """Who asks, where and when, and the titles that are not for them."""

    at: datetime
    country: str | None
    age: object
    watched: AbstractSet[str]
    excluded: AbstractSet[str]
    tired: AbstractSet[str] = frozenset()


def hindered(bounds: Bounds, media: Ids, rows: Codes, viewer: Viewer, config: FiltersConfig) -> Reasons:
    """(n,) codes into REASONS of titles: 0 for what may be shown. rows: their places in ``bounds``, -1 = in none."""
    at = np.maximum(rows, 0)
    hindrances = [
        (GONE, rows < 0),
        (EXCLUDED, among(media, viewer.excluded)),
        (WATCHED, among(media, viewer.watched)),
        (WINDOW, off_platform(bounds.opens[at], bounds.closes[at], viewer.at)),
        (RIGHTS, without_rights([bounds.rights[row] for row in at.tolist()], viewer.country)),
    ]
    if config.maturity:
        hindrances.append((MATURITY, too_mature(bounds.least_ages[at], viewer.age)))
    if viewer.tired:
        hindrances.append((FATIGUE, among(media, viewer.tired)))
    return reasons(len(rows), hindrances)


def reasons(count: int, hindrances: Iterable[tuple[str, Flags]]) -> Reasons:
    """(count,) codes into REASONS: of the first hindrance that holds, 0 where none does."""
    found = np.zeros(count, dtype=np.int8)
    for reason, hit in hindrances:
        found[hit & (found == 0)] = REASONS.index(reason)
    return found


def given_way(found: Reasons, k: int) -> Reasons:
    """The same, but where fewer than ``k`` may be shown, the first of those that were shown too often may be after all:
    a page of what was seen before is better than none."""
    short = k - int((found == 0).sum())
    tired = np.flatnonzero(found == REASONS.index(FATIGUE))[: max(short, 0)]
    if len(tired):
        found = found.copy()
        found[tired] = 0
    return found


def among(media: Ids, hidden: AbstractSet[str]) -> Flags:
    """(n,) bool: the title is one of ``hidden``."""
    return np.fromiter((one in hidden for one in media.tolist()), dtype=bool, count=len(media))


def without_rights(countries: list[list[str] | None], country: str | None) -> Flags:
    """(n,) bool: not for ``country``. Null rights mean everywhere; an unknown country sees only those."""
    return np.array([held is not None and country not in held for held in countries], dtype=bool)


def off_platform(opens: np.ndarray, closes: np.ndarray, at: datetime) -> Flags:
    """(n,) bool: ``at`` lies outside [opens, closes) of each title, (n,) datetime64 UTC each; NaT bounds nothing."""
    moment = np.datetime64(at.astimezone(UTC).replace(tzinfo=None), "us")
    return np.asarray((opens > moment) | (closes <= moment))


def least_ages(ratings: Ids) -> Floats:
    """(n,) years from which each printed age advice lets a title be shown; NaN where it is absent or unknown."""
    printed = ratings.tolist()
    known = {rating: LEAST_AGE.get(str(rating).strip().upper(), np.nan) for rating in set(printed)}
    return np.array([known[rating] for rating in printed], dtype=np.float64)


def too_mature(least: Floats, age: object) -> Flags:
    """(n,) bool: for older members than one of ``age`` years. An unknown age or advice filters nothing."""
    years = float(age) if isinstance(age, (int, float, np.number)) else np.nan
    return np.asarray(least > years)
