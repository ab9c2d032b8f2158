"""The steps of reranking in their order: score and boosts, diversity, pins, and exploration, which comes last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from pipelines.core.contracts import Codes, Floats
from pipelines.rerank.diversity import DiversityConfig, diversify, spread
from pipelines.rerank.exploration import TAKEN, Draw, ExplorationConfig, explore, order
from pipelines.rerank.ordering import OrderingConfig, best_first, log_score
from pipelines.rerank.pins import Pin, settle
from pipelines.rerank.similarity import similarity
from pipelines.rerank.trace import Step


@dataclass(frozen=True)
class Titles:
    """What is known of every title of a catalogue, (n,) each. names: what members call them.

    groups: its series, else its creator. embedding, genres: (n, d), of any length; of width 0 where there are none.
    """

    names: Sequence[str]
    groups: Sequence[str | None]
    embedding: Floats
    genres: Floats


@dataclass(frozen=True)
class Shelf:
    """n titles that may be shown. rows: (n,) their places in ``titles``. probability, retrieved, effects, codes: (n,).

    pins: by place among the n, in the order in which they take their slots. boosts: by place.
    """

    titles: Titles
    rows: Codes
    probability: Floats
    retrieved: Floats
    effects: Floats
    codes: Codes
    pins: Mapping[int, Pin] = field(default_factory=dict)
    boosts: Mapping[int, Pin] = field(default_factory=dict)

    @cached_property
    def groups(self) -> list[str | None]:
        return [self.titles.groups[row] for row in self.rows.tolist()]

    def alike(self, places: Sequence[int]) -> Floats:
        """(m, m) how alike the titles at ``places`` are."""
        number: dict[str, int] = {}
        groups = [-1 if g is None else number.setdefault(g, len(number)) for g in (self.groups[p] for p in places)]
        rows = self.rows[np.asarray(places, dtype=np.int64)]
        return similarity(self.titles.embedding[rows], self.titles.genres[rows], np.array(groups, dtype=np.int64))

    def name(self, place: int) -> str:
        return self.titles.names[int(self.rows[place])]


@dataclass(frozen=True)
class Arranged:
    """page: places of the shelf, first to last. pinned, drawn: by slot; a draw's actions are places of ``ranking``.

    ranking: every place that no pin holds, best first, before exploration. steps: for whoever asks why.
    """

    page: list[int]
    pinned: Mapping[int, Pin]
    drawn: Mapping[int, Draw]
    ranking: list[int]
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Arrangement:
    """The settings of the steps."""

    ordering: OrderingConfig
    diversity: DiversityConfig
    exploration: ExplorationConfig

    def __call__(self, shelf: Shelf, k: int, *, request_id: str, seed: int) -> Arranged:
        """At most ``k`` titles of the shelf in page order; the same for the same request."""
        score = log_score(shelf.probability, shelf.retrieved, shelf.effects, self.ordering)
        ranked = best_first(score, shelf.codes).tolist()
        boosted = self._boosted(shelf, score) if shelf.boosts else ranked
        unlike = self._unlike(shelf, score, boosted)
        first = unlike[: self.diversity.within]
        spaced = [unlike[place] for place in spread([shelf.groups[place] for place in unlike], self.diversity)]
        pins = list(shelf.pins)
        ranking = [place for place in spaced if place not in shelf.pins] if pins else spaced
        slots = settle([pin.slot or 0 for pin in shelf.pins.values()], len(ranking), k)
        at = {slot: pins[which] for slot, which in slots.items()}
        draws = explore(shelf.probability[ranking], k, self.exploration, request_id=request_id, seed=seed, taken=at)
        straight = _filled(order(len(ranking), k, (), at), ranking, at)
        page = _filled(order(len(ranking), k, draws, at), ranking, at)
        drawn = {draw.slot: draw for draw in draws}
        waiting = ranking[len(straight) - len(at) :]
        steps = (
            Step(ranked, boosted, lambda place, start, end: _why_boosted(shelf, place)),
            Step(boosted, unlike, lambda place, start, end: _why_unlike(shelf, first, place, start, end)),
            Step(unlike, spaced, lambda place, start, end: _why_spaced(shelf, unlike, start, end)),
            Step(spaced, [*straight, *waiting], lambda place, start, end: _why_pinned(shelf, place)),
            Step([*straight, *waiting], page, lambda place, start, end: _why_drawn(drawn.get(end), start, end)),
        )
        return Arranged(page, {slot: shelf.pins[place] for slot, place in at.items()}, drawn, ranking, steps)

    def _boosted(self, shelf: Shelf, score: Floats) -> list[int]:
        """The order with boosts; ``score`` is changed to theirs."""
        for place, boost in shelf.boosts.items():
            score[place] += np.log(boost.factor or 1.0)
        return list(best_first(score, shelf.codes).tolist())

    def _unlike(self, shelf: Shelf, score: Floats, ranked: Sequence[int]) -> list[int]:
        """The order in which titles that are unlike each other come first."""
        best = np.asarray(ranked, dtype=np.int64)
        relative = np.exp(score[best] - score[best].max(initial=-np.inf))
        # The score orders; together the first titles are worth what the ranker expects of them.
        first = slice(0, self.diversity.within)
        worth = relative * (shelf.probability[best[first]].sum() / (relative[first].sum() or 1.0))
        return [ranked[place] for place in diversify(worth, lambda deep: shelf.alike(ranked[:deep]), self.diversity)]


def _filled(page: Sequence[int], ranking: Sequence[int], at: Mapping[int, int]) -> list[int]:
    """Places of the ranking as places of the shelf, the pinned ones in their slots."""
    return [at[slot] if place == TAKEN else ranking[place] for slot, place in enumerate(page)]


def _why_boosted(shelf: Shelf, place: int) -> str:
    boost = shelf.boosts.get(place)
    return f"boosted {boost.factor:g}-fold {boost.said}" if boost else "makes room for what is boosted"


def _why_unlike(shelf: Shelf, first: Sequence[int], place: int, start: int, end: int) -> str:
    """``first``: the places that were chosen; they keep their order, and close up where others were left out."""
    within = len(first)
    if end < start:
        unlike, closes = "diversity: unlike the other titles of the page", "moves up for what is much like other titles"
        return unlike if start >= within else closes
    if start >= within:
        return "makes room for what is unlike the other titles of the page"
    nearest = first[int(np.argmax(shelf.alike([place, *first])[0, 1:]))]
    return f"diversity: much like {shelf.name(nearest)}, which stands above it"


def _why_spaced(shelf: Shelf, before: Sequence[int], start: int, end: int) -> str:
    if end < start:
        return "diversity: makes up for one too many of its kind"
    group = shelf.groups[before[start]]
    return f"diversity: number {sum(shelf.groups[p] == group for p in before[: start + 1])} of its series or maker"


def _why_pinned(shelf: Shelf, place: int) -> str:
    return f"pinned {shelf.pins[place].said}" if place in shelf.pins else "makes room for what is pinned"


def _why_drawn(draw: Draw | None, start: int, end: int) -> str:
    if draw:
        return f"exploration: drawn with probability {draw.propensity:.3g} of {len(draw.actions)}"
    return "makes room for exploration" if end > start else "moves up for what exploration drew"
