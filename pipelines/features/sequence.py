"""What a member did lately (X8): a pure function of the events known by a moment, in plain Python.

This is the definition of the view user_recent, and what the API pushes. ``pipelines.features.stream`` says the same
over whole tables. Both keep the last events by their own time, whenever each became known, so that the order in which
events arrive changes nothing and a late one takes its place instead of the end.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from pipelines.core.engagement import POSITIVE_ABOVE

HISTORY, RECENT, SEARCHES, SEARCHED = 50, 20, 10, 5
"""How many engaged watches, watches of any kind, and searches are kept; and how many searches give their terms."""

PAUSE = 30 * 60 * 1_000_000
"""A session is over after half an hour without a watch or a search, in microseconds."""

EXACT = 1e6
"""Completion is summed as whole millionths and time as whole microseconds: sums do not depend on their order."""

Row = dict[str, object]
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


@dataclass(frozen=True, order=True)
class Watch:
    """A watch. Times are microseconds since 1970, ``completion`` millionths or None, ``watched`` microseconds."""

    at: int
    id: str
    known: int
    media: str
    completion: int | None
    watched: int
    engaged: bool

    @property
    def until(self) -> int:
        """When it ended, as far as it was known: a title still going on was last seen when it was told."""
        return min(self.at + self.watched, self.known)


@dataclass(frozen=True, order=True)
class Search:
    """A search, times in microseconds since 1970."""

    at: int
    id: str
    known: int
    query: str


Event = TypeVar("Event", Watch, Search)


def micros(moment: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def watch(
    *,
    id: str,
    media: str,
    at: datetime,
    available_at: datetime,
    completion: float | None,
    seconds: float | None,
    engaged: bool | None = None,
) -> Watch:
    """A watch from canonical columns; ``engaged`` where more than its own completion says so."""
    began = micros(at)
    return Watch(
        at=began,
        id=id,
        known=max(began, micros(available_at)),
        media=media,
        completion=None if completion is None else _whole(min(completion, 1.0)),
        watched=_whole(seconds or 0.0),
        engaged=completion is not None and completion > POSITIVE_ABOVE if engaged is None else engaged,
    )


def search(*, id: str, query: str, at: datetime, available_at: datetime) -> Search:
    """A search from canonical columns."""
    moment = micros(at)
    return Search(moment, id, max(moment, micros(available_at)), query)


def last(events: Iterable[Event], count: int) -> list[Event]:
    """The last ``count`` of the events by their own time, oldest first, each once by its id."""
    return sorted({event.id: event for event in events}.values(), key=lambda e: (e.at, e.id))[-count:]


def row(
    watches: Iterable[Watch],
    searches: Iterable[Search],
    *,
    genres: Callable[[str], Iterable[int]],
    terms: Callable[[str], Iterable[int]],
    width: int,
) -> Row:
    """The features of view user_recent from the events known by a moment.

    genres: the codes of a media's genres, each once. terms: the codes of a query's words. width: how many genres there
    are. A member who never watched has empty lists, no moment, and a histogram of zeros.
    """
    known = list(watches)
    recent, searched = last(known, RECENT), last(searches, SEARCHES)
    engaged = last((w for w in known if w.engaged), HISTORY)
    return {
        "user_history": tuple(w.media for w in engaged),
        "user_recent_media": tuple(w.media for w in recent),
        "user_searches": tuple(s.query for s in searched),
        "user_search_terms": _terms(searched, terms),
        "user_recent_genres": _histogram(recent, genres, width),
        "user_recent_watch_at": recent[-1].at / EXACT if recent else None,
        "user_recent_completion": _completion(recent),
        **_session(recent, searched),
    }


def known_at(watches: Iterable[Watch], searches: Iterable[Search]) -> int | None:
    """When the last of the events became known, in microseconds: the time of the row. None without events."""
    return max([*(w.known for w in watches), *(s.known for s in searches)], default=None)


def _whole(value: float) -> int:
    """Millionths, halves upwards, as the engines round."""
    return math.floor(value * EXACT + 0.5)


def _terms(searched: Sequence[Search], terms: Callable[[str], Iterable[int]]) -> tuple[float, ...]:
    found = {code for one in searched[-SEARCHED:] for code in terms(one.query)}
    return tuple(float(code) for code in sorted(found))


def _histogram(recent: Sequence[Watch], genres: Callable[[str], Iterable[int]], width: int) -> tuple[float, ...]:
    counts = [0.0] * width
    for seen in recent:
        for code in genres(seen.media):
            counts[code] += 1.0
    return tuple(counts)


def _completion(recent: Sequence[Watch]) -> float | None:
    known = [w.completion for w in recent if w.completion is not None]
    return sum(known) / len(known) / EXACT if known else None


def _session(recent: Sequence[Watch], searched: Sequence[Search]) -> Row:
    """The session so far: the last watches that no pause parts, and a search that follows one without a pause."""
    searched_at = searched[-1].at if searched else None
    ended = recent[-1].until if recent else None
    if ended is not None and searched_at is not None and searched_at - ended > PAUSE:
        recent = ()
    first = len(recent)
    while first > 0 and (first == len(recent) or recent[first].at - recent[first - 1].until <= PAUSE):
        first -= 1
    seen = max((moment for moment in (ended, searched_at) if moment is not None), default=None)
    return {
        "user_session_watches": float(len(recent) - first),
        "user_session_watched_seconds": sum(w.watched for w in recent[first:]) / EXACT,
        "user_session_seen_at": None if seen is None else seen / EXACT,
    }
