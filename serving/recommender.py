"""Holds the champion and the current snapshot in memory, watches for newer ones, and swaps them whole.

Which release is champion, the alias says and the ledger allows: see serving.ledgered.
"""

import gc
import logging
import tempfile
import threading
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pipelines import snapshot
from pipelines.core.contracts import History
from pipelines.core.errors import MarqueeError, ReleaseError
from pipelines.core.release import Manifest
from pipelines.core.settings import Settings
from pipelines.features import kept
from pipelines.features.kept import Kept
from pipelines.features.sequence import Row
from pipelines.page import Page, Pager, PageRequest
from pipelines.released import LoadedRelease, load_release
from pipelines.rerank.pins import NO_RULES, Rules
from serving.degradation import PatientRows, UserRow, UserRows, popular_page
from serving.ledgered import Choice, Ledgered, Named
from serving.recent import Online

log = logging.getLogger(__name__)
NO_CHAMPION = "no release is champion: run the retrain DAG, or set the alias champion in the model registry"
NO_SNAPSHOT = "there is no media snapshot: run the refresh_features DAG"
LOADING = "the champion is being loaded: ask again in a few seconds"
RETRY_EVERY = 15
"""A set that was refused is tried again after so many polls: the registry may have been repaired."""


class Registry(Protocol):
    """Where releases come from."""

    def champion(self) -> Named | None: ...

    def download(self, version: int, into: Path) -> Path: ...


class FeatureRows(UserRows, Online, Protocol):
    """The online store: read for pages, and pushed to."""


class Recent(Protocol):
    """What a member did in the last moments, where the online store does not have it."""

    def __call__(self, user_id: str, at: datetime, *, missing: bool = False) -> Row | None: ...


@dataclass(frozen=True)
class Live:
    """What serves: one release bound to one snapshot."""

    version: int
    pager: Pager
    rows: Mapping[str, int]
    kept: Kept | None
    """Members' last events before the snapshot; None in one that was made before they were kept."""


@dataclass(frozen=True)
class Recommendation:
    """A page, what it lacks, and whether the member was known (None: could not be told).

    ``user_row`` is what the ranker read of the member; None where no ranker made the page.
    """

    page: Page
    live: Live
    known: bool | None
    degradations: tuple[str, ...]
    user_row: UserRow | None


