"""The promises that every registered ranker keeps."""

import numpy as np
import pytest

from pipelines.core.contracts import Features, FittedRanker
from pipelines.core.errors import FeatureError
from pipelines.ranking import FITTED, RANKERS


def world(rows: int = 600, seed: int = 3) -> tuple[Features, np.ndarray]:
    """The label follows ``affinity`` and the genre, with noise; ``constant`` says nothing."""
    random = np.random.default_rng(seed)
    affinity = random.random(rows).astype(np.float32)
    genre = random.choice(["comedy", "horror"], rows).astype(object)
    label = (random.random(rows) < np.where(genre == "comedy", 0.2, 0.0) + 0.7 * affinity).astype(float)
    affinity[::17] = np.nan
    features = {
        "affinity": affinity,
        "genre": genre,
        "constant": np.ones(rows, dtype=np.float32),
        "packed": random.random((rows, 3)).astype(np.float32),
    }
    return features, label


@pytest.fixture(params=sorted(RANKERS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def fitted(name: str) -> FittedRanker:
    features, label = world()
    return RANKERS[name]().fit(features, label, np.ones(len(label)), np.arange(len(label)).astype(str), seed=5)


def head(features: Features, rows: int) -> dict[str, np.ndarray]:
    return {name: values[:rows] for name, values in features.items()}


def test_probability_is_one_number_a_row_between_0_and_1(fitted: FittedRanker) -> None:
    probability = fitted.probability(world(seed=4)[0])
    assert probability.shape == (600,)
    assert ((probability >= 0) & (probability <= 1)).all()


def test_it_ranks_the_liked_above_the_rest(fitted: FittedRanker) -> None:
    features, label = world(seed=4)
    probability = fitted.probability(features)
    assert probability[label == 1].mean() > probability[label == 0].mean() + 0.1


def test_no_rows_get_no_probabilities(fitted: FittedRanker) -> None:
    assert fitted.probability(head(world()[0], 0)).shape == (0,)


def test_a_missing_feature_is_named(fitted: FittedRanker) -> None:
    features, _ = world()
    del features["affinity"]  # type: ignore[attr-defined]
    with pytest.raises(FeatureError, match="affinity"):
        fitted.probability(features)


def test_an_unseen_category_and_an_absent_value_are_answered(fitted: FittedRanker) -> None:
    strange = {
        "affinity": np.array([np.nan], dtype=np.float32),
        "genre": np.array(["opera"], dtype=object),
        "constant": np.array([np.nan], dtype=np.float32),
    }
    assert np.isfinite(fitted.probability(strange)).all()


def test_encoded_features_score_the_same_as_raw_ones(fitted: FittedRanker) -> None:
    features, _ = world(seed=4)
    np.testing.assert_array_equal(fitted.probability(fitted.encode(features)), fitted.probability(features))


def test_saved_and_loaded_it_scores_the_same(name: str, fitted: FittedRanker, tmp_path) -> None:
    features, label = world(seed=4)
    calibrated = fitted.calibrated(fitted.probability(features), label, 0.5)
    calibrated.save(tmp_path)
    np.testing.assert_array_equal(FITTED[name].load(tmp_path).probability(features), calibrated.probability(features))


def test_the_same_seed_fits_the_same(name: str, fitted: FittedRanker) -> None:
    features, label = world()
    again = RANKERS[name]().fit(features, label, np.ones(len(label)), np.arange(len(label)).astype(str), seed=5)
    np.testing.assert_array_equal(again.probability(features), fitted.probability(features))


def test_calibration_brings_the_mean_to_what_was_watched_and_keeps_the_order(fitted: FittedRanker) -> None:
    features, label = world(seed=4)
    rarely = label * (np.random.default_rng(0).random(len(label)) < 0.3)
    before = fitted.probability(features)
    after = fitted.calibrated(before, rarely, 1.0).probability(features)
    assert after.mean() == pytest.approx(rarely.mean(), abs=0.01)
    assert (np.diff(after[np.argsort(before)]) >= 0).all()


def test_a_calibration_carries_over_to_another_fit(fitted: FittedRanker) -> None:
    features, label = world(seed=4)
    calibrated = fitted.calibrated(fitted.probability(features), label, 0.2)
    np.testing.assert_array_equal(
        fitted.calibrated_like(calibrated).probability(features), calibrated.probability(features)
    )


def test_an_explanation_names_every_feature_strongest_first(fitted: FittedRanker) -> None:
    explanation = fitted.explain(head(world(seed=4)[0], 2))
    assert len(explanation) == 2
    assert set(explanation[0]) == set(fitted.feature_names)
    magnitudes = [abs(value) for value in explanation[0].values()]
    assert magnitudes == sorted(magnitudes, reverse=True)
    assert explanation[0]["constant"] == 0
