"""Classification metrics: worked by hand, then properties, then scikit-learn's answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core.errors import DataError
from pipelines.metrics.classification import STATISTICS, auc, ece, gauc, log_loss
from pipelines.metrics.intervals import as_codes


def test_auc_counts_won_pairs_and_half_of_the_ties():
    # pairs: .9 beats both, .5 ties with .5 and beats .1
    assert auc([1, 1, 0, 0], [0.9, 0.5, 0.5, 0.1]) == pytest.approx(3.5 / 4)
    assert auc([1, 0, 1, 0], [0.3, 0.3, 0.3, 0.3]) == 0.5


def test_auc_weighs_each_pair_by_both_rows():
    assert auc([1, 0, 0], [0.5, 0.4, 0.6], weight=[2, 3, 1]) == pytest.approx(6 / 8)


def test_auc_of_one_class_has_no_answer():
    assert np.isnan(auc([1, 1], [0.2, 0.3]))


def test_gauc_weighs_members_by_rows_and_leaves_out_those_of_one_class():
    label = [1, 0, 1, 0, 0, 1, 1]
    score = [0.9, 0.1, 0.2, 0.5, 0.1, 0.3, 0.4]
    groups = ["a", "a", "b", "b", "b", "c", "c"]
    assert gauc(label, score, groups) == pytest.approx((2 * 1.0 + 3 * 0.5) / 5)


def test_gauc_where_nobody_has_both_classes_has_no_answer():
    assert np.isnan(gauc([1, 0], [0.5, 0.5], ["a", "b"]))


def test_log_loss_of_worked_rows_and_of_a_certain_mistake():
    assert log_loss([1, 0], [0.8, 0.4]) == pytest.approx(-(np.log(0.8) + np.log(0.6)) / 2)
    assert log_loss([1], [0.0]) == pytest.approx(-np.log(np.finfo(float).eps))


def test_ece_is_the_gap_of_each_bin_weighted_by_its_rows():
    # two bins of width 0.5: (0.2, 0.4 -> labels 0, 1; gap 0.2) and (0.9 -> label 1; gap 0.1)
    assert ece([0, 1, 1], [0.2, 0.4, 0.9], bins=2) == pytest.approx(2 / 3 * 0.2 + 1 / 3 * 0.1)
    assert ece([0, 1], [0.5, 0.5], bins=2) == 0.0


def test_wrong_rows_are_refused_by_name():
    with pytest.raises(DataError, match="no rows to measure"):
        auc([], [])
    with pytest.raises(DataError, match=r"label of row 1 is 2.0 \(1 such rows\)"):
        auc([1, 2], [0.1, 0.2])
    with pytest.raises(DataError, match="score of row 0 is nan"):
        auc([1, 0], [np.nan, 0.2])
    with pytest.raises(DataError, match=r"probability of row 1 is 1\.5"):
        log_loss([1, 0], [0.1, 1.5])
    with pytest.raises(DataError, match=r"label has shape \(2,\) and score \(1,\)"):
        auc([1, 0], [0.1])


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]), st.integers(0, 3)), min_size=1
    ),
    seed=st.integers(0, 99),
)
def test_row_order_does_not_matter_and_shares_lie_in_0_1(rows, seed):
    label, score, groups = (np.array(column) for column in zip(*rows, strict=True))
    order = np.random.default_rng(seed).permutation(len(rows))
    for metric in (auc, ece, log_loss, lambda y, s: gauc(y, s, groups if s is score else groups[order])):
        value = metric(label, score)
        assert metric(label[order], score[order]) == pytest.approx(value, nan_ok=True, abs=1e-12)
        assert np.isnan(value) or 0 <= value <= (1 if metric is not log_loss else np.inf)


def test_scikit_learn_answers_the_same_on_random_rows():
    from sklearn import metrics

    rng = np.random.default_rng(1)
    label, p, weight = rng.integers(0, 2, 3000), rng.random(3000).round(2), rng.random(3000)
    assert auc(label, p) == pytest.approx(metrics.roc_auc_score(label, p), abs=1e-9)
    assert auc(label, p, weight) == pytest.approx(metrics.roc_auc_score(label, p, sample_weight=weight), abs=1e-9)
    assert log_loss(label, p) == pytest.approx(metrics.log_loss(label, p), abs=1e-9)


def test_gauc_is_scikit_learns_auc_member_by_member():
    from sklearn import metrics

    rng = np.random.default_rng(2)
    label, score, groups = rng.integers(0, 2, 2000), rng.random(2000).round(1), rng.integers(0, 300, 2000)
    own = [
        (metrics.roc_auc_score(label[groups == g], score[groups == g]), (groups == g).sum())
        for g in range(300)
        if len(set(label[groups == g])) == 2
    ]
    values, rows = np.array(own).T
    assert gauc(label, score, groups) == pytest.approx((values * rows).sum() / rows.sum(), abs=1e-9)


@pytest.mark.parametrize("name", sorted(STATISTICS))
def test_a_multiplicity_of_two_means_every_row_of_the_member_twice(name):
    rng = np.random.default_rng(4)
    label, p, groups = rng.integers(0, 2, 400), rng.random(400).round(2), rng.integers(0, 20, 400)
    members, codes = as_codes(groups)
    counts = rng.integers(0, 4, (3, 20)).astype(float)
    answers = STATISTICS[name](label, p, codes, len(members))(counts)
    for answer, row in zip(answers, counts, strict=True):
        again = np.repeat(np.arange(400), row[codes].astype(int))
        copy = np.concatenate([np.arange(int(row[c])) for c in codes])  # a repeated member is another member to GAUC
        plain = {"auc": auc, "log_loss": log_loss, "ece": ece}.get(name)
        expected = plain(label[again], p[again]) if plain else gauc(label[again], p[again], codes[again] * 10 + copy)
        assert answer == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("metric", [auc, gauc, log_loss, ece])
def test_every_metric_says_what_it_promises(metric):
    for promise in ("Range:", "Ties:", "Without positives:", "Normalised by:"):
        assert promise in metric.__doc__
