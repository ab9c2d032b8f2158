"""The one place where a page is assembled: generators -> features -> ranker -> rerank -> exploration.

Serving, the backtest and monitoring all come here, so the page that is evaluated is the page that is served.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import numpy as np

from pipelines.candidates import job as candidates
from pipelines.candidates.blend import BlendConfig, Blended, blend
from pipelines.core import release
from pipelines.core.contracts import RETRIEVAL, Codes, Features, FittedGenerator, FittedRanker, Floats, History
from pipelines.core.errors import ReleaseError
from pipelines.core.release import Manifest
from pipelines.features.catalogue import STORED
from pipelines.features.context import context_features
from pipelines.features.cross_recent import SESSION_NEEDS, session_features
from pipelines.features.pairs import MEDIA_NEEDS, USER_NEEDS, pair_features
from pipelines.ranking import job as ranking
from pipelines.rerank.diversity import DiversityConfig, spread
from pipelines.rerank.exploration import Draw, ExplorationConfig, explore, order
from pipelines.rerank.filters import allowed, on_platform, rights
from pipelines.rerank.ordering import OrderingConfig, best_first
from pipelines.snapshot import MediaSnapshot

RANKED, EXPLORATION = "ranked", "exploration"
PACKED = frozenset(f.name for f in STORED if f.dtype == "floats" and f.entity == "user")
LISTED = frozenset(f.name for f in STORED if f.dtype == "strings" and f.entity == "user")


@dataclass(frozen=True)
class PageRequest:
    """Who asks, when, from where; ``at`` is UTC."""

    user_id: str
    request_id: str
    at: datetime
    device: str | None = None
    country: str | None = None
    time_zone: str | None = None
    surface: str = "home"
    k: int = 10


@dataclass(frozen=True)
class PageItem:
    """A title on the page. For an exploration slot, the action set it was drawn from and each one's propensity."""

    media_id: str
    title: str
    position: int
    score: float
    policy: str
    propensity: float
    reason: str
    generators: tuple[str, ...]
    action_set: tuple[str, ...] | None = None
    action_propensities: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Page:
    """The ordered answer, and which release and snapshot gave it."""

    request_id: str
    release_id: str
    snapshot_version: str
    items: tuple[PageItem, ...]


@dataclass(frozen=True)
class LoadedRelease:
    """A release in memory, all of one manifest."""

    manifest: Manifest
    generators: Mapping[str, FittedGenerator]
    ranker: FittedRanker

    @property
    def release_id(self) -> str:
        return self.manifest.release_id


def load_release(folder: Path) -> LoadedRelease:
    """Verify the folder against its manifest, then load every part; ReleaseError when anything disagrees."""
    manifest = release.verify(folder)
    loaded = LoadedRelease(manifest, candidates.load(folder), ranking.load(folder))
    if set(loaded.generators) != set(manifest.generators):
        raise ReleaseError(f"release {manifest.release_id} names generators {manifest.generators}: it holds others")
    return loaded


