"""The promises that every registered ranker keeps."""

import numpy as np
import pytest
from scipy.special import logit

from pipelines.core.contracts import Features, FittedRanker
from pipelines.core.errors import DataError, FeatureError
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


def learn(name: str, features: Features, label: np.ndarray) -> FittedRanker:
    """The method with its own settings, fitted on rows of thirty members in turn, on four days."""
    row = np.arange(len(label))
    groups = np.stack([row % 30, row * 4 // max(1, len(row))], axis=1)
    return RANKERS[name]().fit(features, label, np.ones(len(label)), groups, seed=5)


@pytest.fixture(scope="module", params=sorted(RANKERS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def fitted(name: str) -> FittedRanker:
    return learn(name, *world())


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
    features, _ = world()
    again = learn(name, *world())
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


def test_levelled_it_answers_as_much_as_was_watched_in_the_order_it_had(fitted: FittedRanker) -> None:
    features, label = world(seed=4)
    seldom = label * (np.arange(len(label)) % 3 == 0)
    before = fitted.probability(features)
    after = fitted.levelled(before, seldom).probability(features)
    assert after.mean() == pytest.approx(seldom.mean(), abs=1e-3)
    assert (np.diff(after[np.argsort(before)]) >= 0).all()


def test_an_explanation_names_every_feature_strongest_first(fitted: FittedRanker) -> None:
    explanation = fitted.explain(head(world(seed=4)[0], 2))
    assert len(explanation) == 2
    assert set(explanation[0]) == set(fitted.feature_names)
    magnitudes = [abs(value) for value in explanation[0].values()]
    assert magnitudes == sorted(magnitudes, reverse=True)
    assert explanation[0]["constant"] == 0


def test_an_explanation_adds_up_to_the_calibrated_log_odds_but_for_a_constant(fitted: FittedRanker) -> None:
    features, label = world(seed=4)
    calibrated = fitted.calibrated(fitted.probability(features), label * (np.arange(len(label)) % 2), 0.5)
    some = head(features, 40)
    told = np.array([sum(row.values()) for row in calibrated.explain(some)])
    left = logit(calibrated.probability(some)) - told
    np.testing.assert_allclose(left, left[0], atol=1e-3)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_labels_of_one_class_are_refused(name: str, label: float) -> None:
    features, _ = world()
    with pytest.raises(DataError, match="one class: widen its window"):
        learn(name, features, np.full(600, label))


@pytest.mark.parametrize("name", sorted(name for name, of in RANKERS.items() if of.MIDDLE))
def test_a_method_that_learns_from_the_middle_ranks_with_it_too(name: str) -> None:
    features, label = world()
    partly = np.where(np.arange(len(label)) % 5 == 0, np.nan, label)
    probability = learn(name, features, partly).probability(world(seed=4)[0])
    later = world(seed=4)[1]
    assert probability[later == 1].mean() > probability[later == 0].mean() + 0.1


@pytest.mark.parametrize("rows", [0, 1])
def test_no_rows_and_a_single_one_are_too_few_to_learn_from(name: str, rows: int) -> None:
    features, label = world()
    with pytest.raises(DataError, match=f"{rows} labelled rows"):
        learn(name, head(features, rows), label[:rows])


def test_two_rows_of_two_classes_are_learnt_from(name: str) -> None:
    features, _ = world(2)
    assert np.isfinite(learn(name, features, np.array([0.0, 1.0])).probability(features)).all()


def test_a_single_row_is_scored_as_it_is_among_others(fitted: FittedRanker) -> None:
    features, _ = world(seed=4)
    np.testing.assert_allclose(fitted.probability(head(features, 1)), fitted.probability(features)[:1], rtol=1e-5)


def test_features_that_say_nothing_change_little_and_explain_nothing(name: str) -> None:
    features, label = world()
    silent = {"always": np.full(600, 3.0, np.float32), "never": np.full(600, np.nan, np.float32)}
    words = {"one_word": np.full(600, "a", dtype=object), "no_word": np.full(600, None, dtype=object)}
    of = learn(name, {**features, **silent, **words}, label)
    told = of.explain(head({**features, **silent, **words}, 5))
    assert all(abs(row[silence]) < 1e-6 for row in told for silence in (*silent, *words))
    assert of.probability({**features, **silent, **words})[label == 1].mean() > label.mean() + 0.05


def test_what_was_always_there_may_be_absent_later(name: str) -> None:
    features, label = world()
    always = {**features, "affinity": np.nan_to_num(features["affinity"], nan=0.5)}
    probability = learn(name, always, label).probability({**always, "affinity": np.full(600, np.nan, np.float32)})
    assert np.isfinite(probability).all()
    assert abs(probability.mean() - label.mean()) < 0.3


def test_a_category_that_was_not_seen_is_answered_like_an_absent_one(fitted: FittedRanker) -> None:
    features, _ = world(seed=4)
    unseen, absent = ({**features, "genre": np.full(600, word, dtype=object)} for word in ("opera", None))
    np.testing.assert_array_equal(fitted.probability(unseen), fitted.probability(absent))


@pytest.mark.parametrize("missing", ["affinity", "genre"])
def test_any_missing_column_is_named_whether_scored_or_explained(fitted: FittedRanker, missing: str) -> None:
    features = {name: values for name, values in world()[0].items() if name != missing}
    for asked in (fitted.probability, fitted.explain):
        with pytest.raises(FeatureError, match=missing):
            asked(features)


def test_columns_that_every_candidate_shares_score_as_if_repeated(fitted: FittedRanker) -> None:
    features, _ = world(seed=4)
    shared = {name: np.broadcast_to(values[:1], values.shape) for name, values in features.items() if name != "genre"}
    repeated = {name: np.repeat(values[:1], 600, axis=0) for name, values in features.items() if name != "genre"}
    genre = {"genre": features["genre"]}
    np.testing.assert_allclose(
        fitted.probability({**shared, **genre}), fitted.probability({**repeated, **genre}), rtol=1e-5
    )


def test_a_number_that_is_fixed_is_not_asked_for_and_not_listened_to(fitted: FittedRanker, name: str, tmp_path) -> None:
    features, _ = world(seed=4)
    high = {**features, "affinity": np.full(600, 0.9, np.float32)}
    fixed = fitted.fixing({"affinity": 0.9})
    assert "affinity" not in fixed.feature_names
    without = {name: values for name, values in features.items() if name != "affinity"}
    for given in (without, features):
        np.testing.assert_array_equal(fixed.probability(given), fitted.probability(high))
    fixed.save(tmp_path)
    np.testing.assert_array_equal(FITTED[name].load(tmp_path).probability(without), fixed.probability(without))
    assert "affinity" in fixed.explain(without)[0]
