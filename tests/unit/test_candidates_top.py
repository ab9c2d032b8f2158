"""Picking the best k: what a full sort gives, whatever the scores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.candidates.top import best, best_places, best_sums, distinct
from pipelines.core.contracts import Floats

SCORES = st.sampled_from([-np.inf, np.nan, -3e38, -1.0, -0.0, 0.0, 1e-40, 0.5, 2.0])


@given(st.lists(st.lists(SCORES, min_size=7, max_size=7), max_size=4), st.integers(1, 9))
def test_the_best_are_those_of_a_full_sort_and_of_equal_ones_the_lower_codes(rows: list[list[float]], k: int) -> None:
    for kind in (np.float32, np.float64):
        check(np.array(rows, dtype=kind).reshape(len(rows), 7), k)


def check(scores: Floats, k: int) -> None:
    codes, values = best(scores, k)
    for row, own, found in zip(scores.tolist(), codes.tolist(), values.tolist(), strict=True):
        held = sorted((-score, code) for code, score in enumerate(row) if score > -np.inf)[:k]
        assert own == [code for _, code in held] + [-1] * (k - len(held))
        assert found == [float(np.float32(-score)) for score, _ in held] + [-np.inf] * (k - len(held))


@pytest.mark.parametrize("kinds", [3, 50, 10_000_000], ids=["few values", "some values", "all differ"])
def test_a_sample_changes_the_time_and_not_the_answer(kinds: int) -> None:
    rng = np.random.default_rng(3)
    scores = rng.integers(0, kinds, 20_000).astype(np.float32)
    for k in (1, 40, 500, 19_999, 30_000):
        np.testing.assert_array_equal(best_places(scores, k), np.argsort(-scores, kind="stable")[:k])


def test_what_the_sample_never_saw_is_found() -> None:
    scores = np.zeros(8_000, dtype=np.float32)
    scores[1::8] = np.arange(1_000)
    assert best_places(scores, 3).tolist() == [7_993, 7_985, 7_977]
    scores[::8], scores[1::8] = 5, -np.inf
    scores[2::8] = -np.inf
    np.testing.assert_array_equal(best_places(scores, 1_000), np.arange(0, 8_000, 8))


@settings(deadline=None)
@given(st.lists(st.integers(0, 8), max_size=30), st.integers(1, 10), st.sets(st.integers(0, 8)), st.booleans())
def test_sums_of_what_was_named_are_those_of_the_whole_catalogue(
    named: list[int], k: int, own: set[int], wide: bool
) -> None:
    codes = np.array(named, dtype=np.int64)
    values = (codes % 3 + 1).astype(np.float32)
    whole = np.bincount(codes, weights=values, minlength=9).astype(np.float32)
    whole[whole == 0] = -np.inf
    whole[sorted(own)] = -np.inf
    expected, totals = best(whole[None, :], k)
    held = expected[0] >= 0
    found, score = best_sums(codes, values, k, np.array(sorted(own), dtype=np.int64), 1 << 20 if wide else 9)
    assert found.tolist() == expected[0][held].tolist()
    assert score.tolist() == totals[0][held].tolist()


@given(st.lists(st.integers(0, 50)))
def test_a_table_and_a_sort_tell_the_same_codes_apart(codes: list[int]) -> None:
    for size in (51, 1 << 30):
        named, place = distinct(np.array(codes, dtype=np.int64), size)
        assert named.tolist() == sorted(set(codes))
        assert named[place].tolist() == codes
