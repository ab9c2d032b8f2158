"""A page's way of scoring boosted trees says what LightGBM says, to the last bit or so."""

import lightgbm
import numpy as np
import pytest

from pipelines.ranking import leaf_masks

COLUMNS, ROWS = 8, 3000


def rows(seed, absent=0.2):
    """Six numbers, some absent, some whole and some tied, and two categories of thirty."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(ROWS, COLUMNS))
    matrix[:, 2] = rng.integers(-3, 4, ROWS)
    matrix[:, 6:] = rng.integers(0, 30, (ROWS, 2))
    matrix[rng.random(matrix.shape) < absent] = np.nan
    return matrix.astype(np.float32)


def booster(leaves, absent=0.2):
    matrix = rows(1, absent)
    signal = np.nan_to_num(matrix[:, 0] * matrix[:, 1] + (matrix[:, 6] % 3) - matrix[:, 2], nan=1.0)
    label = (signal + np.random.default_rng(0).normal(size=ROWS) > 0.5).astype(float)
    settings = {"objective": "binary", "num_leaves": leaves, "min_data_in_leaf": 5, "verbosity": -1, "num_threads": 1}
    return lightgbm.train(settings, lightgbm.Dataset(matrix, label, categorical_feature=[6, 7]), num_boost_round=25)


def masks(model):
    found = leaf_masks.of_model(model.dump_model()["tree_info"])
    assert found is not None
    return found


@pytest.mark.parametrize("leaves", [2, 31, 32, 33, 64])
@pytest.mark.parametrize("absent", [0.0, 0.2])
def test_every_row_comes_to_the_leaves_that_lightgbm_finds(leaves, absent):
    model = booster(leaves, absent)
    asked = rows(2)
    asked[0, 6], asked[1, 7], asked[2, 0], asked[3, 1] = 99, -5, np.inf, -np.inf
    np.testing.assert_allclose(masks(model).score(asked), model.predict(asked, raw_score=True), rtol=1e-12, atol=1e-12)


def test_rows_that_share_columns_score_as_they_do_alone():
    model = booster(31)
    asked = rows(3)[:200]
    asked[:, [0, 2, 3, 6]] = asked[7, [0, 2, 3, 6]]
    np.testing.assert_allclose(masks(model).score(asked), model.predict(asked, raw_score=True), rtol=1e-12, atol=1e-12)


def test_a_single_row_and_thresholds_themselves_are_decided_alike():
    model = booster(31)
    of = masks(model)
    edge = rows(4)[: len(of.nodes.threshold)]
    # LightGBM takes what is within 1e-35 for 0 before it looks; no feature comes that near.
    told = np.isfinite(of.nodes.threshold) & (np.abs(of.nodes.threshold) > 1e-30)
    numbers = np.flatnonzero((of.nodes.kind != leaf_masks.LISTED) & told)
    edge[np.arange(len(numbers)), of.nodes.column[numbers]] = of.nodes.threshold[numbers]
    np.testing.assert_allclose(of.score(edge), model.predict(edge, raw_score=True), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(of.score(edge[:1]), model.predict(edge[:1], raw_score=True), rtol=1e-12)


def test_trees_with_more_leaves_than_bits_are_left_to_lightgbm():
    assert leaf_masks.of_model(booster(65).dump_model()["tree_info"]) is None


def test_a_model_that_never_splits_is_left_to_lightgbm():
    assert leaf_masks.of_model([{"tree_structure": {"leaf_value": 0.3}}]) is None
