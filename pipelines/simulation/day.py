"""One day of the service in codes: visits, pages, searches, and what members watch."""

from dataclasses import dataclass, fields
from datetime import date
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pipelines.simulation import behaviour
from pipelines.simulation.behaviour import Visits
from pipelines.simulation.events import Times, queued
from pipelines.simulation.policy import LoggingPolicy
from pipelines.simulation.randomness import stream
from pipelines.simulation.truth import Truth, examination
from pipelines.simulation.works import Ints, Reals

REQUESTS_AT_ONCE = 1024
NEXT_EPISODE = 0.35
"""Share of finished episodes after which the member tries the next one unasked."""
CONSIDERED = 6
"""How many titles a searching member has in mind; the most appealing is searched for."""


@dataclass(frozen=True)
class Shown:
    """One row an impression. ``session`` and ``request`` are numbers within the day."""

    session: Ints
    request: Ints
    who: Ints
    media: Ints
    device: Ints
    position: Ints
    propensity: Reals
    random: npt.NDArray[np.bool_]
    at: Times
    appeal: Reals
    completion: Reals
    clicked: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Played:
    """One row a watch, by session; ``impression`` and ``request`` are -1 for what a member found alone."""

    session: Ints
    request: Ints
    impression: Ints
    who: Ints
    media: Ints
    device: Ints
    completion: Reals
    appeal: Reals
    at: Times


@dataclass(frozen=True)
class Searched:
    """One row a search: the session, the media that was wanted, and when."""

    session: Ints
    media: Ints
    at: Times


@dataclass(frozen=True)
class DayLog:
    """What happened on a day."""

    day: date
    visits: Visits
    shown: Shown
    played: Played
    searched: Searched


Rows = TypeVar("Rows", Shown, Played)


def play(truth: Truth, policy: LoggingPolicy, day: date) -> DayLog:
    """Play one day; ``policy`` fills the pages and then learns from what was watched."""
    rng = stream(truth.config.seed, "day", day.toordinal())
    visits = behaviour.visits(rng, truth.members, day, truth.config.traits.sessions)
    shown = _show(rng, truth, policy, visits, day)
    searched = _search(rng, truth, visits, day)
    found = (_from_pages(shown), _next_episodes(rng, truth, shown), _from_searches(rng, truth, visits, searched))
    played = _in_turn(truth, found, day)
    done = played.completion > behaviour.WATCHED
    policy.learn(played.media, played.who[done], played.media[done])
    return DayLog(day, visits, shown, played, searched)


def moments(day: date, second: Ints) -> Times:
    """(n,) UTC moments of a day, none in its last minute, so that a visit's events stay on its day."""
    return np.datetime64(day, "us") + np.minimum(second, 86340).astype("timedelta64[s]")


def _show(rng: np.random.Generator, truth: Truth, policy: LoggingPolicy, visits: Visits, day: date) -> Shown:
    session = np.repeat(np.arange(len(visits.who)), visits.pages)
    later: Ints = np.append(0, (np.diff(session) == 0).astype(np.int64))[: len(session)]
    at = moments(day, visits.second[session] + later * rng.integers(60, 400, len(session)))
    chunks = [slice(i, i + REQUESTS_AT_ONCE) for i in range(0, len(session), REQUESTS_AT_ONCE)]
    parts = [_fill(rng, truth, policy, visits, session[c], at[c], c.start) for c in chunks]
    return _joined(parts) if parts else _no_rows(Shown)


def _fill(
    rng: np.random.Generator,
    truth: Truth,
    policy: LoggingPolicy,
    visits: Visits,
    session: Ints,
    at: Times,
    first: int,
) -> Shown:
    """Draw the pages of some requests and what becomes of each title; ``first`` is the number of the first request."""
    pages = policy.pages(rng, visits.who[session], at)
    row, position = np.nonzero(pages.media >= 0)
    who, device, media = visits.who[session[row]], visits.device[session[row]], pages.media[row, position]
    appeal = truth.appeal(who, media, at[row], device)
    outcome = behaviour.respond(rng, appeal, examination(position, device), truth.catalogue.duration[media])
    return Shown(
        session=session[row],
        request=first + row,
        who=who,
        media=media,
        device=device,
        position=position,
        propensity=pages.propensity[row, position],
        random=pages.random[row],
        at=at[row],
        appeal=appeal,
        completion=outcome.completion,
        clicked=outcome.clicked,
    )


