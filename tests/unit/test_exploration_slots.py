"""Exploration slots from the lake's impressions, and two releases' answers as policies on them."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipelines.core.errors import DataError
from pipelines.core.tables import IMPRESSIONS
from pipelines.evaluation.exploration_slots import Slots, exploration_slots, first_choice, own_draw
from pipelines.evaluation.off_policy import compare, estimate
from pipelines.rerank.exploration import ExplorationConfig, explore

AT = datetime(2026, 3, 1, tzinfo=UTC)
CONFIG = ExplorationConfig(actions=4)
WORTH = {"m0": 0.05, "m1": 0.2, "m2": 0.5, "m3": 0.8}
"""The chance that each title is watched."""
CHAMPION = {"m0": 0.4, "m1": 0.3, "m2": 0.2, "m3": 0.1}
CHALLENGER = {"m0": 0.1, "m1": 0.2, "m2": 0.3, "m3": 0.4}


def impression(number: int, **more: Any) -> dict[str, Any]:
    shown = {"impression_id": f"i{number}", "user_id": f"u{number // 3}", "shown_at": AT, "available_at": AT}
    return shown | {"media_id": "m1", "policy": "ranked", "propensity": 1.0} | more


def table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), IMPRESSIONS.schema())


def set_of(media: str, chances: list[float], **more: Any) -> dict[str, Any]:
    actions = ["m0", "m1", "m2", "m3"][: len(chances)]
    given = {"media_id": media, "action_set": actions, "action_propensities": chances, "policy": "exploration"}
    return given | {"propensity": chances[actions.index(media)]} | more


def served(requests: int) -> pa.Table:
    """What the champion shows: above, always the same; in the last slot, one of four titles by its own scores."""
    scores, rows = np.array([0.9] * 7 + [CHAMPION[m] for m in sorted(CHAMPION)]), []
    for number in range(requests):
        (draw,) = explore(scores, 8, CONFIG, request_id=f"r{number}", seed=1)
        actions = [f"m{place - 7}" for place in draw.actions]
        drawn = {"action_set": actions, "action_propensities": list(draw.probabilities), "propensity": draw.propensity}
        rows.append(impression(2 * number, media_id="top"))
        rows.append(impression(2 * number + 1, media_id=f"m{draw.chosen - 7}", policy="exploration", **drawn))
    return table(*rows)


def rewards(slots: Slots) -> np.ndarray:
    shown = slots.actions[np.arange(len(slots)), slots.shown]
    return np.random.default_rng(3).random(len(slots)) < np.array([WORTH[media] for media in shown])


def answers(of: dict[str, float], slots: Slots) -> np.ndarray:
    return slots.scores([of] * len(slots))


@pytest.fixture(scope="module")
def slots() -> Slots:
    return exploration_slots(served(3000))


def test_only_what_was_drawn_from_a_set_is_a_slot():
    two = set_of("m1", [0.3, 0.7])
    found = exploration_slots(table(impression(0), impression(1, **two), impression(2, **set_of("m0", [1.0]))))
    assert found.ids.tolist() == ["i1", "i2"]
    assert found.actions.tolist() == [["m0", "m1"], ["m0", ""]]
    assert found.shown.tolist() == [1, 0]
    np.testing.assert_array_equal(found.propensities, [[0.3, 0.7], [1.0, 0.0]])
    np.testing.assert_array_equal(found.of_shown(found.propensities), [0.7, 1.0])


def test_a_replay_of_the_release_that_served_reproduces_the_logged_propensities(slots):
    again = own_draw(answers(CHAMPION, slots), temperature=CONFIG.temperature, uniform=CONFIG.uniform)
    np.testing.assert_allclose(again, slots.propensities)
    found = estimate(slots.logged(rewards(slots)), slots.target(again))
    assert found.value.value == pytest.approx(rewards(slots).mean())
    assert found.overlap.effective_rows == pytest.approx(3000)


@pytest.mark.parametrize(("release", "best"), [(CHAMPION, "m0"), (CHALLENGER, "m3")])
@pytest.mark.parametrize("method", ["ips", "snips", "dr"])
def test_a_release_is_worth_what_its_first_choice_is_watched(slots, release, best, method):
    model = answers(dict.fromkeys(WORTH, 0.5), slots)
    target = slots.target(first_choice(answers(release, slots)), model)
    found = estimate(slots.logged(rewards(slots), model), target, method)
    assert found.verdict == "supported"
    assert found.value.low < WORTH[best] < found.value.high


def test_the_challenger_is_found_better_on_the_champions_own_log(slots):
    both = [slots.target(first_choice(answers(release, slots))) for release in (CHALLENGER, CHAMPION)]
    found = compare(slots.logged(rewards(slots)), *both)
    assert found.verdict == "better"
    assert found.gain.low < WORTH["m3"] - WORTH["m0"] < found.gain.high


def test_a_release_that_knows_none_of_the_set_has_no_support_there(slots):
    chances = first_choice(answers({"elsewhere": 1.0}, slots))
    assert not chances.any()
    found = estimate(slots.logged(rewards(slots)), slots.target(chances))
    assert found.overlap.support == 0.0
    assert found.verdict == "inconclusive"


def test_a_title_that_was_never_possible_is_no_support(slots):
    target = slots.target(np.full(slots.actions.shape, 0.25))
    assert target.support is not None
    np.testing.assert_allclose(target.support, 1.0)
    closed = Slots(slots.ids, slots.members, slots.shown, slots.actions, slots.propensities * [1, 1, 1, 0])
    kept = closed.taken(closed.of_shown(closed.propensities) > 0)
    assert kept.target(np.full(kept.actions.shape, 0.25)).support == pytest.approx(np.full(len(kept), 0.75))


def test_the_first_of_equal_scores_is_chosen_and_what_has_none_is_not():
    np.testing.assert_array_equal(first_choice([[np.nan, 2.0, 2.0], [np.nan] * 3]), [[0, 1, 0], [0, 0, 0]])
    drawn = own_draw([[np.nan, 0.1, 0.3]], temperature=1.0, uniform=0.2)
    np.testing.assert_allclose(drawn, [[0.0, 0.1 + 0.8 / 4, 0.1 + 0.8 * 3 / 4]])


def test_no_exploration_is_no_slots_and_an_estimate_from_them_is_refused():
    found = exploration_slots(table(impression(0)))
    assert len(found) == 0
    assert first_choice(found.scores([])).shape == (0, 1)
    with pytest.raises(DataError, match="the window is empty"):
        found.logged([])


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"action_propensities": [0.5]}, "has not one probability for each"),
        ({"action_propensities": None}, "has not one probability for each"),
        ({"action_propensities": [0.7, 0.7]}, "that are not 1 in all"),
        ({"action_propensities": [-0.7, 1.7]}, "that are not 1 in all"),
        ({"media_id": "m3"}, "not once in its action set"),
        ({"action_set": ["m1", "m1"]}, "not once in its action set"),
        ({"action_set": [], "action_propensities": []}, "not once in its action set"),
        ({"propensity": 0.3}, "has another propensity"),
        ({"propensity": None}, "has another propensity"),
    ],
)
def test_a_log_that_contradicts_itself_is_refused_by_name(broken, said):
    good = impression(1, **set_of("m1", [0.3, 0.7]))
    with pytest.raises(DataError, match=f"impression i2 .*{said}.*1 such"):
        exploration_slots(table(good, impression(2, **(set_of("m1", [0.3, 0.7]) | broken))))


def test_impressions_without_the_columns_are_refused():
    with pytest.raises(DataError, match="impressions have no column action_set"):
        exploration_slots(table(impression(0)).drop_columns(["action_set"]))


def test_answers_of_other_slots_are_refused(slots):
    with pytest.raises(DataError, match="1 answers for 3000 slots"):
        slots.scores([CHAMPION])
    with pytest.raises(DataError, match="one an action"):
        slots.target(np.ones((3000, 2)))
