"""PSI against a sketch: worked by hand, then as properties."""

import json
from math import log

import numpy as np
import pandas as pd
import pytest

from pipelines.core.errors import DataError
from pipelines.metrics.drift import chance, psi, sketch

RNG = np.random.default_rng(3)


def test_psi_worked_by_hand():
    before, after = ["a"] * 80 + ["b"] * 20, ["a"] * 50 + ["b"] * 50
    expected = (0.5 - 0.8) * log(0.5 / 0.8) + (0.5 - 0.2) * log(0.5 / 0.2)
    assert psi(sketch({"x": np.array(before)}), {"x": np.array(after)})["x"] == pytest.approx(expected)


def test_the_same_rows_have_not_drifted_and_a_sketch_survives_json():
    frame = pd.DataFrame(
        {"n": RNG.normal(size=500), "w": RNG.choice(["a", "b", None], 500), "i": RNG.integers(0, 3, 500)}
    )
    stored = json.loads(json.dumps(sketch(frame)))
    assert psi(stored, frame) == pytest.approx({"n": 0, "w": 0, "i": 0}, abs=1e-6)


def test_a_moved_number_a_moved_word_and_a_broken_feature_are_seen_and_a_still_one_is_not():
    before = pd.DataFrame({name: RNG.normal(size=4000) for name in ("moved", "broken", "still")})
    after = pd.DataFrame({"moved": RNG.normal(1, 1, 2000), "broken": np.nan, "still": RNG.normal(size=2000)})
    found = psi(sketch(before), after)
    assert found["moved"] > 0.5
    assert found["broken"] > 5
    assert found["still"] < 0.03


@pytest.mark.parametrize("value", [4.0, 6.0])
def test_a_constant_that_changes_is_seen_on_either_side(value):
    assert psi(sketch({"x": np.full(100, 5.0)}), {"x": np.full(100, value)})["x"] > 5


def test_values_never_seen_before_count_as_others():
    reference = sketch({"x": np.array(["a"] * 90 + [f"rare{n}" for n in range(10)])})
    assert psi(reference, {"x": np.array(["new"] * 100)})["x"] > 5


def test_a_value_in_most_rows_leaves_bins_that_still_tell_movement():
    before = np.r_[np.zeros(950), np.ones(50)]
    assert psi(sketch({"x": before}), {"x": np.r_[np.zeros(500), np.ones(500)]})["x"] > 0.25


def test_packed_columns_are_left_out_and_absent_ones_are_kept():
    frame = pd.DataFrame({"packed": [np.zeros(3), np.ones(3)], "none": [None, None], "flag": [True, False]})
    assert set(sketch(frame)) == {"none", "flag"}
    assert psi(sketch(frame), pd.DataFrame({"none": ["a", "b"]}))["none"] > 5


def test_infinite_values_count_as_absent():
    found = psi(sketch({"x": np.arange(100.0)}), {"x": np.full(10, np.inf)})
    assert found["x"] > 5


def test_weights_undo_a_thinning_of_the_reference():
    rows = pd.DataFrame({"x": ["yes"] * 100 + ["no"] * 100})
    weight = np.r_[np.ones(100), np.full(100, 9.0)]
    current = pd.DataFrame({"x": ["yes"] * 10 + ["no"] * 90})
    assert psi(sketch(rows), current)["x"] > 0.25
    assert psi(sketch(rows, weight), current)["x"] == pytest.approx(0, abs=1e-6)


def test_few_rows_stay_below_what_chance_alone_explains():
    reference = sketch({"x": RNG.normal(size=5000)})
    limit = chance(reference["x"], 100)
    found = [psi(reference, {"x": RNG.normal(size=100)})["x"] for _ in range(300)]
    assert np.mean([f > limit for f in found]) < 0.06
    assert chance(reference["x"], 10_000) < limit


def test_no_rows_are_refused():
    with pytest.raises(DataError, match="no reference rows"):
        sketch({"x": np.array([])})
    with pytest.raises(DataError, match="no rows to compare"):
        psi(sketch({"x": np.arange(3.0)}), {"x": np.array([])})
