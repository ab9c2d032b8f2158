"""The one place where a page is assembled: generators -> features -> ranker -> rerank -> exploration.

Serving, the backtest and monitoring all come here, so the page that is evaluated is the page that is served.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np

from pipelines.candidates import EFFECTS
from pipelines.candidates.blend import BlendConfig, Blended, blend
from pipelines.candidates.interactions import asked_on
from pipelines.core.contracts import (
    RETRIEVAL,
    Codes,
    Extensible,
    Features,
    FittedGenerator,
    History,
    Ids,
)
from pipelines.features.context import context_features
from pipelines.features.cross_recent import session_features
from pipelines.features.online_row import user_columns
from pipelines.features.pairs import MEDIA_NEEDS, pair_features
from pipelines.released import LoadedRelease
from pipelines.rerank.arrangement import Arranged, Arrangement, Shelf, Titles
from pipelines.rerank.diversity import DiversityConfig
from pipelines.rerank.exploration import ExplorationConfig
from pipelines.rerank.fatigue import tired_of
from pipelines.rerank.filters import Bounds, FiltersConfig, Reasons, Viewer, given_way, hindered, least_ages
from pipelines.rerank.ordering import OrderingConfig
from pipelines.rerank.pins import NO_RULES, Rules, in_force
from pipelines.rerank.rows import headings, in_rows
from pipelines.rerank.trace import NOTHING, Trace
from pipelines.snapshot import MediaSnapshot

RANKED, EXPLORATION, PINNED = "ranked", "exploration", "pinned"
FEATURED, DIFFERENT = "Featured", "Something different"
"""What the member is told of a pinned title, and of one that exploration drew."""
LOG_ODDS = RETRIEVAL + EFFECTS
NEW = np.timedelta64(14, "D")
NO_METHOD = {"method": "none"}
"""What a release does for diversity beyond the cap where it was sealed before there was a choice."""


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
    rows: int = 0


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
    row: str | None = None


@dataclass(frozen=True)
class Page:
    """The ordered answer, and which release and snapshot gave it."""

    request_id: str
    release_id: str
    snapshot_version: str
    items: tuple[PageItem, ...]
    trace: Trace = field(default=NOTHING, compare=False, repr=False)
    """What became of every candidate, for whoever asks why."""


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
        """The code of each media of the snapshot; -1 = nobody can propose it."""
        codes = np.full(len(self.snapshot.ids), -1, dtype=np.int64)
        held = np.flatnonzero(self._row_of_code >= 0)
        codes[self._row_of_code[held]] = held
        return codes

    @cached_property
    def _generators(self) -> Mapping[str, FittedGenerator]:
        """The release's; those that know titles by their metadata also propose the snapshot's newer ones."""
        described = self.snapshot.described
        if described is None:
            return self.release.generators
        newer = described.filter(
            ~np.isin(described["media_id"].to_numpy(zero_copy_only=False).astype(str), self._known)
        )
        return {
            name: generator.extended(newer) if newer.num_rows and isinstance(generator, Extensible) else generator
            for name, generator in self.release.generators.items()
        }

    @cached_property
    def _known(self) -> np.ndarray:
        """What the release was fitted on."""
        return next(iter(self.release.generators.values())).catalogue

    @cached_property
    def _catalogue(self) -> np.ndarray:
        """What the release was fitted on, then what is newer; a code is a place here."""
        return max((generator.catalogue for generator in self._generators.values()), key=len)

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
    def _blending(self) -> BlendConfig:
        return BlendConfig(**self.release.manifest.settings.get("blend", {}))

    @cached_property
    def filters(self) -> FiltersConfig:
        return FiltersConfig(**self.release.manifest.settings.get("filters", {}))

    @cached_property
    def arrangement(self) -> Arrangement:
        stored = self.release.manifest.settings
        return Arrangement(
            OrderingConfig(**stored.get("ordering", {})),
            DiversityConfig(**(NO_METHOD | stored.get("diversity", {}))),
            ExplorationConfig(**stored.get("exploration", {})),
        )

    @cached_property
    def _bounds(self) -> Bounds:
        rated = self.snapshot.features.get("media_maturity_rating", np.full(len(self.snapshot.ids), None))
        return Bounds(self.snapshot.opens, self.snapshot.closes, self.snapshot.rights, least_ages(rated))

    @cached_property
    def _titles(self) -> Titles:
        nothing = np.zeros((len(self.snapshot.ids), 0), dtype=np.float32)
        written, kinds = (self.snapshot.features.get(name, nothing) for name in ("media_embedding", "media_genres"))
        return Titles(self.snapshot.titles, self.snapshot.groups, written, kinds)

    def candidates(self, history: History) -> Blended:
        """The blended candidates of one member, (1, n) codes of the release's catalogue."""
        return blend(self._generators, [history], self._blending, len(self._catalogue))

    def assemble(
        self,
        request: PageRequest,
        user_row: Mapping[str, object],
        history: History,
        exclude: AbstractSet[str] = frozenset(),
        rules: Rules = NO_RULES,
    ) -> Page:
        """The page for one request. ``user_row`` holds the member's online features, None where absent."""
        return self.assemble_with_candidates(request, user_row, history, exclude, rules)[0]

    def assemble_with_candidates(
        self,
        request: PageRequest,
        user_row: Mapping[str, object],
        history: History,
        exclude: AbstractSet[str] = frozenset(),
        rules: Rules = NO_RULES,
    ) -> tuple[Page, list[str]]:
        """The page, and the media ids it was chosen from in the order of the blend, pinned ones last."""
        history = asked_on(history, device=request.device, country=request.country)
        blended = self.candidates(history)
        pins, boosts = in_force(rules.pins, request.at, _country(request, user_row), request.surface)
        media, codes, rows = self._gathered(blended, list(pins))
        tired = self._tired(request, rules) - pins.keys()
        reasons = given_way(self.hindered(media, rows, request, user_row, history, exclude, tired), request.k)
        free = np.flatnonzero(reasons == 0)
        place = {str(one): place for place, one in enumerate(media[free])} if rules.pins else {}
        features = self.features(rows[free], request, user_row, history) if len(free) else {}
        shelf = Shelf(
            self._titles,
            rows[free],
            self.release.ranker.probability(features) if len(free) else np.empty(0),
            np.append(blended.scores[0], np.zeros(len(pins)))[free],
            features.get(LOG_ODDS, np.full(len(free), np.nan)),
            codes[free],
            {place[one]: pin for one, pin in pins.items() if one in place},
            {place[one]: boost for one, boost in boosts.items() if one in place},
        )
        seed = self.release.manifest.seed
        arranged = self.arrangement(shelf, request.k, request_id=request.request_id, seed=seed)
        items = [
            self._item(shelf, arranged, slot, _proposers(blended, int(free[place])), history, exclude)
            for slot, place in enumerate(arranged.page)
        ]
        items = self._in_rows(items, request) if request.rows else items
        trace = Trace(media, reasons, arranged.steps)
        page = Page(request.request_id, self.release.release_id, self.snapshot.version, tuple(items), trace)
        return page, media[free].tolist()

    def _in_rows(self, items: Sequence[PageItem], request: PageRequest) -> list[PageItem]:
        """The items in rows: the first ten, and up to the last that is drawn or pinned, stay where they are."""
        lead = max([self.arrangement.diversity.within, *(i.position + 1 for i in items if i.policy != RANKED)])
        recent = np.datetime64(request.at.replace(tzinfo=None), "us") - NEW
        places = [self._row(item.media_id) for item in items]
        genres, opens = [self.snapshot.genres[row] for row in places], self.snapshot.opens[places] > recent
        offers = [headings(i.reason, own, bool(new)) for i, own, new in zip(items, genres, opens, strict=True)]
        order = in_rows(offers, lead, request.rows)
        return [replace(items[place], position=n, row=title) for n, (place, title) in enumerate(order)]

    def _gathered(self, blended: Blended, pinned: Sequence[str]) -> tuple[Ids, Codes, Codes]:
        """Media ids, the release's codes (-1 = newer than it) and snapshot rows (-1 = not in it) of the candidates, and
        of pinned titles that nobody proposed."""
        codes = blended.codes[0][blended.codes[0] >= 0]
        media, rows = self._catalogue[codes], self._row_of_code[codes]
        more = [one for one in pinned if one not in set(media.tolist())] if pinned else []
        if not more:
            return media, codes, rows
        found = np.array([self._row(one) for one in more], dtype=np.int64)
        known = np.where(found >= 0, self._code_of_row[found], -1)
        return np.append(media, np.array(more)), np.append(codes, known), np.append(rows, found)

    def _row(self, media_id: str) -> int:
        """Where a media stands in the snapshot; -1 = nowhere."""
        row = int(np.searchsorted(self.snapshot.ids, media_id))
        return row if row < len(self.snapshot.ids) and self.snapshot.ids[row] == media_id else -1

    def _tired(self, request: PageRequest, rules: Rules) -> frozenset[str]:
        """What the member was shown too often without success."""
        most = self.filters.most_without_success
        if most is None:
            return frozenset()
        since = request.at - timedelta(days=self.filters.days)
        return tired_of(self.snapshot.unheeded.counts(request.user_id, since), rules.shown, most)

    def hindered(
        self,
        media: Ids,
        rows: Codes,
        request: PageRequest,
        user_row: Mapping[str, object],
        history: History,
        exclude: AbstractSet[str],
        tired: AbstractSet[str] = frozenset(),
    ) -> Reasons:
        """(n,) codes into filters.REASONS of media at snapshot ``rows`` (-1 = not in it): 0 for what may be shown to
        this member, here and now. tired: what was shown to them too often."""
        country, age = _country(request, user_row), user_row.get("user_age")
        viewer = Viewer(request.at, country, age, set(history.media), exclude, tired)
        return hindered(self._bounds, media, rows, viewer, self.filters)

    def popular(self, history: History) -> tuple[Ids, Codes]:
        """Every media of the release in the order of the popularity generator, and their snapshot rows."""
        codes, _ = self.release.generators["popularity"].candidates([history], len(self._catalogue))
        held = codes[0][codes[0] >= 0]
        return self._catalogue[held], self._row_of_code[held]

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
            country=_country(request, user_row),
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

    @cached_property
    def _asked(self) -> Mapping[str, str]:
        """Generator -> feature, of those whose scores the ranker reads, or the order of pages."""
        read = {*self.release.ranker.feature_names, *([LOG_ODDS] if self.arrangement.ordering.effects else [])}
        return {name: RETRIEVAL + name for name in self.release.generators if RETRIEVAL + name in read}

    def _retrieval(self, rows: Codes, history: History) -> Features:
        """The scores that are asked about; titles newer than the release had none either when the ranker was fitted."""
        codes = self._code_of_row[rows][None, :]
        codes = np.where(codes < len(self._known), codes, -1)
        return {f: self.release.generators[name].scores([history], codes)[0] for name, f in self._asked.items()}

    def _item(
        self,
        shelf: Shelf,
        arranged: Arranged,
        slot: int,
        by: tuple[str, ...],
        history: History,
        exclude: AbstractSet[str],
    ) -> PageItem:
        """The title at a slot; for an exploration slot with what else could have stood here, and how probable."""
        place = arranged.page[slot]
        row, draw = int(shelf.rows[place]), arranged.drawn.get(slot)
        actions = shelf.rows[[arranged.ranking[action] for action in draw.actions]] if draw else None
        reason = DIFFERENT if draw else FEATURED if slot in arranged.pinned else None
        return PageItem(
            media_id=str(self.snapshot.ids[row]),
            title=self.snapshot.titles[row],
            position=slot,
            score=float(shelf.probability[place]),
            policy=EXPLORATION if draw else PINNED if slot in arranged.pinned else RANKED,
            propensity=draw.propensity if draw else 1.0,
            reason=reason or self._reason(row, int(shelf.codes[place]), by, history, exclude),
            generators=by,
            action_set=tuple(self.snapshot.ids[actions].tolist()) if draw else None,
            action_propensities=draw.probabilities if draw else None,
        )

    def _reason(self, row: int, code: int, by: tuple[str, ...], history: History, exclude: AbstractSet[str]) -> str:
        """What the member is told; a title that is excluded is not even named."""
        for name in by:
            source = self._generators[name].because(code, history)
            place = self._row(source) if source is not None and source not in exclude else -1
            if place >= 0:
                return f"Because you watched {self.snapshot.titles[place]}"
        genres = self.snapshot.genres[row]
        return f"Popular in {genres[0]}" if genres else "Popular now"


def _proposers(blended: Blended, place: int) -> tuple[str, ...]:
    """The generators that proposed the candidate at this place of the blend, the one that ranked it highest first."""
    if place >= blended.codes.shape[1]:
        return ()
    ranks = {name: int(rank[0, place]) for name, rank in blended.ranks.items() if rank[0, place] >= 0}
    return tuple(sorted(ranks, key=lambda name: ranks[name]))


def _country(request: PageRequest, user_row: Mapping[str, object]) -> str | None:
    return request.country or _word(user_row, "user_country")


def _word(row: Mapping[str, object], name: str) -> str | None:
    value = row.get(name)
    return value if isinstance(value, str) else None


def popular(pager: Pager, history: History, k: int) -> list[str]:
    """The popularity floor: the generator's own order, what was watched left out."""
    return [str(media) for media in pager.popular(history)[0][:k]]
