"""What members do: when they visit, and what becomes of a title that they are shown."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from pipelines.simulation import calendar
from pipelines.simulation.members import Members
from pipelines.simulation.works import Ints, Reals

WATCHED = 0.8
"""Completion above which a watch is a watch (T1)."""
BOUNCE = 0.02
"""Share of examined titles that are opened and left at once."""
SECOND_PAGE = 0.25
SEARCH = 0.12
"""Share of visits in which the member searches."""
SURFACES, BROWSED = ("home", "browse"), 0.2
"""Where pages are asked for, and the share of them that a member reached by browsing."""


@dataclass(frozen=True)
class Visits:
    """One row a session, in order of time. ``second`` is the second of the UTC day."""

    who: Ints
    second: Ints
    device: Ints
    pages: Ints
    searches: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Outcomes:
    """(n,) completion of what was played (0 = not played), and whether it was opened."""

    completion: Reals
    clicked: npt.NDArray[np.bool_]


def visits(rng: np.random.Generator, members: Members, day: date, rate: float) -> Visits:
    """The sessions of a day, ``rate`` a member on a mean day, only of members who joined before their visit."""
    expected = rate * calendar.visit_rate(day) * members.activity
    who = np.repeat(np.arange(members.size), np.minimum(rng.poisson(expected), 4))
    second = calendar.visit_seconds(day, members.zone[who], rng)
    joined = members.joined_at[who] <= np.datetime64(day, "us") + second.astype("timedelta64[s]")
    order = np.argsort(second[joined], kind="stable")
    who, second = who[joined][order], second[joined][order]
    return Visits(
        who=who,
        second=second,
        device=devices(rng, members, who),
        pages=1 + (rng.random(len(who)) < SECOND_PAGE).astype(np.int64),
        searches=rng.random(len(who)) < SEARCH,
    )


def devices(rng: np.random.Generator, members: Members, who: Ints) -> Ints:
    """(n,) the device each visit is made on, by the member's habits."""
    edges = np.cumsum(members.devices[who], axis=1)
    held: Ints = np.minimum((rng.random(len(who))[:, None] > edges).sum(axis=1), edges.shape[1] - 1)
    return held


def surfaces(rng: np.random.Generator, pages: int) -> npt.NDArray[np.object_]:
    """(pages,) where each page was asked for."""
    home, browse = SURFACES
    return np.where(rng.random(pages) < BROWSED, browse, home).astype(object)


def respond(rng: np.random.Generator, appeal: Reals, examined: Reals, duration: Reals) -> Outcomes:
    """Draw what becomes of each shown title; P(completion > 0.8) is exactly ``examined * appeal``."""
    size = len(appeal)
    looks = rng.random(size) < examined
    full = looks & (rng.random(size) < appeal)
    tried = looks & ~full & (rng.random(size) < 0.01 + 0.3 * appeal)
    bounced = looks & (rng.random(size) < BOUNCE)
    completion = np.where(full, WATCHED + 0.005 + 0.195 * rng.beta(3.0, 1.0, size), 0.0)
    completion = np.where(tried, WATCHED * rng.beta(0.7, 1.6, size), completion)
    seconds = np.where(tried, np.floor(completion * duration), np.round(completion * duration))
    return Outcomes(np.where(tried, np.maximum(seconds, 1.0), seconds) / duration, full | tried | bounced)
