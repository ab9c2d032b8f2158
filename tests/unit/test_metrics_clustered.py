"""The jackknife over members: the textbook's interval where nothing is skewed, and longer on the long side."""

import numpy as np
import pytest
from scipy import stats

from pipelines.metrics.clustered import LeftOut, ratio, skewed_interval


def test_the_error_of_a_mean_is_the_textbooks():
    values = np.array([3.0, 1.0, 4.0, 1.0, 5.0])
    mean = ratio(values, np.ones(5))
    assert mean.value == 2.8
    assert mean.error == pytest.approx(stats.sem(values))
    np.testing.assert_allclose(mean.influence, values - 2.8)


def test_the_interval_of_values_without_skewness_is_students():
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    found = skewed_interval(ratio(values, np.ones(6)))
    low, high = stats.t.interval(0.95, 5, loc=3.5, scale=stats.sem(values))
    assert (found.value, found.low, found.high) == pytest.approx((3.5, low, high))


def test_a_long_tail_makes_the_interval_longer_on_its_side_and_the_mirror_image_on_the_other():
    values = np.append(np.zeros(40), [1.0, 1.0, 9.0])
    found, mirrored = (skewed_interval(ratio(side, np.ones(43))) for side in (values, -values))
    assert found.high - found.value > 2 * (found.value - found.low)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))


def test_the_ends_solve_halls_equation():
    values = np.append(np.zeros(40), [1.0, 1.0, 9.0])
    mean = ratio(values, np.ones(43))
    found = skewed_interval(mean, confidence=0.9)
    slope = stats.skew(values) / np.sqrt(43)
    for end, tail in ((found.low, 0.95), (found.high, 0.05)):
        t = (mean.value - end) / mean.error
        assert t + slope * t**2 / 3 + slope**2 * t**3 / 27 + slope / 6 == pytest.approx(stats.t.ppf(tail, 42))


def test_a_ratio_without_one_member_is_the_ratio_of_the_others():
    found = ratio([2.0, 3.0, 4.0], [1.0, 1.0, 2.0])
    assert found.value == 9 / 4
    np.testing.assert_allclose(found.without, [7 / 3, 2.0, 5 / 2])


def test_the_difference_of_a_figure_from_itself_is_surely_nothing():
    figure = ratio([2.0, 3.0, 4.0], [1.0, 1.0, 2.0])
    assert skewed_interval(figure - figure).as_dict() == {"value": 0.0, "low": 0.0, "high": 0.0}


@pytest.mark.parametrize("sums", [([1.0], [1.0]), ([1.0, 0.0], [1.0, 0.0]), ([0.0, 0.0], [0.0, 0.0]), ([], [])])
def test_where_one_member_holds_everything_there_is_no_interval(sums):
    found = skewed_interval(ratio(*sums))
    assert np.isnan([found.low, found.high]).all()


def test_what_rounding_leaves_of_a_sum_is_no_divisor():
    assert np.isnan(ratio([0.1, 0.0], [0.1 + 0.2, 1e-17]).without[0])


def test_without_anybody_there_is_no_error():
    assert np.isnan(LeftOut(1.0, np.empty(0)).error)
