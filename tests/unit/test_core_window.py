"""The global time split, and how the days of a lake are divided."""

from datetime import date, timedelta

import pyarrow as pa
import pytest
from pydantic import ValidationError

from pipelines.core.errors import DataError
from pipelines.core.lake import Lake
from pipelines.core.window import Window
from pipelines.retraining import plan_window

FIRST = date(2022, 4, 1)


def day(n):
    return FIRST + timedelta(days=n)


def test_a_release_is_complete_through_the_day_before_its_test():
    assert Window(fit_from=day(0), calibrate_from=day(5), test_from=day(7), test_to=day(7)).last_fitted == day(6)


@pytest.mark.parametrize("days", [(0, 0, 1, 1), (0, 2, 2, 3), (0, 1, 2, 1), (3, 2, 4, 5)])
def test_spans_that_overlap_or_are_empty_are_refused(days):
    fit, calibrate, test, last = map(day, days)
    with pytest.raises(ValidationError, match=r"window is not in order .*give the fit, the calibration and the test"):
        Window(fit_from=fit, calibrate_from=calibrate, test_from=test, test_to=last)


@pytest.fixture
def lake(tmp_path):
    """Impressions on twenty days, but none on the tenth."""
    found = Lake(tmp_path / "lake")
    for n in range(20):
        if n != 10:
            found.publish("impressions", pa.table({"n": [n]}), day(n))
    return found


def test_everything_before_the_test_fits_and_about_an_eighth_of_it_calibrates(lake):
    assert plan_window(lake, day(18)) == Window(
        fit_from=day(0), calibrate_from=day(16), test_from=day(18), test_to=day(19)
    )


def test_a_test_may_end_before_the_lake_does_and_never_after(lake):
    assert plan_window(lake, day(15), day(16)).test_to == day(16)
    assert plan_window(lake, day(15), day(99)).test_to == day(19)


def test_one_day_at_least_calibrates(lake):
    assert plan_window(lake, day(2)).calibrate_from == day(1)


@pytest.mark.parametrize(("first", "last"), [(0, None), (1, None), (20, None), (15, 14)])
def test_too_few_days_are_refused_with_those_there_are(lake, first, last):
    with pytest.raises(DataError, match="leaves nothing to fit or to test on: the lake holds 2022-04-01 to 2022-04-20"):
        plan_window(lake, day(first), day(last) if last is not None else None)


def test_a_lake_without_events_has_no_day_to_plan_with(tmp_path):
    with pytest.raises(DataError, match="the lake holds no day at all"):
        plan_window(Lake(tmp_path), FIRST)
