"""Bootstrap intervals: deterministic, paired, over members, and right as often as they say."""

import numpy as np
import pytest

from pipelines.core.errors import DataError
from pipelines.metrics import intervals
from pipelines.metrics.classification import STATISTICS
from pipelines.metrics.intervals import (
    bootstrap_centred,
    bootstrap_mean,
    bootstrap_statistic,
    multiplicities,
    paired_difference,
)


def test_each_resample_draws_as_many_members_as_there_are():
    blocks = np.concatenate(list(multiplicities(7, seed=1, resamples=50)))
    assert blocks.shape == (50, 7)
    assert (blocks.sum(axis=1) == 7).all()
    assert blocks.std() > 0.5


def test_blocks_do_not_change_the_draws(monkeypatch):
    whole = np.concatenate(list(multiplicities(30, seed=1, resamples=20)))
    monkeypatch.setattr(intervals, "CELLS", 70)
    np.testing.assert_array_equal(np.concatenate(list(multiplicities(30, seed=1, resamples=20))), whole)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    values = np.random.default_rng(0).random(100)
    assert bootstrap_mean(values, seed=5) == bootstrap_mean(values, seed=5)
    assert bootstrap_mean(values, seed=5) != bootstrap_mean(values, seed=6)


def test_the_interval_has_the_width_that_theory_gives():
    values = np.random.default_rng(0).normal(size=4000)
    found = bootstrap_mean(values, seed=1, resamples=2000)
    assert found.value == pytest.approx(values.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(4000), rel=0.1)


def test_members_without_a_value_are_left_out():
    assert bootstrap_mean([np.nan, 0.5, 0.5], seed=0).as_dict() == {"value": 0.5, "low": 0.5, "high": 0.5}
    assert np.isnan(bootstrap_mean([np.nan], seed=0).value)
    assert np.isnan(bootstrap_mean([], seed=0).high)


def test_pairing_sees_a_small_gain_that_the_spread_of_members_would_hide():
    base = np.random.default_rng(0).random(300)
    gain = paired_difference(base + 0.01, base, seed=1)
    assert gain.low == pytest.approx(0.01)
    apart = bootstrap_mean(base, seed=1)
    assert apart.high - apart.low > 0.04


def test_pairs_of_different_members_are_refused():
    with pytest.raises(DataError, match=r"shapes \(2,\) and \(3,\)"):
        paired_difference([1, 2], [1, 2, 3], seed=0)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(11)
    held = [bootstrap_mean(rng.random(200), seed=s, resamples=300) for s in range(200)]
    assert 0.90 <= np.mean([i.low <= 0.5 <= i.high for i in held]) <= 0.99


def test_rows_of_one_member_move_together():
    label, p = np.tile([1, 0], 500), np.tile([0.6, 0.4], 500)
    p[:500] = 1 - p[:500]
    together, apart = np.repeat([0, 1], 500), np.arange(1000)
    loss = STATISTICS["log_loss"]
    wide = bootstrap_statistic(2, loss(label, p, together, 2), seed=0)
    narrow = bootstrap_statistic(1000, loss(label, p, apart, 1000), seed=0)
    assert wide.high - wide.low > 5 * (narrow.high - narrow.low)


def test_the_interval_of_a_small_ece_holds_the_ece():
    rng = np.random.default_rng(3)
    p = rng.random(3000)
    label, member = (rng.random(3000) < p).astype(int), rng.integers(0, 500, 3000)
    statistic = STATISTICS["ece"](label, p, member, 500)
    found = bootstrap_centred(500, statistic, seed=0, resamples=300)
    assert 0 <= found.low < found.value < found.high
    assert bootstrap_statistic(500, statistic, seed=0, resamples=300).low > found.low


def test_resamples_without_an_answer_are_left_out():
    statistic = STATISTICS["auc"](np.array([1, 0]), np.array([0.9, 0.1]), np.array([0, 1]), 2)
    assert bootstrap_statistic(2, statistic, seed=0).as_dict() == {"value": 1.0, "low": 1.0, "high": 1.0}
