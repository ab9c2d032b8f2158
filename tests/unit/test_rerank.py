"""The cap on a series and exploration, by hand and by replay."""

from collections import Counter

import numpy as np
import pytest

from pipelines.rerank.diversity import DiversityConfig, spread
from pipelines.rerank.exploration import TAKEN, ExplorationConfig, explore, order


def test_one_too_many_of_a_group_moves_down_and_nothing_is_lost() -> None:
    order_ = spread(["x", "x", "x", "y", None, None], DiversityConfig(most=2, within=5))
    assert order_ == [0, 1, 3, 4, 5, 2]


def test_a_page_of_one_group_is_still_filled() -> None:
    assert spread(["x"] * 4, DiversityConfig(most=2, within=10)) == [0, 1, 2, 3]


def test_without_exploration_the_page_is_the_ranking() -> None:
    assert order(20, 5, explore(np.linspace(1, 0.1, 20), 5, ExplorationConfig(slots=()), request_id="r", seed=1)) == [
        0,
        1,
        2,
        3,
        4,
    ]


def test_a_replay_repeats_the_draw_and_another_request_may_not() -> None:
    scores = np.linspace(0.5, 0.05, 60)
    config = ExplorationConfig()
    first = explore(scores, 10, config, request_id="r1", seed=1)
    assert first == explore(scores, 10, config, request_id="r1", seed=1)
    assert len({explore(scores, 10, config, request_id=f"r{i}", seed=1)[0].chosen for i in range(50)}) > 1


def test_a_page_never_shows_a_title_twice_and_explores_only_in_its_slots() -> None:
    scores = np.linspace(0.5, 0.05, 60)
    draws = explore(scores, 10, ExplorationConfig(slots=(4, 8)), request_id="r", seed=1)
    page = order(60, 10, draws)
    assert len(set(page)) == 10
    assert [place for slot, place in enumerate(page) if slot not in (4, 8)] == list(range(8))


@pytest.mark.parametrize("length", [0, 1, 3, 9, 11])
def test_few_candidates_fill_what_they_can(length: int) -> None:
    draws = explore(np.full(length, 0.1), 10, ExplorationConfig(), request_id="r", seed=1)
    assert sorted(order(length, 10, draws))[: min(8, length)] == list(range(min(8, length)))
    assert len(order(length, 10, draws)) == min(10, length)


def test_a_slot_that_is_taken_does_not_explore_and_no_title_fills_it() -> None:
    scores = np.linspace(0.5, 0.05, 60)
    config = ExplorationConfig(slots=(4, 8), actions=3)
    (draw,) = explore(scores, 10, config, request_id="r", seed=1, taken={4, 0})
    assert (draw.slot, draw.actions) == (8, (7, 8, 9))
    page = order(60, 10, [draw], {4, 0})
    assert page == [TAKEN, 0, 1, 2, TAKEN, 3, 4, 5, draw.chosen, 6]


def test_100000_replays_match_the_logged_propensities() -> None:
    """Both slots: how often each action was shown is within five standard errors of its logged propensity."""
    scores = np.linspace(0.5, 0.01, 60)
    config = ExplorationConfig(slots=(4, 8), actions=10, uniform=0.2)
    shown: dict[int, Counter[int]] = {4: Counter(), 8: Counter()}
    replays = 100_000
    for replay in range(replays):
        for draw in explore(scores, 10, config, request_id=f"request-{replay}", seed=11):
            shown[draw.slot][draw.chosen] += 1
    for draw in explore(scores, 10, config, request_id="any", seed=11):
        assert sum(draw.probabilities) == pytest.approx(1)
        for action, probability in zip(draw.actions, draw.probabilities, strict=True):
            error = (probability * (1 - probability) / replays) ** 0.5
            assert shown[draw.slot][action] / replays == pytest.approx(probability, abs=5 * error)
