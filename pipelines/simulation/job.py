"""Simulated traffic against a running API: the one place that joins who comes, what is asked and what is sent back."""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from pipelines.adapters.model_registry import ModelRegistry
from pipelines.core.errors import DataError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.simulation.client import Client
from pipelines.simulation.replay import ReplayBehaviour
from pipelines.simulation.traffic import Behaviour, Event, Request, WorldBehaviour
from pipelines.simulation.world import FILE, World

Post = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""Sends JSON to a path of the API and gives back the JSON of its answer."""


def run_traffic(settings: Settings, day: date, members: int, seed: int, post: Post) -> dict[str, Any]:
    """Ask for pages as members would on ``day`` and send back what they do; run again, it repeats the same ids."""
    behaviour, name = choose(settings, day)
    total = dict.fromkeys(("pages", "items", "watches", "clicks", "accepted", "duplicates", "rejected", "degraded"), 0)
    for request in behaviour.requests(day, members, seed):
        page = post("/v1/page", as_json(request))
        events = behaviour.respond(page["items"], request, seed)
        heard = post("/v1/events", {"events": [as_json(e) for e in events], "at": _heard_at(events).isoformat()})
        counts = _counts(page, events, heard)
        total = {key: total[key] + counts[key] for key in total}
    return {"day": day.isoformat(), "behaviour": name} | total


def due(settings: Settings) -> bool:
    """Whether simulated members may come: never in production, and only where a champion can answer them."""
    return settings.profile == "embedded" and ModelRegistry(settings).champion() is not None


def visit(settings: Settings, *, members: int, days: int, seed: int) -> list[dict[str, Any]]:
    """The DAG's task: traffic on each of the ``days`` after the last one with features; a report a day.

    Raises:
        DataError: features were never computed. StackError: the API is down, or has no champion to serve.
    """
    reached = Lake(settings.lake_path).watermark("features")
    if reached is None:
        raise DataError("features has no watermark: run refresh_features first")
    with Client(settings) as client:
        client.wait_until_ready()
        ahead = (reached.through + timedelta(days=n + 1) for n in range(days))
        return [run_traffic(settings, day, members, seed, client.post) for day in ahead]


def choose(settings: Settings, day: date) -> tuple[Behaviour, str]:
    """The world's members where a world was imported, else those of the log from ``day`` on; and which it is."""
    folders = (settings.lake_path, settings.root / "world")
    described = [folder / FILE for folder in folders if (folder / FILE).exists()]
    if described:
        return WorldBehaviour(World.load(described[0])), "world"
    lake = Lake(settings.lake_path)
    watches = lake.read("watches", day).to_pandas()
    return ReplayBehaviour(watches, lake.dataset.time_zone), "log"


def as_json(body: Request | Event) -> dict[str, Any]:
    """The same without what is absent, moments as ISO 8601 text."""
    present = {key: value for key, value in body.items() if value is not None}
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in present.items()}


def _heard_at(events: list[Event]) -> datetime:
    """A minute after the visit ended: the session is the last event."""
    ended: datetime = events[-1]["ended_at"]
    return ended + timedelta(minutes=1)


def _counts(page: Mapping[str, Any], events: list[Event], heard: Mapping[str, Any]) -> dict[str, int]:
    kinds = [e["type"] for e in events]
    return {
        "pages": 1,
        "items": len(page["items"]),
        "watches": kinds.count("watch"),
        "clicks": kinds.count("click"),
        "accepted": heard["accepted"],
        "duplicates": heard["duplicates"],
        "rejected": len(heard["rejected"]),
        "degraded": int(bool(page.get("degraded"))),
    }
