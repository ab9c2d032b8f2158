"""The releases of running experiments, held whole beside the champion; a member's variant decides which one answers."""

import gc
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipelines.adapters.event_store import EventStore
from pipelines.adapters.experiment_store import ExperimentStore
from pipelines.core.contracts import History
from pipelines.core.errors import MarqueeError, ReleaseError
from pipelines.experiments.assignment import assign
from pipelines.experiments.definition import Definition
from pipelines.experiments.lifecycle import held
from pipelines.page import Pager
from pipelines.released import LoadedRelease
from serving.recommender import RETRY_EVERY, Live, Recommender

log = logging.getLogger(__name__)
LOADING = "it is being loaded"
REMEMBERED = 50_000
"""Exposures known to be kept already, so that a member's second page writes none."""


@dataclass(frozen=True)
class Place:
    """What answers a member, and for which experiment and variant (None: they take part in none).

    ``trouble``: the variant's release is missing, and the champion answers instead.
    """

    live: Live
    experiment: str | None = None
    variant: str | None = None
    trouble: str | None = None


class Variants:
    """Asks the store every few seconds what runs, in a thread of its own: loading a release takes a while."""

    def __init__(self, store: EventStore, recommender: Recommender, *, poll_seconds: float) -> None:
        self._store, self._recommender, self._poll_seconds = ExperimentStore(store), recommender, poll_seconds
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._running: tuple[Definition, ...] = ()
        self._held: Mapping[str, Live] = {}
        self._refused: dict[str, str] = {}
        self._polls = 0
        self._exposed: set[tuple[str, str, str, str]] = set()

    def start(self) -> None:
        """Ask once, so that no member is answered outside their experiment, and keep asking in the background.

        Raises:
            StackError: the event store does not answer.
        """
        self._look()
        self._thread = threading.Thread(target=self._watch, name="variants", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop asking."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=10)

    def place(self, user_id: str, at: datetime, champion: Live) -> Place:
        """Where a member stands at a moment."""
        for experiment in self._running:
            variant = assign(user_id, experiment.assignment) if _begun(experiment, at) else None
            if variant is None:
                continue
            release = experiment.variants[variant].release
            own = champion if champion.pager.release.release_id == release else self._held.get(release)
            if own is not None:
                return Place(own, experiment.name, variant)
            why = self._refused.get(release, LOADING)
            said = f"release {release} of variant {variant} is not served ({why}): the champion answers"
            return Place(champion, experiment.name, variant, said)
        return Place(champion)

    def expose(self, place: Place, user_id: str, at: datetime) -> None:
        """Keep that a member was answered by this release, the first time; StackError where that cannot be kept."""
        if place.experiment is None or place.variant is None:
            return
        exposure = (place.experiment, place.variant, user_id, place.live.pager.release.release_id)
        if exposure in self._exposed:
            return
        self._store.expose(*exposure, at)
        if len(self._exposed) >= REMEMBERED:
            self._exposed.clear()
        self._exposed.add(exposure)

    def state(self) -> dict[str, Any]:
        """For whoever watches: what runs, which releases are held for it, and why others are not."""
        running = [experiment.name for experiment in self._running]
        return {"running": running, "loaded": sorted(self._held), "refused": dict(self._refused)}

    def refresh(self) -> None:
        """Ask what runs, and hold its releases."""
        self._look()
        champion = self._recommender.live
        if champion is not None:
            self._hold(champion)

    def _look(self) -> None:
        self._running = tuple(one.definition for one in held(self._store.decisions()) if one.running)

    def _hold(self, champion: Live) -> None:
        """One by one, so that a release that is ready serves while the next one loads."""
        own = champion.pager.release.release_id
        wanted = {v.release: v.version for one in self._running for v in one.variants.values() if v.release != own}
        self._held = {release: live for release, live in self._held.items() if release in wanted}
        self._refused = {release: why for release, why in self._refused.items() if release in wanted}
        self._polls += 1
        for release, version in wanted.items():
            before = self._held.get(release)
            if before and before.pager.snapshot.version == champion.pager.snapshot.version:
                continue
            if not before and release in self._refused and self._polls % RETRY_EVERY:
                continue
            self._take(release, version, before, champion)

    def _take(self, release: str, version: int | None, before: Live | None, champion: Live) -> None:
        try:
            loaded = before.pager.release if before else self._recommender.fetch(int(version or 0))
            if loaded.release_id != release:
                raise ReleaseError(f"version {version} is {loaded.release_id}: register {release} again")
            self._held = {**self._held, release: _bound(loaded, int(version or 0), champion)}
            self._refused.pop(release, None)
        except Exception as exc:
            said = str(exc) if isinstance(exc, MarqueeError) else f"{type(exc).__name__}: {exc}"
            log.error("release %s of an experiment is not served: %s", release, said, exc_info=exc)
            self._refused[release] = said
            return
        # As with the champion: what lives for weeks is no work for the collector during pages.
        gc.collect()
        gc.freeze()

    def _watch(self) -> None:
        while True:
            try:
                self.refresh()
            except MarqueeError as exc:
                log.error("experiments stay those of the last answer", exc_info=exc)
            if self._stop.wait(self._poll_seconds):
                return


def _begun(experiment: Definition, at: datetime) -> bool:
    return experiment.start is None or at >= experiment.start


def _bound(release: LoadedRelease, version: int, champion: Live) -> Live:
    """The release over the champion's snapshot, so that variants differ in nothing but their release."""
    pager = Pager(release, champion.pager.snapshot)
    pager.candidates(History())
    return Live(version, pager, champion.rows, champion.kept)
