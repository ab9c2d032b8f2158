"""What the ensemble alone promises: three parts, one encoder, and an order that no member's own number moves."""

import numpy as np
import pytest

from pipelines.ranking.ensemble import Ensemble, FittedEnsemble


def rows(n: int = 800) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    groups = np.array([f"u{n}" for n in rng.integers(0, 60, n)])
    title, own = rng.random(n).astype(np.float32), rng.random(n).astype(np.float32)
    word = rng.choice(["a", "b"], n).astype(object)
    label = (rng.random(n) < 0.15 + 0.4 * title + 0.3 * own).astype(float)
    return {"media_rate": title, "user_rate": own, "media_kind": word}, label, groups


@pytest.fixture(scope="module")
def fitted() -> FittedEnsemble:
    features, label, groups = rows()
    return Ensemble().fit(features, label, np.ones(len(label)), groups, seed=7)


def test_the_order_within_members_reads_nothing_of_the_member(fitted: FittedEnsemble) -> None:
    assert fitted.order is not None
    assert fitted.order.feature_names == ("media_rate", "media_kind")
    assert fitted.feature_names == ("media_rate", "user_rate", "media_kind")


def test_the_parts_add_up_on_the_log_odds_scale(fitted: FittedEnsemble) -> None:
    features, _, _ = rows(50)
    assert fitted.order is not None
    matrix = fitted.trees.encoder.matrix(features)
    linear, order = fitted.shares
    odds = (1 - linear) * fitted.trees.log_odds(matrix) + linear * fitted.linear.log_odds(matrix)
    odds = odds + order * fitted.order.log_odds(fitted.order.encoder.matrix(features))
    np.testing.assert_allclose(fitted.probability(features), 1 / (1 + np.exp(-odds)), atol=1e-6)


def test_members_of_one_outcome_each_teach_no_order() -> None:
    features, label, _ = rows()
    alone = np.array([f"u{n}" for n in range(len(label))])
    fitted = Ensemble().fit(features, label, np.ones(len(label)), alone, seed=7)
    assert fitted.order is None
    assert np.isfinite(fitted.probability(features)).all()


def test_an_encoded_word_scores_as_the_word_itself(fitted: FittedEnsemble) -> None:
    features, _, _ = rows(20)
    np.testing.assert_array_equal(fitted.probability(features), fitted.probability(fitted.encode(features)))
