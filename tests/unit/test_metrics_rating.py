"""Rating metrics: worked by hand, then properties, then scikit-learn's answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from pipelines.core.errors import DataError
from pipelines.metrics.rating import STATISTICS, mae, rmse

STARS = st.floats(0, 5, allow_nan=False)
PAIRS = arrays.arrays(np.float64, st.tuples(st.integers(1, 30), st.just(2)), elements=STARS)


def test_rmse_and_mae_of_worked_ratings():
    # mistakes of 1, 0 and 2
    assert rmse([4, 3, 1], [3, 3, 3]) == pytest.approx((5 / 3) ** 0.5)
    assert mae([4, 3, 1], [3, 3, 3]) == 1.0


def test_a_member_drawn_twice_counts_twice_with_all_their_ratings():
    rating, predicted, member = [4, 3, 1], [3, 3, 3], np.array([0, 0, 1])
    once, twice = np.array([[1.0, 1.0]]), np.array([[2.0, 0.0]])
    squared = STATISTICS["rmse"](rating, predicted, member, 2)
    assert squared(once)[0] == pytest.approx((5 / 3) ** 0.5)
    assert squared(twice)[0] == pytest.approx((2 / 4) ** 0.5)
    assert STATISTICS["mae"](rating, predicted, member, 2)(twice)[0] == pytest.approx(2 / 4)


@settings(deadline=None)
@given(PAIRS)
def test_rmse_is_never_below_mae_and_both_are_symmetric(pairs):
    rating, predicted = pairs.T
    assert rmse(rating, predicted) >= mae(rating, predicted) - 1e-12
    assert rmse(rating, predicted) == rmse(predicted, rating)
    assert mae(rating, rating) == rmse(rating, rating) == 0.0


@settings(deadline=None)
@given(PAIRS)
def test_both_agree_with_scikit_learn(pairs):
    rating, predicted = pairs.T
    assert rmse(rating, predicted) == pytest.approx(root_mean_squared_error(rating, predicted), abs=1e-12)
    assert mae(rating, predicted) == pytest.approx(mean_absolute_error(rating, predicted), abs=1e-12)


@pytest.mark.parametrize(
    ("rating", "predicted", "message"),
    [
        ([], [], "there are no ratings to measure"),
        ([1.0], [1.0, 2.0], r"rating has shape \(1,\) and predicted \(2,\)"),
        ([1.0, float("nan")], [1.0, 2.0], "rating of row 1 is nan"),
        ([1.0, 2.0], [1.0, float("inf")], "predicted of row 1 is inf"),
    ],
)
def test_wrong_rows_are_refused_by_name(rating, predicted, message):
    with pytest.raises(DataError, match=message):
        rmse(rating, predicted)


@pytest.mark.parametrize("metric", [rmse, mae])
def test_every_metric_says_what_it_promises(metric):
    for promise in ("Range:", "Ties:", "Without positives:", "Normalised by:"):
        assert promise in metric.__doc__
