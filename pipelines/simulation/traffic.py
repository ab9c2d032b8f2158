"""Simulated members at the page, answering by the world's truth. Pure: what is posted where is the job's business.

A request and an event are dicts as the API takes them (POST /v1/page, POST /v1/events), with ``at`` a UTC datetime.
"""

import zlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol

import numpy as np

from pipelines.simulation import behaviour, calendar
from pipelines.simulation.day import moments
from pipelines.simulation.events import Times, queued
from pipelines.simulation.members import DEVICES
from pipelines.simulation.randomness import stream
from pipelines.simulation.truth import examination
from pipelines.simulation.vocabulary import GENRES
from pipelines.simulation.works import Ints, Reals
from pipelines.simulation.world import World

Event = dict[str, Any]
Request = dict[str, Any]
Item = dict[str, Any]
SEARCH = 0.1


class Behaviour(Protocol):
    """Who comes on a day, and what they do with a page."""

    def requests(self, day: date, n: int, seed: int) -> list[Request]:
        """At most ``n`` page requests of that day in order of time; the same arguments give the same ids."""
        ...

    def respond(self, items: Sequence[Item], request: Request, seed: int) -> list[Event]:
        """What the member does with the items (media_id, impression_id, position); the last event ends the visit."""
        ...


class WorldBehaviour:
    """Members of a world: active ones come more often, and watch with the true probability, position included."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ids = world.truth.members.ids()

    def requests(self, day: date, n: int, seed: int) -> list[Request]:
        """``n`` visits of members who have joined, at hours that suit their own clocks."""
        members, rng = self._world.truth.members, stream(seed, "requests", day.toordinal())
        weight = members.activity * (members.joined_at <= np.datetime64(day, "us"))
        who = rng.choice(members.size, n, p=weight / weight.sum())
        at = moments(day, calendar.visit_seconds(day, members.zone[who], rng))
        held = behaviour.devices(rng, members, who)
        rows = [(moment(at[i]), self._ids[who[i]], DEVICES[held[i]]) for i in np.argsort(at, kind="stable")]
        surfaces = behaviour.surfaces(stream(seed, "surfaces", day.toordinal()), n)
        return [
            page_request(day, seed, k, user, when, device) | {"surface": surface}
            for k, ((when, user, device), surface) in enumerate(zip(rows, surfaces.tolist(), strict=True))
        ]

    def respond(self, items: Sequence[Item], request: Request, seed: int) -> list[Event]:
        """DataError names a member or a media that is not of this world."""
        rng = stream(seed, "respond", zlib.crc32(request["request_id"].encode()))
        media = self._world.media_codes([item["media_id"] for item in items]) if items else np.zeros(0, dtype=np.int64)
        who = np.full(len(items), self._world.user_codes([request["user_id"]])[0])
        held = np.full(len(items), DEVICES.index(request["device"]))
        at = np.full(len(items), np.datetime64(request["at"].astimezone(UTC).replace(tzinfo=None), "us"))
        appeal = self._world.truth.appeal(who, media, at, held)
        looked = examination(np.array([item["position"] for item in items], dtype=np.int64), held)
        total = self._world.truth.catalogue.duration[media]
        outcome = behaviour.respond(rng, appeal, looked, total)
        seconds = np.round(outcome.completion * total)
        events = [click(request, item) for item, opened in zip(items, outcome.clicked, strict=True) if opened]
        events += _watches(request, items, seconds, total, at)
        if rng.random() < SEARCH:
            events.append(self._search(rng, request))
        return [*events, visit(request, events)]

    def _search(self, rng: np.random.Generator, request: Request) -> Event:
        """The words of a genre that the member likes now."""
        who: Ints = self._world.user_codes([request["user_id"]])
        started = datetime.combine(self._world.config.start, datetime.min.time(), tzinfo=UTC)
        weeks = np.array([(request["at"] - started) / timedelta(weeks=1)])
        return search(request, GENRES[self._world.truth.members.liked_genres(who, weeks, 1, rng)[0, 0]])


def page_request(day: date, seed: int, number: int, user_id: str, at: datetime, device: str | None) -> Request:
    """A request whose ids say which run it is of, so that a run done again asks for the same pages."""
    place = f"{seed}-{day:%Y%m%d}-{number}"
    asked = {"user_id": user_id, "request_id": f"traffic-r{place}", "session_id": f"traffic-s{place}"}
    return asked | {"device": device, "surface": "home", "at": at}


def click(request: Request, item: Item) -> Event:
    """An item was opened."""
    named = {"impression_id": item["impression_id"], "at": request["at"] + timedelta(seconds=10)}
    return event(request, "click", f"c-{item['impression_id']}") | named


def watch(request: Request, item: Item, at: datetime, watched: float | None, total: float | None) -> Event:
    """A watch of an item; ``watched`` and ``total`` in seconds."""
    named = {"media_id": item["media_id"], "impression_id": item["impression_id"], "at": at}
    return (
        event(request, "watch", f"w-{item['impression_id']}")
        | named
        | {
            "watched_seconds": watched,
            "total_seconds": total,
        }
    )


def search(request: Request, query: str) -> Event:
    """Words were typed."""
    named = {"query": query, "at": request["at"] + timedelta(seconds=5)}
    return event(request, "search", f"q-{request['request_id']}") | named


def visit(request: Request, events: Sequence[Event]) -> Event:
    """The session around the events: it ends with the last thing watched, or two minutes after the page."""
    ends = [e["at"] + timedelta(seconds=e["watched_seconds"] or 0) for e in events if e["type"] == "watch"]
    named = {"at": request["at"], "ended_at": max([request["at"] + timedelta(minutes=2), *ends])}
    return event(request, "session", request["session_id"]) | named


def event(request: Request, kind: str, event_id: str) -> Event:
    """What every event has."""
    shared = {name: request[name] for name in ("user_id", "session_id", "request_id", "device")}
    return {"type": kind, "event_id": event_id} | shared


def moment(at: np.datetime64) -> datetime:
    """A numpy moment as an aware UTC datetime."""
    plain: datetime = at.astype("datetime64[us]").item()
    return plain.replace(tzinfo=UTC)


def _watches(request: Request, items: Sequence[Item], seconds: Reals, total: Reals, at: Times) -> list[Event]:
    """One watch after the other, all begun on the day of the request."""
    rows = np.flatnonzero(seconds > 0).tolist()
    if not rows:
        return []
    last = at[0].astype("datetime64[D]").astype("datetime64[us]") + np.timedelta64(86399, "s")
    starts = queued(np.zeros(len(rows), dtype=np.int64), at[rows], seconds[rows], last)
    return [
        watch(request, items[row], moment(start), float(seconds[row]), float(total[row]))
        for row, start in zip(rows, starts, strict=True)
    ]
