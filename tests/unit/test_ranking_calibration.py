"""Calibration: the downsampling is undone exactly, and a window that says nothing changes nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.errors import DataError
from pipelines.ranking.calibration import Calibration, fit, undo_downsampling

PROBABILITY = st.floats(1e-6, 1 - 1e-6)
SHARE = st.floats(0.01, 1.0)


def test_the_correction_worked_by_hand():
    # 100 positives, 900 negatives: p = 0.1. A ninth of the negatives kept: 100 of 200, q = 0.5.
    assert undo_downsampling(np.array([0.5]), 1 / 9) == pytest.approx([0.1])
    assert undo_downsampling([0.5], 1.0).tolist() == [0.5]
    assert undo_downsampling([0.0, 1.0], 0.2).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5])
def test_an_impossible_sampling_rate_is_refused(share):
    with pytest.raises(DataError, match=r"not in \(0, 1\]"):
        undo_downsampling([0.5], share)


@given(PROBABILITY, SHARE)
def test_sampling_and_then_correcting_gives_the_probability_back(p, share):
    sampled = p / (p + (1 - p) * share)
    assert undo_downsampling([sampled], share)[0] == pytest.approx(p, rel=1e-6)


@given(PROBABILITY, PROBABILITY, SHARE)
def test_the_correction_keeps_the_order_and_never_raises_a_probability(a, b, share):
    low, high = undo_downsampling(sorted([a, b]), share)
    assert low <= high
    assert low <= min(a, b) * (1 + 1e-12)


def test_a_window_of_one_class_only_undoes_the_downsampling() -> None:
    assert fit(np.full(100, 0.5), np.zeros(100), rate=0.25) == Calibration(rate=0.25)


def test_a_ranker_worse_than_chance_is_not_turned_round() -> None:
    scores = np.linspace(0.1, 0.9, 200)
    assert fit(scores, (scores < 0.5).astype(float), rate=1.0).slope == 1.0


def test_known_slope_and_intercept_are_recovered() -> None:
    random = np.random.default_rng(1)
    scores = random.uniform(0.05, 0.95, 40_000)
    truth = Calibration(slope=0.7, intercept=-1.0)
    found = fit(scores, (random.random(40_000) < truth(scores)).astype(float), rate=1.0)
    assert found.slope == pytest.approx(0.7, abs=0.05)
    assert found.intercept == pytest.approx(-1.0, abs=0.05)


def test_a_level_moves_the_mean_and_no_slope() -> None:
    random = np.random.default_rng(2)
    scores = random.uniform(0.05, 0.5, 1000)
    watched = (random.random(1000) < scores / 2).astype(float)
    before = Calibration(slope=0.8, intercept=0.1)
    after = before.levelled(before(scores), watched)
    assert after(scores).mean() == pytest.approx(watched.mean(), abs=1e-9)
    assert (after.slope, after.rate) == (before.slope, before.rate)


@pytest.mark.parametrize("watched", [np.zeros(100), np.ones(100), np.array([0.0, 1.0])])
def test_a_window_that_says_nothing_leaves_the_level(watched: np.ndarray) -> None:
    assert Calibration(slope=0.8).levelled(np.full(len(watched), 0.2), watched) == Calibration(slope=0.8)
