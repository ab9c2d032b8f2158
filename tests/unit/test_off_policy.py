"""Off-policy estimates: four rows by hand, what cannot be told, what is refused, and truth held as often as claimed."""

import json

import numpy as np
import pytest

from pipelines.core.errors import DataError
from pipelines.evaluation.logged import Logged, Target
from pipelines.evaluation.off_policy import METHODS, compare, estimate
from pipelines.evaluation.overlap import SupportRules, overlap

ANY = SupportRules(least_effective=1, largest_share=1.0, least_uncommon=1, least_support=0.0, most_off=1e9)
REWARD, DRAWN = [1, 0, 1, 0], [0.5, 0.5, 0.25, 0.25]
FOUR = Logged.of(REWARD, DRAWN, ["a", "b", "c", "d"], predicted=[0.5] * 4)
TARGET = Target.of([1.0, 0.0, 0.5, 0.25], predicted=[0.5] * 4)
"""Weights 2, 0, 2 and 1."""


def drawn(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rows, 3) probabilities of three titles, what each one earns, and which was shown."""
    rng = np.random.default_rng(seed)
    chances = rng.dirichlet([3.0, 2.0, 1.0], rows) * 0.7 + 0.1
    worth = np.broadcast_to([0.2, 0.5, 0.8], chances.shape)
    return chances, worth, (np.cumsum(chances, axis=1) < rng.random((rows, 1))).sum(axis=1)


def log_of(rows: int, seed: int = 0) -> tuple[Logged, np.ndarray]:
    chances, worth, shown = drawn(rows, seed)
    each = np.arange(rows)
    reward = np.random.default_rng(seed + 1).random(rows) < worth[each, shown]
    return Logged.of(reward, chances[each, shown], each // 2), shown


def always(title: int, shown: np.ndarray) -> Target:
    return Target.of((shown == title).astype(float))


@pytest.mark.parametrize(("method", "value"), [("ips", 4 / 4), ("snips", 4 / 5), ("dr", 0.5 + 1.5 / 4)])
def test_four_rows_by_hand(method, value):
    assert estimate(FOUR, TARGET, method).value.value == pytest.approx(value)


def test_the_overlap_of_four_rows_by_hand():
    found = overlap(FOUR, TARGET)
    assert (found.rows, found.members, found.matched, found.largest_weight) == (4, 4, 0.75, 2.0)
    assert (found.effective_rows, found.largest_share) == pytest.approx((25 / 9, 2 / 5))
    assert (found.mean_weight, found.support) == (1.25, 1.0)
    assert found.uncommon == pytest.approx(1.0)  # Weights 2, 2 of the common reward, 1 of the other.


def test_rows_of_one_member_count_as_one():
    one = Logged.of(REWARD, DRAWN, ["a", "a", "a", "d"])
    assert overlap(one, TARGET).effective_members == pytest.approx(25 / 17)
    assert overlap(one, TARGET).effective_rows == pytest.approx(25 / 9)


@pytest.mark.parametrize("method", METHODS)
def test_the_policy_that_logged_earned_what_the_log_says(method):
    same = Target.of(DRAWN, predicted=[0.5] * 4)
    assert estimate(FOUR, same, method).value.value == pytest.approx(0.5)


def test_a_perfect_model_leaves_only_what_the_policy_would_have_shown():
    perfect = Logged.of(REWARD, DRAWN, range(4), predicted=REWARD)
    found = estimate(perfect, Target.of([1.0, 0.0, 0.5, 0.25], predicted=[0.3, 0.1, 0.2, 0.2]), "dr")
    assert found.value.value == pytest.approx(0.2)


def test_the_interval_holds_what_the_policy_earns_and_the_verdict_says_that_it_may_be_believed():
    logged, shown = log_of(4000)
    for title, worth in enumerate([0.2, 0.5, 0.8]):
        found = estimate(logged, always(title, shown))
        assert found.verdict == "supported"
        assert found.value.low < worth < found.value.high
        assert found.value.high - found.value.low < 0.12


def test_the_interval_holds_the_truth_as_often_as_it_says():
    held = []
    for seed in range(300):
        logged, shown = log_of(400, seed)
        value = estimate(logged, always(2, shown)).value
        held.append(value.low <= 0.8 <= value.high)
    assert 0.92 <= np.mean(held) <= 0.98


def test_a_comparison_knows_the_better_from_the_worse():
    logged, shown = log_of(4000)
    better = compare(logged, always(2, shown), always(0, shown))
    assert better.verdict == "better"
    assert better.gain.low < 0.6 < better.gain.high
    worse = compare(logged, always(0, shown), always(2, shown))
    assert worse.verdict == "worse"
    assert worse.gain.value == pytest.approx(-better.gain.value)


def test_what_both_sides_share_cancels():
    chances, _, shown = drawn(4000)
    logged, _ = log_of(4000)
    base = always(2, shown)
    ten_more = Target.of(np.where(np.arange(4000) % 10 == 0, (shown == 0).astype(float), base.propensity))
    paired = compare(logged, ten_more, base)
    alone = estimate(logged, base)
    assert paired.gain.high - paired.gain.low < 0.75 * (alone.value.high - alone.value.low)
    assert paired.contrast.matched < 0.15
    assert chances.min() > 0


def test_two_policies_that_are_the_same_gain_nothing_and_say_so():
    logged, shown = log_of(1000)
    same = compare(logged, always(1, shown), always(1, shown))
    assert same.gain.as_dict() == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert same.verdict == "inconclusive"
    assert "both would have shown the same titles" in same.describe()


def test_a_gain_that_may_be_nothing_is_inconclusive():
    logged, shown = log_of(4000)
    chances, _, _ = drawn(4000)
    even = Target.of(np.where(shown == 1, 1.0, 0.0))
    mixed = Target.of(np.select([shown == 0, shown == 2], [0.5, 0.5]))
    found = compare(logged, even, mixed)
    assert found.verdict == "inconclusive"
    assert "the gain's interval holds 0" in found.reasons[-1]
    assert len(chances) == 4000


def test_few_members_are_inconclusive():
    logged, shown = log_of(60)
    found = estimate(logged, always(2, shown))
    assert found.verdict == "inconclusive"
    assert "of 30 members, and 50 are asked for" in found.describe()


def test_one_row_that_holds_the_weight_is_inconclusive():
    rng = np.random.default_rng(0)
    propensity = np.append(np.full(999, 0.5), 1e-5)
    logged = Logged.of(rng.random(1000) < 0.5, propensity, np.arange(1000))
    found = estimate(logged, Target.of(np.full(1000, 0.5)))
    assert found.overlap.effective_rows < 1.1
    assert found.verdict == "inconclusive"
    assert any("one member holds 98.0% of the weight" in why for why in found.reasons)


def test_rewards_that_are_all_alike_are_inconclusive_however_narrow_the_interval():
    found = estimate(Logged.of(np.zeros(1000), np.full(1000, 0.5), range(1000)), Target.of(np.full(1000, 0.5)))
    assert found.value.high == 0.0
    assert found.verdict == "inconclusive"
    assert "slots with another reward than the commonest count as 0.0" in found.reasons[0]


def test_titles_that_could_not_have_been_shown_are_inconclusive():
    logged, shown = log_of(4000)
    target = Target.of((shown == 2) * 0.5, support=np.full(4000, 0.5))
    found = estimate(logged, target)
    assert found.reasons == ("50.0% of the policy's choices could have been shown, and 95.0% are asked for",)


def test_propensities_that_were_not_those_of_the_draw_are_noticed():
    logged, shown = log_of(4000)
    wrong = Logged(logged.reward, logged.propensity * 0.7, logged.member, logged.members)
    assert "the logged propensities are not those of the draw" in estimate(wrong, always(1, shown)).describe()


def test_a_policy_that_shares_nothing_with_the_log_has_no_figure():
    logged, _ = log_of(1000)
    found = estimate(logged, Target.of(np.zeros(1000)))
    assert np.isnan(found.value.value)
    assert found.verdict == "inconclusive"
    assert found.overlap.effective_members == 0.0


def test_rules_are_the_callers_to_set():
    assert estimate(FOUR, TARGET, rules=ANY).verdict == "supported"


def test_an_answer_can_be_told_and_written():
    logged, shown = log_of(4000)
    found = compare(logged, always(2, shown), always(0, shown), "ips")
    assert found.describe().startswith("ips gain +0.5463 [+0.4832, +0.6123] a slot: better")
    assert json.loads(json.dumps(found.as_dict()))["challenger"]["verdict"] == "supported"


@pytest.mark.parametrize("propensity", [0.0, -0.1, 1.5, np.nan, np.inf])
def test_a_propensity_that_is_none_is_refused(propensity):
    with pytest.raises(DataError, match="propensity of row 1 is "):
        Logged.of([1, 0], [0.5, propensity], ["a", "b"])


@pytest.mark.parametrize("propensity", [-0.1, 1.5, np.nan])
def test_a_target_that_is_no_probability_is_refused(propensity):
    with pytest.raises(DataError, match="target propensity of row 0 is "):
        Target.of([propensity, 0.5])


def test_an_empty_window_is_refused():
    with pytest.raises(DataError, match="the window is empty"):
        Logged.of([], [], [])


def test_lengths_that_differ_are_refused():
    with pytest.raises(DataError, match=r"propensity has shape \(3,\) for 2 rows"):
        Logged.of([1, 0], [0.5, 0.5, 0.5], ["a", "b"])
    with pytest.raises(DataError, match=r"members has shape \(1,\) for 2 rows"):
        Logged.of([1, 0], [0.5, 0.5], ["a"])
    with pytest.raises(DataError, match="the target speaks of 1 rows and the log of 4"):
        estimate(FOUR, Target.of([0.5]))
    with pytest.raises(DataError, match=r"target support has shape \(2,\) for 1 rows"):
        Target.of([0.5], support=[1.0, 1.0])


def test_a_reward_or_a_prediction_that_is_no_number_is_refused():
    with pytest.raises(DataError, match="reward of row 1 is nan"):
        Logged.of([1, np.nan], [0.5, 0.5], ["a", "b"])
    with pytest.raises(DataError, match="predicted of row 0 is inf"):
        Logged.of([1, 0], [0.5, 0.5], ["a", "b"], predicted=[np.inf, 0])


def test_the_doubly_robust_estimate_without_a_model_is_refused():
    with pytest.raises(DataError, match="dr needs what a model expects"):
        estimate(FOUR, Target.of(TARGET.propensity), "dr")
    with pytest.raises(DataError, match="'median' is unknown"):
        estimate(FOUR, TARGET, "median")