class Recommender:
    """Answers from ``live``, one reference that only ``refresh`` replaces. ``start`` polls in a thread."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], datetime],
        registry: Callable[[], Registry] | None = None,
        features: Callable[[], FeatureRows] | None = None,
    ) -> None:
        self._settings = settings
        self._make_registry = registry or (lambda: _model_registry(settings))
        self._registry: Registry | None = None
        self._features = features or (lambda: _feature_store(settings))
        self._rows = PatientRows(self._features)
        self._ledgered = Ledgered(settings, clock)
        self._is_noted = True
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._refused: tuple[object, ...] | None = None
        self._polls_since_refusal = 0
        self.live: Live | None = None
        self.problem: str | None = LOADING

    @property
    def loading(self) -> bool:
        """Whether the first look, which may load a champion, has not ended yet."""
        return self.problem == LOADING

    def start(self) -> None:
        """Load what there is and keep watching, in the background."""
        self._thread = threading.Thread(target=self._watch, name="champion", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=10)
        self._rows.close()
        self._ledgered.close()

    def _watch(self) -> None:
        while True:
            self.refresh()
            if self.live and self._rows.trouble:
                self._rows.open()
            if self._stop.wait(self._settings.champion_poll_seconds):
                return

    def refresh(self) -> None:
        """Look once: load a newer champion or snapshot and swap to it; keep the old one when it is refused."""
        try:
            self._look()
        except Exception as exc:
            said = str(exc) if isinstance(exc, MarqueeError) else f"{type(exc).__name__}: {exc}"
            self._tell(said, exc)

    def _tell(self, problem: str | None, exc: Exception | None = None) -> None:
        """Keep what is wrong for whoever asks; log it once."""
        if problem not in (None, self.problem):
            log.error("the release that the alias champion names is not served: %s", problem, exc_info=exc)
        self.problem = problem

    def _look(self) -> None:
        self._registry = self._registry or self._make_registry()
        champion, folder = self._ledgered.choose(self._registry.champion()), snapshot.current(self._settings)
        if champion is None or folder is None:
            self.problem = NO_CHAMPION if champion is None else NO_SNAPSHOT
            return
        wanted = (champion.version, folder.name)
        if self.live and wanted == (self.live.version, self.live.pager.snapshot.version):
            self._note()
            self._refused = None
            self._tell(champion.problem)
            return
        self._polls_since_refusal += 1
        if wanted == self._refused and self._polls_since_refusal < RETRY_EVERY:
            return
        self._refused, self._polls_since_refusal = wanted, 0
        try:
            self._swap(self._load(self._registry, champion, folder))
        except Exception:
            self._serve_last(self._registry, champion, folder)
            raise
        self._note()
        self._refused = None
        self._tell(champion.problem)

    def _serve_last(self, registry: Registry, champion: Choice, folder: Path) -> None:
        """At a start at which the champion cannot be loaded: the release that served before."""
        last = self._ledgered.served_last()
        if self.live is None and last is not None and last.version != champion.version:
            self._swap(self._load(registry, last, folder))

    def _note(self) -> None:
        """Write to the ledger, once a swap, what serves; the pages do not wait for it."""
        if self.live and not self._is_noted:
            pager = self.live.pager
            self._ledgered.note_serving(self.live.version, pager.release.release_id, pager.snapshot.version)
            self._is_noted = True

    def _load(self, registry: Registry, chosen: Choice, folder: Path) -> Live:
        version = chosen.version
        before = self.live
        release = before.pager.release if before and before.version == version else _fetched(registry, version)
        if release.release_id != chosen.release_id:
            raise ReleaseError(
                f"version {version} holds release {release.release_id} and the registry calls it {chosen.release_id}: "
                "register the release again"
            )
        pager = Pager(release, snapshot.MediaSnapshot.load(folder))
        pager.candidates(History())
        self._rows.open()
        self._check_features(release.manifest)
        places = {media: row for row, media in enumerate(pager.snapshot.ids.tolist())}
        return Live(version, pager, places, kept.load(folder))

    def _check_features(self, manifest: Manifest) -> None:
        """ReleaseError when the feature store defines other features than the release was trained on."""
        trained, defined = manifest.feature_fingerprint, self._rows.fingerprint
        if defined not in (None, trained):
            raise ReleaseError(
                f"release {manifest.release_id} was trained on features {trained}, the feature store has {defined}: "
                "run the retrain DAG, or set the alias to a release of these features"
            )

    def fetch(self, version: int) -> LoadedRelease:
        """Another registered release, whole and of the features that are online, to serve beside the champion."""
        release = _fetched(self._make_registry(), version)
        self._check_features(release.manifest)
        return release

    def _swap(self, live: Live) -> None:
        self._is_noted = False
        self.live = live
        log.info("serving release %s with snapshot %s", live.pager.release.release_id, live.pager.snapshot.version)
        # What a release is made of lives for weeks: the collector's passes over it are the page's worst 1 %.
        gc.unfreeze()
        gc.collect()
        gc.freeze()

    def knows(self, media_id: str) -> bool | None:
        """Whether a media exists; None while nothing is loaded."""
        return media_id in self.live.rows if self.live else None

    def history(self, user_id: str) -> History:
        """What the member had watched when the snapshot was made, and what was known of them."""
        return self.live.pager.snapshot.history(user_id) if self.live else History()

    def some_members(self, limit: int) -> list[str]:
        """Members with the longest histories, to try the page with."""
        histories = self.live.pager.snapshot.histories if self.live else {}
        return sorted(histories, key=lambda user: (-len(histories[user].media), user))[:limit]

    @property
    def stale(self) -> Mapping[str, int]:
        """View -> how many online rows were older than its limit and counted as absent."""
        return self._rows.stale

    @property
    def features_through(self) -> datetime | None:
        """The moment up to which members' daily features are online: how old the store is."""
        return self._rows.loaded_through()

    def online(self) -> Online:
        """The feature store, opened anew, to be pushed to."""
        return self._features()

    def kept(self) -> Kept | None:
        """Members' last events before the snapshot that serves; None while there is none."""
        return self.live.kept if self.live else None

    def recommend(
        self,
        live: Live,
        request: PageRequest,
        history: History,
        exclude: AbstractSet[str],
        recent: Recent,
        rules: Rules = NO_RULES,
    ) -> Recommendation:
        """The page, from whatever works. ``recent`` knows what the member did in the last moments."""
        # Asked before the online store: a row that arrives there between the two questions would be in neither answer.
        told = recent(request.user_id, request.at)
        user_row, missing = self._rows.row(request.user_id, request.at)
        told = recent(request.user_id, request.at, missing=True) if missing and told is None else told
        user_row = {**user_row, **(told or {})}
        degradations = [missing] if missing else []
        found = None if missing else any(v is not None for v in user_row.values())
        known = bool(history.media or history.context) or found
        used: UserRow | None = user_row
        try:
            page = live.pager.assemble(request, user_row, history, exclude, rules)
        except Exception as exc:
            log.error("the ranker failed for request %s", request.request_id, exc_info=exc)
            page = popular_page(live.pager, request, user_row, history, exclude)
            used = None
            degradations.append(f"the ranker failed ({type(exc).__name__}): titles are in order of popularity")
        return Recommendation(page, live, known, tuple(degradations), used)


def _fetched(registry: Registry, version: int) -> LoadedRelease:
    with tempfile.TemporaryDirectory(prefix="marquee-release-") as into:
        return load_release(registry.download(version, Path(into)))


def _model_registry(settings: Settings) -> Registry:
    from pipelines.adapters.model_registry import ModelRegistry

    return ModelRegistry(settings)


def _feature_store(settings: Settings) -> FeatureRows:
    from pipelines.adapters.feature_store import FeatureStore

    return FeatureStore(settings)
