"""The random forest as arrays: what scikit-learn says, walked by NumPy."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from pipelines.ranking.forest import Forest, flattened

COLUMNS = 5


def rows(seed, count=800):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(count, COLUMNS)).astype(np.float32)
    matrix[rng.random(matrix.shape) < 0.15] = np.nan
    label = (np.nan_to_num(matrix[:, 0]) * np.nan_to_num(matrix[:, 1]) + np.isnan(matrix[:, 2]) > 0.3).astype(float)
    return matrix, label


@pytest.fixture(scope="module")
def forest():
    matrix, label = rows(1)
    return RandomForestClassifier(n_estimators=12, max_depth=7, min_samples_leaf=3, random_state=0).fit(matrix, label)


def test_the_walk_answers_as_scikit_learn_does_absent_values_too(forest):
    trees = flattened([one.tree_ for one in forest.estimators_], COLUMNS)
    matrix, _ = rows(2)
    np.testing.assert_allclose(trees.mean(matrix), forest.predict_proba(matrix)[:, 1], atol=1e-12)


def test_contributions_sum_to_the_answer_exactly(forest):
    trees = flattened([one.tree_ for one in forest.estimators_], COLUMNS)
    matrix, _ = rows(2, 50)
    start, added = trees.contributions(matrix)
    np.testing.assert_allclose(start + added.sum(axis=1), trees.mean(matrix), atol=1e-12)
    assert np.abs(added[:, 3:]).mean() < np.abs(added[:, :3]).mean()


def test_size_is_bounded_by_trees_and_depth():
    matrix, label = rows(3)
    features = {str(n): matrix[:, n] for n in range(COLUMNS)}
    fitted = Forest(trees=4, depth=3, min_rows_in_leaf=1).fit(features, label, np.ones(800), label, seed=1)
    assert len(fitted.trees.root) == 4
    assert len(fitted.trees.value) <= 4 * 15
