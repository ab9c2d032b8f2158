"""Held-out scores: the metrics' own values, with intervals that hold them."""

import numpy as np
import pytest

from pipelines.core.errors import DataError
from pipelines.evaluation.offline import evaluate_lists, evaluate_rows
from pipelines.metrics.classification import auc, ece, gauc, log_loss
from pipelines.metrics.propensity import Drawn


def test_rows_are_scored_by_every_metric_with_an_interval_that_holds_it():
    rng = np.random.default_rng(0)
    p, groups = rng.random(2000), rng.integers(0, 200, 2000).astype(str)
    label = (rng.random(2000) < p).astype(int)
    found = evaluate_rows(label, p, groups, seed=1)
    expected = {
        "auc": auc(label, p),
        "gauc": gauc(label, p, groups),
        "log_loss": log_loss(label, p),
        "ece": ece(label, p),
    }
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value)
        assert found[name].low < value < found[name].high
    assert found == evaluate_rows(label, p, groups, seed=1)


def test_lists_are_scored_member_by_member_and_on_the_mean():
    ranked = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    relevant = [np.array([1]), np.array([6, 0]), np.array([], dtype=int)]
    found = evaluate_lists(ranked, relevant, 3, seed=1, members=["a", "b", "c"])
    ap = [1.0, (1 / 3) / 2]
    ar = [1.0, (1 / 2) / 2]
    np.testing.assert_allclose(found.values["map@3"], [*ap, np.nan])
    np.testing.assert_allclose(found.values["mar@3"], [*ar, np.nan])
    assert found.intervals["map@3"].value == pytest.approx(np.mean(ap))
    assert found.intervals["recall@100"].value == pytest.approx((1 + 1 / 2) / 2)
    assert found.members.tolist() == ["a", "b", "c"]
    assert set(found.intervals) == {"ndcg@3", "map@3", "mar@3", "f1@3", "recall@100"}


def test_lists_are_weighed_where_slots_of_known_propensity_are_given():
    ranked, relevant = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]]), [np.array([n]) for n in (1, 6, 7)]
    slots = Drawn(np.array([0, 1, 1]), np.array([1, 4, 6]), np.ones(3), np.array([0.5, 0.5, 0.25]), 9)
    found = evaluate_lists(ranked, relevant, 3, seed=1, drawn=slots)
    np.testing.assert_allclose(found.values["ips_dcg@3"], [2.0, (2 + 4 / 2) / 2, np.nan])
    weighed = found.intervals["ips_dcg@3"]
    assert (weighed.value, weighed.low, weighed.high) == (2.0, 2.0, 2.0)


def test_f1_is_that_of_the_two_means():
    rng = np.random.default_rng(0)
    ranked = rng.permuted(np.tile(np.arange(20), (80, 1)), axis=1)
    relevant = [rng.choice(20, 4) for _ in range(79)] + [np.array([], dtype=int)]
    found = evaluate_lists(ranked, relevant, 10, seed=1).intervals
    p, r = found["map@10"].value, found["mar@10"].value
    assert found["f1@10"].value == pytest.approx(2 * p * r / (p + r))
    assert found["f1@10"].low < found["f1@10"].value < found["f1@10"].high


def test_an_empty_window_is_refused():
    with pytest.raises(DataError, match="the window is empty"):
        evaluate_lists(np.empty((0, 10), dtype=int), [], 10, seed=0)
    with pytest.raises(DataError, match="the window is empty"):
        evaluate_rows([], [], [], seed=0)


def test_rows_and_lists_need_their_members():
    with pytest.raises(DataError, match="groups names 1 members for 2 rows"):
        evaluate_rows([0, 1], [0.1, 0.2], ["a"], seed=0)
    with pytest.raises(DataError, match="members holds 1 ids for 2 lists"):
        evaluate_lists(np.array([[1], [2]]), [np.array([1]), np.array([2])], 1, seed=0, members=["a"])
