"""Draws, balance, weights and splits: worked by hand, then as properties."""

from datetime import date

import numpy as np
import pytest

from pipelines.core.window import Window
from pipelines.training_data.balance import BalanceConfig, keep, rate
from pipelines.training_data.draws import uniform
from pipelines.training_data.splits import assign
from pipelines.training_data.weight import WeightConfig, watch_time_weights

IDS = np.array([f"i{n}" for n in range(20_000)], dtype=object)


def test_draws_are_uniform_and_independent_of_each_other():
    first, second = uniform(IDS, 7), uniform(IDS, 7, draw=1)
    assert first.min() >= 0
    assert first.max() < 1
    assert np.histogram(first, 10, (0, 1))[0] == pytest.approx(2000, abs=200)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03
    assert abs(np.corrcoef(first, uniform(IDS, 8))[0, 1]) < 0.03


def test_a_draw_depends_on_its_key_and_the_seed_alone():
    assert uniform(IDS[::-1], 7)[::-1].tolist() == uniform(IDS, 7).tolist()
    assert uniform(IDS[5:6], 7)[0] == uniform(IDS, 7)[5]


def test_a_draw_is_the_same_in_every_process_and_version():
    assert uniform(np.array(["a", "b"], dtype=object), 0) == pytest.approx(
        [0.5457643389193636, 0.657069523052585], abs=1e-15
    )


def test_negatives_are_kept_to_the_ratio_asked_for():
    assert rate(100, 2000, BalanceConfig(negatives_per_positive=4)) == 0.2
    assert rate(100, 300, BalanceConfig(negatives_per_positive=4)) == 1.0
    assert rate(100, 2000, BalanceConfig(negatives_per_positive=None)) == 1.0
    assert rate(0, 2000, BalanceConfig()) == 1.0


def test_only_negatives_are_thinned_out_and_by_the_share_asked_for():
    label = np.tile([1.0, 0.0, 0.0, np.nan], 5000)
    kept = keep(IDS, label, 0.3, seed=1)
    assert kept[label != 0.0].all()
    assert kept[label == 0.0].mean() == pytest.approx(0.3, abs=0.02)


def test_a_row_is_kept_or_not_whatever_stands_around_it():
    label = np.zeros(len(IDS))
    kept = keep(IDS, label, 0.3, seed=1)
    assert keep(IDS[::-1], label, 0.3, seed=1)[::-1].tolist() == kept.tolist()
    assert keep(IDS[:10], label[:10], 0.3, seed=1).tolist() == kept[:10].tolist()


def test_80_percent_of_a_film_weighs_more_than_80_percent_of_an_episode():
    label, seconds = np.array([1.0, 1.0, 0.0]), np.array([0.8 * 7200, 0.8 * 1500, 30.0])
    film, episode, negative = watch_time_weights(label, seconds, np.ones(3, dtype=bool), WeightConfig())
    assert film > episode
    assert negative == 1.0
    assert (film + episode) / 2 == pytest.approx(1.0)


def test_weights_worked_by_hand():
    # ln(1 + 1) and ln(1 + 3) = 2 ln 2: a mean of 1.5 ln 2.
    found = watch_time_weights(
        np.ones(2), np.array([60.0, 180.0]), np.ones(2, dtype=bool), WeightConfig(watch_time_exponent=1)
    )
    assert found == pytest.approx([1 / 1.5, 2 / 1.5])


def test_an_exponent_of_0_weighs_everything_the_same():
    found = watch_time_weights(
        np.ones(2), np.array([6.0, 9e3]), np.ones(2, dtype=bool), WeightConfig(watch_time_exponent=0)
    )
    assert found.tolist() == [1.0, 1.0]


def test_the_mean_of_1_is_that_of_the_fit_rows():
    fit = np.array([True, True, False])
    found = watch_time_weights(np.ones(3), np.array([60.0, 180.0, 9e4]), fit, WeightConfig())
    assert found[fit].mean() == pytest.approx(1.0)
    assert found[2] > 1.0


def test_unknown_seconds_weigh_as_much_as_the_mean_and_no_weight_is_ever_0():
    label, seconds = np.array([1.0, 1.0, 1.0]), np.array([np.nan, 0.0, 600.0])
    found = watch_time_weights(label, seconds, np.ones(3, dtype=bool), WeightConfig(watch_time_exponent=1))
    assert found[0] == 1.0
    assert (found > 0).all()


def test_each_day_has_one_split_and_days_outside_have_none():
    window = Window(
        fit_from=date(2022, 4, 2), calibrate_from=date(2022, 4, 4), test_from=date(2022, 4, 5), test_to=date(2022, 4, 6)
    )
    days = [date(2022, 4, n) for n in range(1, 8)]
    assert assign(days, window).tolist() == [None, "fit", "fit", "calibrate", "test", "test", None]
