"""Fieller's interval of a ratio of means: by hand, by its own definition, and by how often it covers the truth."""

from math import inf, isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from pipelines.core.errors import DataError
from pipelines.metrics.fieller import ratio_of_means


def test_pairs_of_one_ratio_have_it_without_doubt():
    found = ratio_of_means([2.0, 2.5, 3.0], [4.0, 5.0, 6.0])
    assert found.as_dict() == pytest.approx({"value": 0.5, "low": 0.5, "high": 0.5})


def test_two_pairs_by_hand():
    # Denominators 1 and 1 do not vary, so the ratio is a mean of 1 and 3, its interval Student's of one degree.
    found = ratio_of_means([1.0, 3.0], [1.0, 1.0])
    half = t.ppf(0.975, 1) * np.std([1.0, 3.0], ddof=1) / np.sqrt(2)
    assert found.as_dict() == pytest.approx({"value": 2.0, "low": 2.0 - half, "high": 2.0 + half})


def test_a_denominator_that_may_be_nothing_leaves_every_ratio_open():
    found = ratio_of_means([1.0, 2.0, 3.0], [-1.0, 0.1, 1.0])
    assert (found.low, found.high) == (-inf, inf)


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(8, 12)), min_size=3, max_size=12))
def test_at_each_end_the_difference_is_just_not_told_from_nothing(pairs):
    top, below = (np.array(side) for side in zip(*pairs, strict=True))
    found = ratio_of_means(top, below)
    for end in (found.low, found.high):
        left = top - end * below
        edge = t.ppf(0.975, len(left) - 1) * left.std(ddof=1) / np.sqrt(len(left))
        assert abs(left.mean()) == pytest.approx(edge, abs=1e-6)


def test_it_covers_the_truth_as_often_as_it_says():
    rng, truth, covered = np.random.default_rng(5), 0.7, 0
    for _ in range(600):
        below = rng.normal(1.0, 0.4, 6)
        found = ratio_of_means(truth * below + rng.normal(0, 0.3, 6), below)
        covered += found.low <= truth <= found.high
    assert 0.92 <= covered / 600 <= 0.98


def test_fewer_than_two_pairs_have_no_ratio():
    assert isnan(ratio_of_means([1.0], [2.0]).value)


@pytest.mark.parametrize(
    ("top", "below", "said"), [([1.0], [1.0, 2.0], "shapes"), ([np.nan, 1.0], [1.0, 1.0], "finite")]
)
def test_what_is_no_list_of_pairs_is_refused(top, below, said):
    with pytest.raises(DataError, match=said):
        ratio_of_means(top, below)
