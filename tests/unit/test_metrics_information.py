"""Mutual information: worked by hand, then properties, then a peer's answer."""

import math

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from pipelines.metrics.information import MOST_VALUES, NUMBER_BINS, information, number_bins, word_bins


def test_a_column_that_is_the_label_tells_its_whole_entropy():
    label = np.array([0.0, 1.0] * 50)
    assert information([label.astype(np.int64)], label, seed=1).nats == pytest.approx(math.log(2))


def test_a_column_that_never_changes_tells_nothing_and_nor_does_its_shuffled_copy():
    found = information([np.zeros(10, dtype=np.int64)], np.array([0.0, 1.0] * 5), seed=1)
    assert (found.nats, found.shuffled) == (0.0, 0.0)


def test_a_label_without_both_classes_tells_nothing():
    assert information([np.arange(4)], np.ones(4), seed=1).nats == pytest.approx(0.0)


def test_it_agrees_with_scikit_learn_on_any_bins():
    rng = np.random.default_rng(3)
    bins, label = rng.integers(0, 9, 500), (rng.random(500) < 0.3).astype(float)
    assert information([bins], label, seed=1).nats == pytest.approx(mutual_info_score(bins, label))


def test_noise_tells_no_more_than_its_shuffled_copy_and_a_cause_tells_far_more():
    rng = np.random.default_rng(5)
    cause, noise = rng.normal(size=(2, 4000))
    label = (rng.random(4000) < 1 / (1 + np.exp(-2 * cause))).astype(float)
    of_noise = information([number_bins(noise)], label, seed=1)
    assert of_noise.nats < 2 * of_noise.shuffled
    of_cause = information([number_bins(cause)], label, seed=1)
    assert of_cause.nats > 20 * of_cause.shuffled


def test_the_best_of_several_columns_counts_and_the_choice_is_paid_for():
    rng = np.random.default_rng(6)
    noise = [rng.integers(0, 8, 1000) for _ in range(40)]
    label = (rng.random(1000) < 0.5).astype(float)
    alone, chosen = information(noise[:1], label, seed=1), information(noise, label, seed=1)
    assert chosen.shuffled > alone.shuffled
    assert chosen.nats < 2 * chosen.shuffled
    assert information([*noise, label.astype(np.int64)], label, seed=1).nats == pytest.approx(math.log(2), rel=1e-2)


def test_equal_seeds_shuffle_alike():
    bins, label = np.arange(50) % 7, (np.arange(50) % 3 == 0).astype(float)
    assert information([bins], label, seed=4) == information([bins], label, seed=4)


def test_absent_numbers_have_a_bin_of_their_own_and_the_others_share_the_rest_evenly():
    values = np.array([math.nan, *np.exp(np.arange(160.0) / 9)])
    bins = number_bins(values)
    assert bins[0] == 0
    assert (np.bincount(bins)[1:] == 160 / NUMBER_BINS).all()


def test_few_distinct_numbers_keep_a_bin_each():
    bins = number_bins(np.array([0.0] + [1.0] * 9_000 + [2.0] * 4))
    assert len({bins[0], bins[1], bins[-1]}) == 3
    assert (number_bins(np.full(3, math.nan)) == 0).all()


def test_absent_words_have_a_bin_of_their_own_and_rare_ones_share_one():
    common = [f"w{n}" for n in range(MOST_VALUES) for _ in range(2)]
    bins = word_bins(np.array([None, *common, "rare", "rarer"], dtype=object))
    assert bins[0] == 0
    assert len(set(bins[1 : 1 + len(common)])) == MOST_VALUES
    assert bins[-1] == bins[-2] == MOST_VALUES + 1
    assert (word_bins(np.array([None, None], dtype=object)) == 0).all()
