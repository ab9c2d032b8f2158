"""Chance, discoveries and detectable differences: worked by hand, and held against scipy and statsmodels."""

import numpy as np
import pytest
from scipy import stats

from pipelines.core.errors import DataError
from pipelines.metrics.classification import ece
from pipelines.metrics.intervals import NOTHING, Interval, paired_difference
from pipelines.metrics.reliability import gap, reliability
from pipelines.metrics.significance import (
    chance_of,
    detectable,
    detectable_within,
    discoveries,
    signed_rank,
    standard_error,
)


def test_five_gains_and_no_loss_happen_by_chance_once_in_sixteen():
    # All five signs alike: 2 of 2^5 ways.
    assert signed_rank([0.1, 0.2, 0.3, 0.4, 0.5]) == pytest.approx(2 / 32)


def test_one_small_loss_among_gains_has_rank_one():
    # W- = 1: of 32 ways of signs those with a rank sum of 0 or 1, on either side.
    assert signed_rank([-0.1, 0.2, 0.3, 0.4, 0.5]) == pytest.approx(4 / 32)


def test_signed_rank_leaves_zeros_and_the_unknown_out():
    assert signed_rank([0.0, np.nan, 0.1, 0.2, 0.3, 0.4, 0.5, 0.0]) == pytest.approx(2 / 32)
    assert signed_rank([0.0, 0.0]) == 1.0
    assert np.isnan([signed_rank([]), signed_rank([np.nan])]).all()


def test_signed_rank_is_that_of_scipy_on_many_members():
    differences = np.random.default_rng(0).normal(0.05, 1, 400)
    assert signed_rank(differences) == stats.wilcoxon(differences).pvalue
    assert signed_rank(differences) == signed_rank(-differences) == signed_rank(differences[::-1])


def test_benjamini_and_hochberg_worked_by_hand():
    # In order 0.01, 0.02, 0.03, 0.5: k/4 x 0.05 = 0.0125, 0.025, 0.0375, 0.05. The third is the last below its own.
    assert discoveries([0.5, 0.03, 0.01, 0.02]).tolist() == [False, True, True, True]
    # 0.04 is above 2/3 x 0.05 and 0.2 above 0.05: only the first stands.
    assert discoveries([0.01, 0.04, 0.2]).tolist() == [True, False, False]


def test_a_test_that_was_not_made_does_not_count():
    assert discoveries([np.nan, 0.04]).tolist() == [False, True]
    assert discoveries([]).tolist() == []


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_discoveries_are_those_of_statsmodels(rate):
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    p = np.random.default_rng(1).random(60) ** 3
    assert discoveries(p, rate).tolist() == multitest.multipletests(p, rate, method="fdr_bh")[0].tolist()


def test_of_tests_without_an_effect_few_batteries_name_any():
    rng = np.random.default_rng(2)
    assert np.mean([discoveries(rng.random(20)).any() for _ in range(1000)]) == pytest.approx(0.05, abs=0.02)


def test_what_is_no_probability_is_refused():
    with pytest.raises(DataError, match=r"p holds -0.1 to 0.2"):
        discoveries([-0.1, 0.2])
    with pytest.raises(DataError, match="rate of false discoveries is 1"):
        discoveries([0.1], 1)
    with pytest.raises(DataError, match="confidence is 95"):
        detectable([1.0, 2.0], 95)
    with pytest.raises(DataError, match="power 1"):
        detectable_within(Interval(0, -1, 1), 0.95, 1)


def test_the_detectable_difference_worked_by_hand():
    # sd of (-1, 1) x 50 is 1.00504 of 100 members: (t 0.975 = 1.98422 + t 0.8 = 0.84523) x 0.100504.
    assert detectable(np.tile([-1.0, 1.0], 50)) == pytest.approx((1.98422 + 0.84523) * 0.100504, abs=1e-5)
    assert np.isnan(detectable([0.3]))
    assert detectable([0.2, 0.2, np.nan]) == 0.0


def test_four_times_the_members_detect_half_the_difference():
    few = np.random.default_rng(3).normal(size=500)
    assert detectable(np.tile(few, 4)) == pytest.approx(detectable(few) / 2, rel=0.01)


@pytest.mark.parametrize(("members", "power"), [(30, 0.8), (200, 0.8), (200, 0.9)])
def test_the_detectable_difference_is_that_of_statsmodels(members, power):
    found = pytest.importorskip("statsmodels.stats.power").TTestPower()
    differences = np.random.default_rng(4).normal(0.1, 0.3, members)
    effect = found.solve_power(nobs=members, alpha=0.05, power=power)
    assert detectable(differences, 0.95, power) == pytest.approx(effect * differences.std(ddof=1), rel=0.005)


def test_a_gain_of_the_detectable_size_is_shown_as_often_as_the_power_says():
    rng = np.random.default_rng(5)
    needed = detectable(rng.normal(size=200), power=0.8)
    shown = [paired_difference(rng.normal(needed, 1, 200), np.zeros(200), seed, 200).low > 0 for seed in range(300)]
    assert np.mean(shown) == pytest.approx(0.8, abs=0.08)


def test_an_interval_tells_its_standard_error_chance_and_what_it_could_have_detected():
    gain = Interval(0.2, 0.2 - 1.959964 * 0.1, 0.2 + 1.959964 * 0.1)
    assert standard_error(gain) == pytest.approx(0.1)
    assert chance_of(gain) == pytest.approx(2 * stats.norm.sf(2))
    assert detectable_within(gain) == pytest.approx((1.959964 + 0.841621) * 0.1)


def test_no_interval_tells_nothing_and_a_certain_one_everything():
    assert np.isnan([chance_of(NOTHING), detectable_within(NOTHING)]).all()
    assert (chance_of(Interval(0.1, 0.1, 0.1)), chance_of(Interval(0, 0, 0))) == (0.0, 1.0)


def test_the_bootstraps_width_detects_what_the_differences_detect():
    differences = np.random.default_rng(6).normal(0, 0.3, 400)
    gain = paired_difference(differences, np.zeros(400), 1, 2000)
    assert detectable_within(gain) == pytest.approx(detectable(differences), rel=0.06)


def test_a_reliability_curve_worked_by_hand():
    curve = reliability([1, 0, 1], [0.5, 0.3, 0.9], bins=2)
    np.testing.assert_allclose(curve, [[0.4, 0.5, 2], [0.9, 1.0, 1]])
    assert gap(curve) == pytest.approx((2 * 0.1 + 0.1) / 3)


def test_the_gap_of_a_curve_is_the_ece():
    rng = np.random.default_rng(7)
    p = rng.beta(1, 6, 2000)
    label = rng.random(2000) < p**1.2
    assert gap(reliability(label, p)) == pytest.approx(ece(label, p), abs=1e-12)


def test_an_empty_curve_has_no_gap():
    curve = reliability([], [])
    assert curve[:, 2].sum() == 0
    assert np.isnan(gap(curve))