@dataclass(frozen=True)
class Pager:
    """A release bound to a snapshot: whatever does not depend on the member is computed once, here."""

    release: LoadedRelease
    snapshot: MediaSnapshot

    @cached_property
    def _row_of_code(self) -> Codes:
        """Where each media of the release's catalogue stands in the snapshot; -1 = not in it any more."""
        place = {media: row for row, media in enumerate(self.snapshot.ids.tolist())}
        return np.array([place.get(media, -1) for media in self._catalogue.tolist()], dtype=np.int64)

    @cached_property
    def _code_of_row(self) -> Codes:
        """The release's code of each media of the snapshot; -1 = newer than the release."""
        codes = np.full(len(self.snapshot.ids), -1, dtype=np.int64)
        held = np.flatnonzero(self._row_of_code >= 0)
        codes[self._row_of_code[held]] = held
        return codes

    @cached_property
    def _catalogue(self) -> np.ndarray:
        return next(iter(self.release.generators.values())).catalogue

    @cached_property
    def _media(self) -> dict[str, np.ndarray]:
        """The snapshot's columns, what the ranker reads of them and of the ids already encoded."""
        known = {**self.snapshot.features, "media_id": self.snapshot.ids}
        return {**self.snapshot.features, **self.release.ranker.encode(known)}

    @cached_property
    def _of_member(self) -> list[str]:
        """The member's features that the ranker reads; the catalogue lets no other feature begin so."""
        return [name for name in self.release.ranker.feature_names if name.startswith("user_")]

    @cached_property
    def _settings(self) -> tuple[BlendConfig, OrderingConfig, DiversityConfig, ExplorationConfig]:
        stored = self.release.manifest.settings
        return (
            BlendConfig(**stored.get("blend", {})),
            OrderingConfig(**stored.get("ordering", {})),
            DiversityConfig(**stored.get("diversity", {})),
            ExplorationConfig(**stored.get("exploration", {})),
        )

    def candidates(self, history: History) -> Blended:
        """The blended candidates of one member, (1, n) codes of the release's catalogue."""
        return blend(self.release.generators, [history], self._settings[0], len(self._catalogue))

    def assemble(
        self,
        request: PageRequest,
        user_row: Mapping[str, object],
        history: History,
        exclude: AbstractSet[str] = frozenset(),
    ) -> Page:
        """The page for one request. ``user_row`` holds the member's online features, None where absent."""
        return self.assemble_with_candidates(request, user_row, history, exclude)[0]

    def assemble_with_candidates(
        self,
        request: PageRequest,
        user_row: Mapping[str, object],
        history: History,
        exclude: AbstractSet[str] = frozenset(),
    ) -> tuple[Page, list[str]]:
        """The page, and the media ids it was chosen from in the order of the blend."""
        blended = self.candidates(history)
        kept = self._allowed(blended.codes[0], request, user_row, history, exclude)
        codes = blended.codes[0][kept]
        rows = self._row_of_code[codes]
        scores = self._probability(rows, request, user_row, history)
        _, ordering, diversity, exploration = self._settings
        ranking_order = best_first(scores, blended.scores[0][kept], codes, ordering)
        groups = [self.snapshot.groups[row] for row in rows[ranking_order].tolist()]
        ranking_order = ranking_order[spread(groups, diversity)]
        seed = self.release.manifest.seed
        draws = explore(scores[ranking_order], request.k, exploration, request_id=request.request_id, seed=seed)
        chosen = order(len(ranking_order), request.k, draws)
        drawn = {draw.slot: draw for draw in draws}
        ids = self._catalogue[codes[ranking_order]]
        items = []
        for position, place in enumerate(chosen):
            which = ranking_order[place]
            by = _proposers(blended, int(codes[which]))
            item = self._item(position, int(codes[which]), float(scores[which]), by, history, exclude)
            items.append(_explored(item, drawn[position], ids) if position in drawn else item)
        page = Page(request.request_id, self.release.release_id, self.snapshot.version, tuple(items))
        return page, [str(media) for media in self._catalogue[codes]]

    def _probability(
        self, rows: Codes, request: PageRequest, user_row: Mapping[str, object], history: History
    ) -> Floats:
        if not len(rows):
            return np.empty(0)
        return self.release.ranker.probability(self.features(rows, request, user_row, history))

    def _allowed(
        self,
        codes: Codes,
        request: PageRequest,
        user_row: Mapping[str, object],
        history: History,
        exclude: AbstractSet[str],
    ) -> Codes:
        """Places of the candidates that may be shown to this member, here."""
        places = np.flatnonzero((codes >= 0) & (self._row_of_code[codes] >= 0))
        places = places[allowed(self._catalogue, codes[places], watched=set(history.media), excluded=exclude)]
        rows = self._row_of_code[codes[places]]
        places = places[on_platform(self.snapshot.opens[rows], self.snapshot.closes[rows], request.at)]
        held = [self.snapshot.rights[row] for row in self._row_of_code[codes[places]].tolist()]
        here = rights(held, request.country or _word(user_row, "user_country"))
        return np.asarray(places[here])

    def features(self, rows: Codes, request: PageRequest, user_row: Mapping[str, object], history: History) -> Features:
        """Every feature of the candidates at snapshot ``rows``, as training would have joined them."""
        n = len(rows)
        media = {name: values[rows] for name, values in self._media.items()}
        member, pairs = self.vectors(rows, request, user_row)
        # What is the same for every candidate is encoded once, as one row, and only then repeated.
        encoded = self.release.ranker.encode(member)
        same = {name: np.broadcast_to(value, (n, *value.shape[1:])) for name, value in encoded.items()}
        return {**media, **pairs, **same, **self._retrieval(rows, history)}

    def vectors(
        self, rows: Codes, request: PageRequest, user_row: Mapping[str, object]
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """What the catalogue defines, as it is before a ranker encodes it: of the member and the moment, one row;
        of each candidate with the member, (n,)."""
        at = np.full(len(rows), np.datetime64(request.at.replace(tzinfo=None), "us"))
        moment = np.full(1, np.datetime64(request.at.replace(tzinfo=None), "us"))
        user = user_columns(user_row, self._of_member)
        context = context_features(
            moment,
            zone=self.release.manifest.time_zone,
            member_zone=request.time_zone or _word(user_row, "user_time_zone"),
            country=request.country or _word(user_row, "user_country"),
            device=request.device,
            surface=request.surface,
        )
        raw = {name: self.snapshot.features[name][rows] for name in MEDIA_NEEDS}
        raw["media_id"] = self.snapshot.ids[rows]
        member = {**user, **context, **session_features(user, moment)}
        return member, dict(pair_features(user, raw, at))

    def served(
        self, rows: Sequence[int], request: PageRequest, user_row: Mapping[str, object]
    ) -> dict[str, np.ndarray]:
        """Every feature of the media at snapshot ``rows`` as the catalogue defines it, for the log: ``features`` before
        the ranker encodes them. A column of one row is of the member or the moment, and the same for all."""
        places = np.asarray(rows, dtype=np.int64)
        member, pairs = self.vectors(places, request, user_row)
        return {**{name: values[places] for name, values in self.snapshot.features.items()}, **pairs, **member}

    def _retrieval(self, rows: Codes, history: History) -> Features:
        """The scores of those generators that the ranker asks about."""
        asked = {name: RETRIEVAL + name for name in self.release.generators}
        codes = self._code_of_row[rows][None, :]
        wanted = {name: feature for name, feature in asked.items() if feature in self.release.ranker.feature_names}
        return {f: self.release.generators[name].scores([history], codes)[0] for name, f in wanted.items()}

    def _item(
        self, position: int, code: int, score: float, by: tuple[str, ...], history: History, exclude: AbstractSet[str]
    ) -> PageItem:
        row = int(self._row_of_code[code])
        media_id = str(self._catalogue[code])
        reason = self._reason(code, by, history, exclude)
        return PageItem(media_id, self.snapshot.titles[row], position, score, RANKED, 1.0, reason, by)

    def _reason(self, code: int, by: tuple[str, ...], history: History, exclude: AbstractSet[str]) -> str:
        """What the member is told; a title that is excluded is not even named."""
        for name in by:
            source = self.release.generators[name].because(code, history)
            if source in exclude:
                continue
            place = np.searchsorted(self.snapshot.ids, source) if source is not None else len(self.snapshot.ids)
            if place < len(self.snapshot.ids) and self.snapshot.ids[place] == source:
                return f"Because you watched {self.snapshot.titles[place]}"
        genres = self.snapshot.genres[int(self._row_of_code[code])]
        return f"Popular in {genres[0]}" if genres else "Popular now"


def _proposers(blended: Blended, code: int) -> tuple[str, ...]:
    """The generators that proposed this candidate, the one that ranked it highest first."""
    place = int(np.flatnonzero(blended.codes[0] == code)[0])
    ranks = {name: int(rank[0, place]) for name, rank in blended.ranks.items() if rank[0, place] >= 0}
    return tuple(sorted(ranks, key=lambda name: ranks[name]))


def user_columns(row: Mapping[str, object], names: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """A member's online row as columns of one row: (1,) objects, None or () = absent; packed (1, d), no width = absent.

    ``names`` are absent where the row lacks them: a page is made although the feature store was never reached.
    """
    columns: dict[str, np.ndarray] = {name: np.zeros((1, 0)) for name in PACKED}
    columns |= {name: _listed(row.get(name)) for name in LISTED}
    for name in (*USER_NEEDS, *SESSION_NEEDS, *names):
        columns.setdefault(name, np.array([None], dtype=object))
    for name, value in row.items():
        if name in LISTED:
            continue
        if isinstance(value, (list, tuple, np.ndarray)):
            columns[name] = np.asarray(value, dtype=np.float32)[None, :]
        elif name not in PACKED:
            columns[name] = np.array([None if value != value else value], dtype=object)
    return columns


def _listed(value: object) -> np.ndarray:
    """(1,) objects: a tuple, empty where absent."""
    column = np.empty(1, dtype=object)
    column[0] = tuple(value) if isinstance(value, (list, tuple, np.ndarray)) else ()
    return column


def _word(row: Mapping[str, object], name: str) -> str | None:
    value = row.get(name)
    return value if isinstance(value, str) else None


def _explored(item: PageItem, draw: Draw, ids: np.ndarray) -> PageItem:
    """The item with its draw: what else could have stood here, and how probable each was."""
    return PageItem(
        media_id=item.media_id,
        title=item.title,
        position=item.position,
        score=item.score,
        policy=EXPLORATION,
        propensity=draw.propensity,
        reason="Something different",
        generators=item.generators,
        action_set=tuple(str(ids[action]) for action in draw.actions),
        action_propensities=draw.probabilities,
    )


def popular(pager: Pager, history: History, k: int) -> list[str]:
    """The popularity floor: the generator's own order, what was watched left out."""
    codes, _ = pager.release.generators["popularity"].candidates([history], k)
    return [str(media) for media in pager.release.generators["popularity"].catalogue[codes[0][codes[0] >= 0]]]
