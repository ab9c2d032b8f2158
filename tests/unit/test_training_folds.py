"""Time-series folds (T4): whatever is asked for, no test day is before, among or too near what was learnt from."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.errors import DataError
from pipelines.core.window import Window
from pipelines.cross_validation import fold_config
from pipelines.training_data.splits import CALIBRATE, FIT, TEST, FoldConfig, assign, folds

FIRST = date(2026, 1, 5)
KINDS = st.sampled_from(["expanding", "sliding"])


@st.composite
def asked(draw: st.DrawFn, kinds: st.SearchStrategy[str] = KINDS) -> tuple[date, FoldConfig]:
    """A plan of folds, and a last day that leaves it at least what it needs."""
    config = FoldConfig.model_validate(
        {
            "folds": draw(st.integers(2, 6)),
            "kind": draw(kinds),
            "test_days": draw(st.integers(1, 8)),
            "gap_days": draw(st.integers(0, 5)),
            "least_days": draw(st.integers(2, 12)),
        }
    )
    needed = config.folds * config.test_days + config.gap_days + config.least_days
    return FIRST + timedelta(days=needed - 1 + draw(st.integers(0, 30))), config


def every_day(last: date) -> list[date]:
    return [FIRST + timedelta(days=n) for n in range((last - FIRST).days + 1)]


@given(asked())
def test_no_test_day_is_before_or_within_the_gap_of_a_day_that_is_learnt_from(plan):
    last, config = plan
    held = every_day(last)
    for window in folds(FIRST, last, config):
        split = assign(held, window)
        learnt = [day for day, of in zip(held, split, strict=True) if of in (FIT, CALIBRATE)]
        tested = [day for day, of in zip(held, split, strict=True) if of == TEST]
        assert {FIT, CALIBRATE, TEST} <= set(split)
        assert (min(tested) - max(learnt)).days > config.gap_days
        assert max(learnt) == window.last_fitted


@given(asked())
def test_the_tests_are_of_equal_length_touch_one_another_and_end_on_the_last_day(plan):
    last, config = plan
    found = folds(FIRST, last, config)
    assert len(found) == config.folds
    assert {(w.test_to - w.test_from).days + 1 for w in found} == {config.test_days}
    assert all(b.test_from == a.test_to + timedelta(days=1) for a, b in pairwise(found))
    assert found[-1].test_to == last


@given(asked(st.just("expanding")))
def test_an_expanding_window_begins_on_the_first_day_and_grows_by_the_test_each_time(plan):
    last, config = plan
    found = folds(FIRST, last, config)
    lengths = [(w.known_from - w.fit_from).days for w in found]
    assert {w.fit_from for w in found} == {FIRST}
    assert all(b - a == config.test_days for a, b in pairwise(lengths))
    assert lengths[0] >= config.least_days


@given(asked(st.just("sliding")))
def test_a_sliding_window_learns_from_as_many_days_in_every_fold(plan):
    last, config = plan
    found = folds(FIRST, last, config)
    assert len({(w.known_from - w.fit_from).days for w in found}) == 1
    assert found[0].fit_from == FIRST


@given(asked())
def test_one_day_less_than_is_needed_is_refused_with_how_many_are(plan):
    _, config = plan
    needed = config.folds * config.test_days + config.gap_days + config.least_days
    with pytest.raises(DataError, match=f"need {needed} days: 2026-01-05 to .* are {needed - 1}; take fewer folds"):
        folds(FIRST, FIRST + timedelta(days=needed - 2), config)


def test_three_weeks_in_two_folds_by_hand():
    config = FoldConfig(folds=2, kind="sliding", test_days=4, gap_days=1)
    first, second = folds(FIRST, date(2026, 1, 25), config)
    assert (first.fit_from, first.last_fitted) == (FIRST, date(2026, 1, 16))
    assert (first.test_from, first.test_to) == (date(2026, 1, 18), date(2026, 1, 21))
    assert (second.fit_from, second.last_fitted) == (date(2026, 1, 9), date(2026, 1, 20))
    assert (second.test_from, second.test_to) == (date(2026, 1, 22), date(2026, 1, 25))


WINDOW = Window(
    fit_from=FIRST, calibrate_from=date(2026, 1, 12), test_from=date(2026, 1, 15), test_to=date(2026, 1, 21)
)


def test_days_that_do_not_divide_leave_the_earliest_untested():
    config = fold_config(WINDOW, number=3, kind="expanding", gap_days=0)
    found = folds(WINDOW.fit_from, WINDOW.test_to, config)
    assert [w.test_from for w in found] == [date(2026, 1, 16), date(2026, 1, 18), date(2026, 1, 20)]


def test_more_folds_than_test_days_are_refused():
    with pytest.raises(DataError, match="2026-01-15 to 2026-01-21 are 7 days: 8 folds need a test day each"):
        fold_config(WINDOW, number=8, kind="expanding", gap_days=0)