def _search(rng: np.random.Generator, truth: Truth, visits: Visits, day: date) -> Searched:
    """Whoever searches has a few titles in mind, and types words of the most appealing one."""
    session = np.flatnonzero(visits.searches)
    who, at = visits.who[session], moments(day, visits.second[session] + rng.integers(400, 700, len(session)))
    showable = truth.catalogue.showable(np.datetime64(day, "us"), truth.members.country[who])
    keys = np.where(showable, rng.random(showable.shape), -1.0)
    mind = np.argsort(-keys, axis=1)[:, :CONSIDERED]
    flat = np.repeat(np.arange(len(who)), CONSIDERED)
    appeal = truth.appeal(who[flat], mind.ravel(), at[flat], visits.device[session][flat]).reshape(mind.shape)
    appeal[np.take_along_axis(keys, mind, axis=1) < 0] = -1.0
    return Searched(session, mind[np.arange(len(who)), appeal.argmax(axis=1)], at)


def _from_pages(shown: Shown) -> Played:
    rows = np.flatnonzero(shown.completion > 0)
    return Played(
        shown.session[rows],
        shown.request[rows],
        rows,
        shown.who[rows],
        shown.media[rows],
        shown.device[rows],
        shown.completion[rows],
        shown.appeal[rows],
        shown.at[rows],
    )


def _next_episodes(rng: np.random.Generator, truth: Truth, shown: Shown) -> Played:
    """Some who finished an episode go on to the one after it, where it is already there."""
    catalogue = truth.catalogue
    following = np.minimum(shown.media + 1, catalogue.size - 1)
    again = (catalogue.work[following] == catalogue.work[shown.media]) & (following > shown.media)
    done = again & (shown.completion > behaviour.WATCHED) & (rng.random(len(again)) < NEXT_EPISODE)
    rows = np.flatnonzero(done)
    return _alone(rng, truth, shown.session[rows], shown.who[rows], following[rows], shown.device[rows], shown.at[rows])


def _from_searches(rng: np.random.Generator, truth: Truth, visits: Visits, searched: Searched) -> Played:
    who, device = visits.who[searched.session], visits.device[searched.session]
    return _alone(rng, truth, searched.session, who, searched.media, device, searched.at)


def _alone(
    rng: np.random.Generator, truth: Truth, session: Ints, who: Ints, media: Ints, device: Ints, at: Times
) -> Played:
    """Watches that no page led to: the title is looked at for certain."""
    appeal = truth.appeal(who, media, at, device)
    completion = behaviour.respond(rng, appeal, np.ones(len(who)), truth.catalogue.duration[media]).completion
    rows, none = np.flatnonzero(completion > 0), np.full(int((completion > 0).sum()), -1)
    return Played(
        session[rows], none, none, who[rows], media[rows], device[rows], completion[rows], appeal[rows], at[rows]
    )


def _in_turn(truth: Truth, found: tuple[Played, ...], day: date) -> Played:
    """Everything watched, one after the other within a visit."""
    every = _joined(list(found))
    order = np.lexsort((every.at, every.session))
    columns = {f.name: getattr(every, f.name)[order] for f in fields(Played)}
    seconds = columns["completion"] * truth.catalogue.duration[columns["media"]]
    last = np.datetime64(day, "us") + np.timedelta64(86399, "s")
    columns["at"] = queued(columns["session"], columns["at"], seconds, last)
    return Played(**columns)


def _joined(parts: list[Rows]) -> Rows:
    kind = type(parts[0])
    return kind(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(kind)})


def _no_rows(kind: type[Shown]) -> Shown:
    whole = np.zeros(0, dtype=np.int64)
    special = {"at": np.zeros(0, "datetime64[us]"), "random": whole > 0, "clicked": whole > 0}
    return kind(**{f.name: special.get(f.name, whole) for f in fields(kind)})
