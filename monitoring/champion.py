"""Whom we watch, and on which days: the champion, and what came after it was judged."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from pipelines.adapters.event_store import EventStore
from pipelines.adapters.model_registry import ModelRegistry
from pipelines.core import days
from pipelines.core.errors import DataError, ReleaseError
from pipelines.core.lake import Lake
from pipelines.core.release import Manifest, verify
from pipelines.core.settings import Settings
from pipelines.core.window import Window
from pipelines.promotion import moves

_HORIZON = timedelta(days=3660)


@dataclass(frozen=True)
class Champion:
    """A release folder that was verified, and the window that it was fitted and judged on."""

    version: int
    folder: Path
    manifest: Manifest
    window: Window


def current(settings: Settings) -> Champion:
    """The ledger's champion, which is what serves, downloaded and verified; ReleaseError where there is none."""
    held = moves.champion(settings)
    if held is None:
        raise ReleaseError("there is no champion to watch: run retrain until a release is promoted")
    folder = ModelRegistry(settings).download(held.version, settings.root / "releases")
    manifest = verify(folder)
    return Champion(held.version, folder, manifest, Window(**manifest.settings["window"]))


def following_days(settings: Settings, window: Window, first: str | None, last: str | None) -> tuple[date, date]:
    """The days asked for; left empty, those after the test up to the last with events, in the lake or the event store.

    Where nothing came after the test, the test days themselves.

    Raises:
        DataError: for a day that is none, or days in the wrong order.
    """
    since = days.parse(first) if first else window.test_to + timedelta(days=1)
    until = days.parse(last) if last else _last_day(settings, since)
    if until is None or (until < since and first is None):
        return window.test_from, days.parse(last) if last else window.test_to
    if until < since:
        raise DataError(f"first day {since} lies after last day {until}: give them in order")
    return since, until


def _last_day(settings: Settings, since: date) -> date | None:
    """The last day from ``since`` on that holds an impression or a watch anywhere."""
    lake = Lake(settings.lake_path)
    zone = lake.dataset.time_zone
    found = [*lake.days("impressions", since), *lake.days("watches", since)]
    start = days.start(since, zone)
    with EventStore(settings.event_store_address) as store:
        store.migrate()
        for batch in store.batches("impressions", start, start + _HORIZON):
            found.append(days.of(batch["shown_at"][-1].as_py(), zone))
    return max(found, default=None)
