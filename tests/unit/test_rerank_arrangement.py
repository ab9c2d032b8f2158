"""The steps of reranking together: what moves, what is pinned or boosted, what is drawn, and that each says why."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from pipelines.rerank.arrangement import Arrangement, Shelf, Titles
from pipelines.rerank.diversity import DiversityConfig
from pipelines.rerank.exploration import ExplorationConfig
from pipelines.rerank.filters import REASONS
from pipelines.rerank.ordering import OrderingConfig
from pipelines.rerank.pins import Pin, in_force, settle
from pipelines.rerank.trace import Trace

NOON = datetime(2026, 1, 20, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=1)
N = 30
PLAIN = Arrangement(OrderingConfig(prior=0), DiversityConfig(method="none"), ExplorationConfig(slots=()))


def pin(number: int, media_id: str, slot: int | None = None, **other) -> Pin:
    return Pin(**{"number": number, "media_id": media_id, "until": LATER, "reason": "the finale", "slot": slot} | other)


def shelf(**other) -> Shelf:
    """Thirty titles, the first the most probable; every third of genre 1, and no two alike in anything else."""
    genres = np.eye(2)[[1 if place % 3 == 0 else 0 for place in range(N)]]
    titles = Titles([f"Title {n}" for n in range(N)], [None] * N, np.zeros((N, 0)), genres)
    held = Shelf(titles, np.arange(N), np.linspace(0.9, 0.1, N), np.ones(N), np.zeros(N), np.arange(N))
    return replace(held, **other)


def arrange(how: Arrangement, held: Shelf, k: int = 10):
    return how(held, k, request_id="r", seed=1)


def moves(held: Shelf, found, place: int) -> list[tuple[int, int, str]]:
    media = np.array([f"m{n}" for n in range(len(held.codes))])
    told = Trace(media, np.zeros(len(media), np.int8), found.steps).moves(f"m{place}")
    return [(move.start, move.end, move.why) for move in told]


def test_without_any_step_the_page_is_the_ranking_and_nothing_moved() -> None:
    found = arrange(PLAIN, shelf())
    assert found.page == found.ranking[:10] == list(range(10))
    assert not any(moves(shelf(), found, place) for place in range(N))


def test_a_shelf_of_none_or_few_gives_what_there_is() -> None:
    everything = Arrangement(OrderingConfig(), DiversityConfig(), ExplorationConfig())
    for n in (0, 1, 2, 5):
        held = shelf()
        of = ("rows", "probability", "retrieved", "effects", "codes")
        few = replace(held, **{name: getattr(held, name)[:n] for name in of})
        assert sorted(arrange(everything, few).page) == list(range(n))


def test_a_boost_multiplies_the_score_and_says_until_when() -> None:
    held = shelf(boosts={9: pin(1, "m9", factor=1.5)})
    found = arrange(PLAIN, held)
    assert 0.9 * (1 - 9 / 29 * 8 / 9) * 1.5 > 0.9  # Place 9 has .652: half as much again is .978.
    assert found.page == [9, *range(9)]
    assert moves(held, found, 9) == [(9, 0, "boosted 1.5-fold until 2026-01-21T12:00+00:00: the finale")]
    assert moves(held, found, 0) == [(0, 1, "makes room for what is boosted")]


def test_a_pin_stands_at_its_slot_and_the_others_close_up_around_it() -> None:
    held = shelf(pins={20: pin(1, "m20", 0), 3: pin(2, "m3", 5)})
    found = arrange(PLAIN, held)
    assert found.page == [20, 0, 1, 2, 4, 3, 5, 6, 7, 8]
    assert {slot: one.media_id for slot, one in found.pinned.items()} == {0: "m20", 5: "m3"}
    assert moves(held, found, 20) == [(20, 0, "pinned until 2026-01-21T12:00+00:00: the finale")]
    assert moves(held, found, 0) == [(0, 1, "makes room for what is pinned")]


def test_a_slot_that_is_pinned_does_not_explore_and_no_draw_ever_takes_a_pinned_title() -> None:
    how = replace(PLAIN, exploration=ExplorationConfig(slots=(4, 7), actions=5))
    held = shelf(pins={9: pin(1, "m9", 4), 28: pin(2, "m28", 0)})
    shown = Counter()
    for n in range(4000):
        found = how(held, 10, request_id=f"r{n}", seed=1)
        assert (set(found.drawn), found.page[4], found.page[0]) == ({7}, 9, 28)
        assert len(set(found.page)) == 10
        draw = found.drawn[7]
        actions = [found.ranking[action] for action in draw.actions]
        assert found.page[7] == found.ranking[draw.chosen]
        assert not {9, 28} & set(actions)
        shown[found.page[7]] += 1
    for action, propensity in zip(actions, draw.probabilities, strict=True):
        assert shown[action] / 4000 == pytest.approx(propensity, abs=5 * (propensity * (1 - propensity) / 4000) ** 0.5)
    assert [place for slot, place in enumerate(found.page) if slot not in (0, 4, 7)] == [0, 1, 2, 3, 4, 5, 6]


def test_what_was_drawn_says_so_and_with_what_probability() -> None:
    how = replace(PLAIN, exploration=ExplorationConfig(slots=(2,), actions=5))
    held = shelf()
    found = arrange(how, held)
    draw = found.drawn[2]
    ((start, end, why),) = moves(held, found, found.page[2])
    assert (start, end) == (draw.chosen, 2)
    assert why == f"exploration: drawn with probability {draw.propensity:.3g} of 5"
    assert moves(held, found, 2) == [(2, 3, "makes room for exploration")]


def test_one_too_many_of_a_series_says_which_number_it_was() -> None:
    groups = ["saga" if place < 5 else None for place in range(N)]
    held = shelf()
    held = replace(held, titles=replace(held.titles, groups=groups))
    found = arrange(replace(PLAIN, diversity=DiversityConfig(method="none", most=3)), held)
    assert found.page[:4] == [0, 1, 2, 5]
    assert moves(held, found, 3)[0][2] == "diversity: number 4 of its series or maker"
    assert moves(held, found, 5)[0][2] == "diversity: makes up for one too many of its kind"


@pytest.mark.parametrize(("method", "strength"), [("mmr", 0.6), ("dpp", 0.3), ("maxsum", 1.0)])
def test_what_is_much_like_another_moves_down_and_names_it(method: str, strength: float) -> None:
    """All of genre 0 but every third; the fifth and sixth titles are copies of the second in every way."""
    written = np.eye(N)
    written[[4, 5]] = written[1]
    held = shelf()
    held = replace(held, titles=replace(held.titles, embedding=written))
    found = arrange(replace(PLAIN, diversity=DiversityConfig(method=method, strength=strength, rate=1.0)), held)
    assert 0 in found.page
    assert not {1, 4, 5} <= set(found.page)
    gone = next(place for place in (5, 4) if place not in found.page)
    (_, _, why), *_ = moves(held, found, gone)
    assert why == "diversity: much like Title 1, which stands above it"


@pytest.mark.parametrize(
    ("slots", "others", "k", "settled"),
    [
        ([0, 5], 20, 10, {0: 0, 5: 1}),
        ([3, 3, 3], 20, 10, {3: 0, 4: 1, 5: 2}),
        ([9, 9], 20, 10, {9: 0}),
        ([12], 20, 10, {}),
        ([7, 8], 3, 10, {3: 0, 4: 1}),
        ([0, 9], 0, 10, {0: 0, 1: 1}),
        ([], 5, 10, {}),
    ],
)
def test_pins_take_the_next_free_slot_or_close_up_on_a_short_page(slots, others, k, settled) -> None:
    assert settle(slots, others, k) == settled


def test_a_pin_holds_until_its_moment_and_where_it_says() -> None:
    held = [
        pin(1, "m1", 3),
        pin(2, "m2", 3),
        pin(3, "m3", 0, country="NL"),
        pin(4, "m4", 0, surface="browse"),
        pin(5, "m1", factor=2.0),
        pin(6, "m1", 4),
    ]
    pins, boosts = in_force(held, NOON, "NL", "home")
    assert list(pins) == ["m3", "m2", "m1"]
    assert (pins["m1"].slot, boosts["m1"].factor) == (4, 2.0)
    assert list(in_force(held, NOON, None, "home")[0]) == ["m2", "m1"]
    assert in_force(held, LATER, "NL", "home") == ({}, {})
    assert in_force(held, LATER - timedelta(microseconds=1), "NL", "home")[0]


def test_a_trace_names_what_was_removed_and_what_was_not_there_did_not_move() -> None:
    found = Trace(np.array(["a", "b", "c"]), np.array([0, 3, 5], np.int8))
    assert [(one.media_id, one.reason) for one in found.removed()] == [("b", REASONS[3]), ("c", REASONS[5])]
    assert found.moves("a") == found.moves("b") == found.moves("nobody") == []
