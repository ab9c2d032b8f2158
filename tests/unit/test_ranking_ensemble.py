"""What the ensemble alone promises: two parts, one encoder, and an order that no member's own number moves."""

import numpy as np
import pytest
from scipy.special import expit

from pipelines.ranking.ensemble import Ensemble, FittedEnsemble
from pipelines.ranking.logistic import design_owner


def rows(n: int = 800) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    groups = np.stack([rng.integers(0, 60, n), rng.integers(0, 3, n)], axis=1)
    title, own = rng.random(n).astype(np.float32), rng.random(n).astype(np.float32)
    word = rng.choice(["a", "b"], n).astype(object)
    label = (rng.random(n) < 0.15 + 0.4 * title + 0.3 * own).astype(float)
    return {"media_rate": title, "user_rate": own, "media_kind": word}, label, groups


def learnt(groups: np.ndarray | None = None, label: np.ndarray | None = None, **options: float) -> FittedEnsemble:
    features, given, own = rows()
    label, groups = given if label is None else label, own if groups is None else groups
    return Ensemble(**options).fit(features, label, np.ones(len(label)), groups, seed=7)


@pytest.fixture(scope="module")
def fitted() -> FittedEnsemble:
    return learnt()


def coefficients(fitted: FittedEnsemble) -> dict[str, np.ndarray]:
    names = np.array(fitted.linear.encoder.names)[design_owner(fitted.linear.encoder)]
    return {name: fitted.linear.coefficients[names == name] for name in fitted.feature_names}


def test_the_order_of_pairs_moves_titles_and_nothing_of_the_member(fitted: FittedEnsemble) -> None:
    ordered, plain = coefficients(fitted), coefficients(learnt(order=0.0))
    np.testing.assert_array_equal(ordered["user_rate"], plain["user_rate"])
    assert ordered["media_rate"][0] > plain["media_rate"][0]


def test_the_order_of_pairs_leaves_the_mean_where_it_was(fitted: FittedEnsemble) -> None:
    features, _, _ = rows()
    matrix = fitted.trees.encoder.matrix(features)
    before, after = learnt(order=0.0).linear.log_odds(matrix), fitted.linear.log_odds(matrix)
    assert after.mean() == pytest.approx(before.mean(), abs=1e-4)


def test_the_parts_add_up_on_the_log_odds_scale(fitted: FittedEnsemble) -> None:
    features, _, _ = rows(50)
    matrix = fitted.trees.encoder.matrix(features)
    odds = fitted.share * fitted.trees.log_odds(matrix) + fitted.linear.log_odds(matrix)
    np.testing.assert_allclose(fitted.probability(features), expit(odds), atol=1e-6)


def test_members_of_one_title_a_day_teach_no_order() -> None:
    groups = np.stack([np.arange(800), np.zeros(800, dtype=np.int64)], axis=1)
    alone, plain = learnt(groups), learnt(order=0.0)
    np.testing.assert_array_equal(alone.linear.coefficients, plain.linear.coefficients)


def test_what_was_watched_in_part_orders_pairs_and_is_no_label() -> None:
    _, label, groups = rows()
    label[::4] = np.nan
    judged = ~np.isnan(label)
    partly, plain = learnt(groups, label), learnt(groups, label, order=0.0)
    features = {name: values[judged] for name, values in rows()[0].items()}
    ends = Ensemble(order=0.0).fit(features, label[judged], np.ones(judged.sum()), groups[judged], seed=7)
    np.testing.assert_array_equal(plain.probability(features), ends.probability(features))
    assert (partly.linear.coefficients != plain.linear.coefficients).any()


def test_an_encoded_word_scores_as_the_word_itself(fitted: FittedEnsemble) -> None:
    features, _, _ = rows(20)
    np.testing.assert_array_equal(fitted.probability(features), fitted.probability(fitted.encode(features)))
