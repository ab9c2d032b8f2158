"""A day in print: its events as canonical tables."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.core.tables import DISMISSALS, IMPRESSIONS, RATINGS, SEARCHES, SESSIONS, WATCHES
from pipelines.simulation import behaviour, events
from pipelines.simulation.day import DayLog, Played, Shown
from pipelines.simulation.events import Names, Times, ids, named
from pipelines.simulation.policy import LOGGING, RANDOM
from pipelines.simulation.randomness import stream
from pipelines.simulation.truth import Truth
from pipelines.simulation.works import Ints, Reals

RATED, DISMISSED = 0.08, 0.012
"""Share of finished watches that are rated, and of examined but unwanted titles that are sent away."""
UNWANTED = 0.03


def day_tables(truth: Truth, names: Names, queries: npt.NDArray[np.object_], log: DayLog) -> dict[str, pa.Table]:
    """The event tables of a day. ``queries``: (media, ways) the words that may be typed to find each media."""
    rng = stream(truth.config.seed, "print", log.day.toordinal())
    ended = log.played.at + _seconds(np.round(log.played.completion * truth.catalogue.duration[log.played.media]))
    return {
        "impressions": _impressions(rng, truth, names, log),
        "watches": _watches(rng, truth, names, log, ended),
        "searches": _searches(rng, names, queries, log),
        "sessions": _sessions(names, log, ended),
        "dismissals": _dismissals(rng, names, log),
        "ratings": _ratings(rng, names, log.played, ended),
    }


def _impressions(rng: np.random.Generator, truth: Truth, names: Names, log: DayLog) -> pa.Table:
    shown = log.shown
    where = stream(truth.config.seed, "surfaces", log.day.toordinal())
    surfaces = behaviour.surfaces(where, int(log.visits.pages.sum()))
    return events.table(
        IMPRESSIONS,
        _whose(names, log, shown)
        | {
            "impression_id": ids("i", log.day, np.arange(len(shown.who))),
            "shown_at": shown.at,
            "available_at": shown.at + _seconds(rng.integers(1, 30, len(shown.who))),
            "surface": surfaces[shown.request],
            "position": shown.position,
            "policy": np.where(shown.random, RANDOM, LOGGING).astype(object),
            "propensity": shown.propensity,
            "clicked": shown.clicked,
        },
    )


def _watches(rng: np.random.Generator, truth: Truth, names: Names, log: DayLog, ended: Times) -> pa.Table:
    played = log.played
    total = truth.catalogue.duration[played.media]
    watched = np.round(played.completion * total)
    return events.table(
        WATCHES,
        _whose(names, log, played)
        | {
            "watch_id": ids("w", log.day, np.arange(len(played.who))),
            "impression_id": ids("i", log.day, played.impression),
            "started_at": played.at,
            "available_at": events.arrival(rng, ended, truth.config.traits.late),
            "watched_seconds": watched,
            "total_seconds": total,
            "completion": watched / total,
        },
    )


def _searches(rng: np.random.Generator, names: Names, queries: npt.NDArray[np.object_], log: DayLog) -> pa.Table:
    searched, visits = log.searched, log.visits
    typed = queries[searched.media, rng.integers(0, queries.shape[1], len(searched.media))]
    return events.table(
        SEARCHES,
        {
            "search_id": ids("q", log.day, np.arange(len(searched.media))),
            "session_id": ids("s", log.day, searched.session),
            "user_id": named(names.users, visits.who[searched.session]),
            "searched_at": searched.at,
            "available_at": searched.at + np.timedelta64(2, "s"),
            "query": typed,
            "device": named(names.devices, visits.device[searched.session]),
        },
    )


def _sessions(names: Names, log: DayLog, ended: Times) -> pa.Table:
    """A visit ends with the last thing watched in it, or two minutes after the last page."""
    visits = log.visits
    started = np.full(len(visits.who), np.datetime64(log.day, "us")) + _seconds(np.minimum(visits.second, 86340))
    last = started + np.timedelta64(120, "s")
    np.maximum.at(last, log.shown.session, log.shown.at + np.timedelta64(120, "s"))
    np.maximum.at(last, log.played.session, ended)
    return events.table(
        SESSIONS,
        {
            "session_id": ids("s", log.day, np.arange(len(visits.who))),
            "user_id": named(names.users, visits.who),
            "started_at": started,
            "available_at": last + np.timedelta64(30, "s"),
            "ended_at": last,
            "device": named(names.devices, visits.device),
        },
    )


def _dismissals(rng: np.random.Generator, names: Names, log: DayLog) -> pa.Table:
    shown = log.shown
    sent = (shown.appeal < UNWANTED) & ~shown.clicked & (rng.random(len(shown.who)) < DISMISSED)
    rows = np.flatnonzero(sent)
    at = shown.at[rows] + np.timedelta64(15, "s")
    return events.table(
        DISMISSALS,
        {
            "dismissal_id": ids("d", log.day, rows),
            "request_id": ids("r", log.day, shown.request[rows]),
            "session_id": ids("s", log.day, shown.session[rows]),
            "user_id": named(names.users, shown.who[rows]),
            "media_id": named(names.media, shown.media[rows]),
            "dismissed_at": at,
            "available_at": at,
        },
    )


def _ratings(rng: np.random.Generator, names: Names, played: Played, ended: Times) -> pa.Table:
    """Stars 1 to 5 from those who finished and cared to say: more of those who loved it, nobody after midnight."""
    odds = np.log(played.appeal / (1 - played.appeal))
    says = rng.random(len(played.who)) < RATED * (0.5 + played.appeal)
    when = ended + _seconds(30 + rng.integers(0, 600, len(ended)))
    same_day = when.astype("datetime64[D]") == played.at.astype("datetime64[D]")
    rows = np.flatnonzero((played.completion > behaviour.WATCHED) & says & same_day)
    stars = np.clip(np.round(3.7 + 0.45 * odds[rows] + 0.7 * rng.normal(size=len(rows))), 1, 5)
    at = when[rows]
    return events.table(
        RATINGS,
        {
            "user_id": named(names.users, played.who[rows]),
            "media_id": named(names.media, played.media[rows]),
            "rated_at": at,
            "available_at": at,
            "rating": stars,
        },
    )


def _whose(names: Names, log: DayLog, rows: Shown | Played) -> dict[str, pa.Array]:
    return {
        "request_id": ids("r", log.day, rows.request),
        "session_id": ids("s", log.day, rows.session),
        "user_id": named(names.users, rows.who),
        "media_id": named(names.media, rows.media),
        "device": named(names.devices, rows.device),
    }


def _seconds(values: Ints | Reals) -> npt.NDArray[np.timedelta64]:
    return values.astype("timedelta64[s]")
