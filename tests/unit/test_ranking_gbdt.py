"""LightGBM's two aims: probabilities, and the order of each member's titles."""

import numpy as np
import pytest

from pipelines.metrics.classification import gauc
from pipelines.ranking import gbdt
from pipelines.ranking.gbdt import GBDT, FittedGBDT, by_member
from pipelines.ranking.lambdarank import LambdaRank


def world(seed, rows=4000):
    """A title's worth is the same for all; members differ far more in how much they watch at all."""
    rng = np.random.default_rng(seed)
    members = rng.integers(0, 80, rows)
    worth = rng.normal(size=rows).astype(np.float32)
    mood = (members % 8 - 4).astype(np.float32)
    label = (rng.random(rows) < 1 / (1 + np.exp(-(worth + mood)))).astype(float)
    return {"worth": worth, "mood": mood}, label, np.stack([members, np.zeros_like(members)], axis=1)


def test_each_members_rows_are_put_together_in_their_order_and_long_ones_are_cut(monkeypatch):
    monkeypatch.setattr(gbdt, "MOST_IN_GROUP", 2)
    order, sizes = by_member(np.array([[1, 0], [0, 0], [1, 1], [1, 0], [2, 0]]))
    assert order.tolist() == [1, 0, 2, 3, 4]
    assert sizes.tolist() == [1, 2, 1, 1]


def test_lambdarank_orders_members_titles_and_its_probabilities_are_those_of_the_rows():
    features, label, members = world(1)
    fitted = LambdaRank(rounds=40).fit(features, label, np.ones(len(label)), members, seed=1)
    later, watched, who = world(2)
    probability = fitted.probability(later)
    assert gauc(watched, probability, who[:, 0]) > 0.7
    assert probability.mean() == pytest.approx(watched.mean(), abs=0.03)


def test_lambdarank_saved_keeps_the_level_of_its_scores(tmp_path):
    features, label, members = world(1)
    fitted = LambdaRank(rounds=5).fit(features, label, np.ones(len(label)), members, seed=1)
    fitted.save(tmp_path)
    assert FittedGBDT.load(tmp_path).level == fitted.level is not None


def test_early_stopping_takes_the_rounds_that_the_latest_rows_ask_for_and_all_rows():
    features, label, members = world(1)
    noisy = GBDT(rounds=400, learning_rate=0.3, early_stopping_rounds=10, min_rows_in_leaf=5)
    stopped = noisy.fit(features, label, np.ones(len(label)), members, seed=1)
    rounds = stopped.booster.num_trees()
    assert rounds < 100
    same = noisy.model_copy(update={"rounds": rounds, "early_stopping_rounds": None})
    again = same.fit(features, label, np.ones(len(label)), members, seed=1)
    np.testing.assert_array_equal(stopped.probability(features), again.probability(features))


def test_where_the_latest_rows_are_of_one_class_nothing_is_stopped():
    features, label, members = world(1, 300)
    label[-100:] = 0.0
    fitted = GBDT(rounds=7, early_stopping_rounds=1).fit(features, label, np.ones(300), members, seed=1)
    assert fitted.booster.num_trees() == 7
