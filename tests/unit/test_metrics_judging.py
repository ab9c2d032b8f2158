"""Judging: the same as looking every title up in a set, whatever the form, the block and the catalogue."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core.errors import DataError
from pipelines.metrics import judging
from pipelines.metrics.judging import Ragged, judge


def by_sets(ranked, relevant, k):
    """As it is defined, a member and a place at a time."""
    hits = np.zeros(ranked[:, :k].shape, dtype=bool)
    for row, (listed, wanted) in enumerate(zip(ranked[:, :k].tolist(), relevant, strict=True)):
        for place, code in enumerate(listed):
            hits[row, place] = code >= 0 and code in set(wanted.tolist()) and code not in listed[:place]
    return hits


def same(judged, ranked, relevant, k):
    np.testing.assert_array_equal(judged.hits, by_sets(ranked, relevant, k))
    assert judged.relevant.tolist() == [len(set(wanted.tolist())) for wanted in relevant]
    assert judged.listed.tolist() == (ranked[:, :k] >= 0).sum(axis=1).tolist()
    assert judged.k == k


lists = st.lists(
    st.tuples(st.lists(st.integers(-1, 9), min_size=5, max_size=5), st.lists(st.integers(0, 12), max_size=6)),
    min_size=1,
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(members=lists, k=st.integers(1, 7))
def test_judging_looks_every_place_up(members, k):
    ranked, relevant = np.array([m[0] for m in members]), [np.array(m[1], dtype=np.int64) for m in members]
    same(judge(ranked, relevant, k), ranked, relevant, k)


@pytest.mark.parametrize("cells", [1, 7, 100])
def test_judging_in_small_blocks_changes_nothing(monkeypatch, cells):
    rng = np.random.default_rng(3)
    ranked, relevant = rng.integers(-1, 30, (50, 9)), [rng.integers(0, 40, rng.integers(0, 9)) for _ in range(50)]
    monkeypatch.setattr(judging, "CELLS", cells)
    same(judge(ranked, relevant, 6), ranked, relevant, 6)


def test_what_is_relevant_end_to_end_is_judged_as_arrays_are():
    ranked = np.array([[1, 2], [3, 4], [5, 6]], dtype=np.int32)
    relevant = [np.array([2, 2, 9]), np.array([], dtype=int), np.array([5])]
    ragged = Ragged.of(relevant)
    assert ragged.codes.tolist() == [2, 2, 9, 5]
    assert ragged.ends.tolist() == [3, 3, 4]
    assert len(ragged) == 3
    assert Ragged.of(ragged) is ragged
    for form in (relevant, ragged, Ragged(ragged.codes.astype(np.int32), ragged.ends.astype(np.int32))):
        same(judge(ranked, form, 2), ranked, relevant, 2)


def test_codes_far_beyond_the_catalogue_cost_no_more():
    ranked = np.array([[7, 2_000_000_000]], dtype=np.int64)
    judged = judge(ranked, [np.array([2_000_000_000, 1_999_999_999])], 2)
    assert judged.hits.tolist() == [[False, True]]
    assert judged.relevant.tolist() == [2]


def test_nobody_and_nothing_are_judged():
    assert judge(np.empty((0, 3), dtype=np.int32), [], 3).hits.shape == (0, 3)
    assert judge(np.empty((2, 0), dtype=np.int32), [np.array([1]), np.array([1])], 3).relevant.tolist() == [1, 1]
    assert judge(np.array([[1]]), [np.array([], dtype=int)], 1).hits.tolist() == [[False]]


def test_ends_that_do_not_part_the_codes_are_refused():
    with pytest.raises(DataError, match="ends of 2 members close at 2 for 3 codes"):
        Ragged(np.arange(3), np.array([1, 2]))
    with pytest.raises(DataError, match="must ascend from 0"):
        Ragged(np.arange(3), np.array([2, 1, 3]))
    with pytest.raises(DataError, match="close at 0 for 3 codes"):
        Ragged(np.arange(3), np.array([], dtype=int))


def test_codes_that_are_no_codes_are_refused():
    with pytest.raises(DataError, match="relevant holds code -1"):
        judge(np.array([[1]]), Ragged(np.array([-1]), np.array([1])), 1)
    with pytest.raises(DataError, match="the greatest code is 4611686018427387904: give media dense codes"):
        judge(np.array([[1 << 62]]), [np.array([1])], 1)
