"""Bootstrap intervals: deterministic, paired, over members, and right as often as they say."""

import numpy as np
import pytest

from pipelines.core.errors import DataError
from pipelines.metrics import intervals
from pipelines.metrics.classification import STATISTICS
from pipelines.metrics.intervals import (
    bootstrap_centred,
    bootstrap_mean,
    bootstrap_means,
    bootstrap_statistic,
    multiplicities,
    paired_difference,
    paired_differences,
    ratio,
    resampled_means,
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


def close(found, expected):
    assert found.as_dict() == pytest.approx(expected.as_dict(), abs=1e-12, nan_ok=True)


def test_many_figures_at_once_have_the_intervals_that_each_has_alone():
    rng = np.random.default_rng(4)
    values = {name: rng.random(70) for name in "abc"}
    for figures in values.values():
        figures[:9] = np.nan
    found = bootstrap_means(values, seed=5, resamples=200)
    assert list(found) == ["a", "b", "c"]
    for name, figures in values.items():
        close(found[name], bootstrap_mean(figures, seed=5, resamples=200))


def test_a_member_without_one_figure_is_left_out_of_that_one_alone():
    rng = np.random.default_rng(4)
    whole, partial = rng.random(70), rng.random(70)
    partial[rng.random(70) < 0.3] = np.nan
    found = bootstrap_means({"whole": whole, "partial": partial}, seed=5, resamples=200)
    close(found["whole"], bootstrap_mean(whole, seed=5, resamples=200))
    statistic = ratio(np.nan_to_num(partial), ~np.isnan(partial))
    close(found["partial"], bootstrap_statistic(70, statistic, seed=5, resamples=200))
    assert found["partial"].value == pytest.approx(np.nanmean(partial))


def test_the_figures_of_one_resample_are_of_the_same_members():
    figures = np.random.default_rng(4).random(50)
    means = resampled_means(np.column_stack([figures, 1 - figures]), seed=0, resamples=100)
    assert means.shape == (100, 2)
    np.testing.assert_allclose(means.sum(axis=1), 1.0, atol=1e-12)
    assert means[:, 0].std() > 0.01


def test_a_figure_that_nobody_has_has_no_interval_and_takes_none_from_others():
    nobody = np.full(3, np.nan)
    found = bootstrap_means({"some": [0.5, 0.5, np.nan], "nobody": nobody}, seed=0)
    close(found["some"], bootstrap_mean([0.5, 0.5], seed=0))
    assert np.isnan(list(found["nobody"].as_dict().values())).all()
    assert np.isnan(bootstrap_means({"nobody": nobody}, seed=0)["nobody"].high)
    assert np.isnan(bootstrap_means({"nobody": []}, seed=0)["nobody"].value)


def test_resamples_that_miss_all_of_a_figures_members_are_left_out():
    figures = np.array([[1.0, 2.0], [3.0, np.nan], [5.0, np.nan]])
    means = resampled_means(figures, seed=0, resamples=200)
    drawn = np.concatenate(list(multiplicities(3, seed=0, resamples=200)))
    np.testing.assert_array_equal(np.isnan(means[:, 1]), drawn[:, 0] == 0)
    found = bootstrap_means({"a": figures[:, 0], "b": figures[:, 1]}, seed=0)["b"]
    assert found.as_dict() == {"value": 2.0, "low": 2.0, "high": 2.0}


def test_many_differences_at_once_are_each_difference():
    rng = np.random.default_rng(6)
    a, b = ({name: rng.random(60) for name in ("ndcg", "recall")} for _ in range(2))
    found = paired_differences(a, b, seed=2, resamples=150)
    for name in a:
        close(found[name], paired_difference(a[name], b[name], seed=2, resamples=150))


def test_blocks_do_not_change_the_figures(monkeypatch):
    rng = np.random.default_rng(4)
    figures = np.where(rng.random((30, 3)) < 0.2, np.nan, rng.random((30, 3)))
    whole = resampled_means(figures, seed=1, resamples=20)
    monkeypatch.setattr(intervals, "CELLS", 70)
    np.testing.assert_allclose(resampled_means(figures, seed=1, resamples=20), whole, atol=1e-15)


def test_figures_of_other_members_or_names_are_refused():
    with pytest.raises(DataError, match=r"paired sides differ in \['b'\]"):
        paired_differences({"a": [1], "b": [1]}, {"a": [1]}, seed=0)
    with pytest.raises(DataError, match=r"paired sides of a have shapes \(2,\) and \(3,\)"):
        paired_differences({"a": [1, 2]}, {"a": [1, 2, 3]}, seed=0)
    with pytest.raises(DataError, match=r"figures have shapes {'a': \(1,\), 'b': \(2,\)}"):
        bootstrap_means({"a": [1], "b": [1, 2]}, seed=0)
    with pytest.raises(DataError, match="give one figure a member, of the same members for every name"):
        bootstrap_means({}, seed=0)
