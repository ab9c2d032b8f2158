"""Calibration: the downsampling is undone exactly, and a window that says nothing changes nothing."""

import numpy as np
import pytest

from pipelines.ranking.calibration import Calibration, fit, undo_downsampling


def test_undoing_the_downsampling_by_hand() -> None:
    # 1 positive beside 1 kept negative of 10: the true share is 1 / 11.
    assert undo_downsampling(np.array([0.5]), 0.1)[0] == pytest.approx(1 / 11)


def test_nothing_dropped_changes_nothing() -> None:
    scores = np.array([0.0, 0.2, 0.9, 1.0])
    np.testing.assert_allclose(undo_downsampling(scores, 1.0), scores)


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
