"""Ranking metrics: worked by hand, then properties, then a peer's answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core.errors import DataError
from pipelines.metrics import judging
from pipelines.metrics.ranking import average_precision, average_recall, f1, ndcg, recall

METRICS = [ndcg, recall, average_precision, average_recall]


def codes(*values):
    return np.array(values, dtype=np.int32)


def one(metric, ranked, relevant, k):
    return metric(codes(ranked), [codes(*relevant)], k)[0]


def test_ndcg_of_a_worked_list():
    # hits at places 2 and 3; three are relevant, so the ideal fills places 1, 2 and 3
    gained = 1 / np.log2(3) + 1 / np.log2(4)
    ideal = 1 + 1 / np.log2(3) + 1 / np.log2(4)
    assert one(ndcg, [9, 3, 5, 7], [3, 5, 8], 4) == pytest.approx(gained / ideal, abs=1e-12)


def test_the_ideal_counts_relevant_media_that_the_list_could_not_hold():
    assert one(ndcg, [1, 2], [1, 90, 91], 2) == pytest.approx(1 / (1 + 1 / np.log2(3)))


def test_recall_is_divided_by_what_the_list_could_have_held():
    assert one(recall, [1, 2, 3, 4], [1, 4, 9], 4) == pytest.approx(2 / 3)
    assert one(recall, [1, 2], [1, 2, 3, 4], 2) == 1.0


def test_average_precision_of_a_worked_list():
    assert one(average_precision, [9, 3, 5, 7], [3, 5, 8], 4) == pytest.approx((1 / 2 + 2 / 3) / 3)


def test_average_recall_of_a_worked_list():
    assert one(average_recall, [9, 3, 5, 7], [3, 5, 8], 4) == pytest.approx((1 / 3 + 2 / 3) / 3)
    assert one(average_recall, [3, 1], [3], 2) == 1.0


def test_f1_is_the_harmonic_mean_and_zero_where_both_are_zero():
    np.testing.assert_allclose(f1([0.5, 0.0, np.nan], [0.25, 0.0, 0.1]), [1 / 3, 0.0, np.nan])


@pytest.mark.parametrize("metric", METRICS)
def test_a_member_without_anything_relevant_has_no_answer(metric):
    answer = metric(codes([1, 2], [1, 2]), [codes(), codes(1)], 2)
    assert np.isnan(answer[0])
    assert answer[1] == 1.0


@pytest.mark.parametrize("metric", METRICS)
def test_a_repeated_media_counts_once_at_its_first_place(metric):
    assert one(metric, [4, 4, 4], [4, 5], 3) == one(metric, [4, 8, 9], [4, 5], 3)


@pytest.mark.parametrize("metric", METRICS)
def test_pads_and_short_lists_are_no_hits(metric):
    assert one(metric, [-1, -1, -1], [4], 3) == 0.0
    assert one(metric, [4, -1, -1], [4, 5], 3) == one(metric, [4], [4, 5], 3)
    assert metric(np.empty((0, 3), dtype=np.int32), [], 3).shape == (0,)


@pytest.mark.parametrize("metric", METRICS)
def test_places_beyond_k_do_not_count(metric):
    assert one(metric, [1, 2, 7], [7], 2) == 0.0


def test_judging_in_small_blocks_changes_nothing(monkeypatch):
    rng = np.random.default_rng(3)
    ranked, relevant = (
        rng.permuted(np.tile(np.arange(30), (50, 1)), axis=1),
        [rng.integers(0, 40, 4) for _ in range(50)],
    )
    whole = ndcg(ranked, relevant, 10)
    monkeypatch.setattr(judging, "CELLS", 100)
    np.testing.assert_array_equal(ndcg(ranked, relevant, 10), whole)


def test_wrong_input_is_refused_by_name():
    with pytest.raises(DataError, match="k is 0"):
        ndcg(codes([1]), [codes(1)], 0)
    with pytest.raises(DataError, match=r"ranked has shape \(1, 1\) and relevant 2 members"):
        ndcg(codes([1]), [codes(1), codes(2)], 1)
    with pytest.raises(DataError, match="relevant holds code -1"):
        recall(codes([1]), [codes(-1)], 1)


lists = st.lists(
    st.tuples(
        st.lists(st.integers(-1, 12), min_size=6, max_size=6), st.lists(st.integers(0, 15), min_size=0, max_size=8)
    ),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize("metric", METRICS)
@settings(max_examples=50, deadline=None)
@given(members=lists, k=st.integers(1, 8), seed=st.integers(0, 99))
def test_every_metric_lies_in_0_1_and_knows_no_order_of_members_or_relevant_media(metric, members, k, seed):
    ranked, relevant = codes(*(m[0] for m in members)), [codes(*m[1]) for m in members]
    answer = metric(ranked, relevant, k)
    held = answer[~np.isnan(answer)]
    assert ((held >= 0) & (held <= 1)).all()
    order = np.random.default_rng(seed).permutation(len(members))
    np.testing.assert_array_equal(metric(ranked[order], [relevant[i][::-1] for i in order], k), answer[order])


@pytest.mark.parametrize("metric", [ndcg, recall, average_precision])
@settings(max_examples=30, deadline=None)
@given(relevant=st.lists(st.integers(0, 30), min_size=1, max_size=9, unique=True), k=st.integers(1, 8))
def test_a_perfect_list_reaches_1(metric, relevant, k):
    others = [c for c in range(31) if c not in relevant]
    assert one(metric, (relevant + others)[:20], relevant, k) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("k", [1, 5, 10])
def test_lenskit_answers_the_same_on_random_lists(k):
    pytest.importorskip("lenskit", reason="LensKit needs torch: EXTRAS=dev,peers make setup")
    from lenskit.data import ItemList
    from lenskit.metrics import NDCG, Recall
    from lenskit.metrics.ranking import LogRankWeight

    rng = np.random.default_rng(7)
    ranked = rng.permuted(np.tile(np.arange(40), (200, 1)), axis=1)[:, :20]
    relevant = [rng.choice(40, size=rng.integers(1, 15), replace=False) for _ in range(200)]
    theirs = {ndcg: NDCG(n=k, weight=LogRankWeight(offset=1)), recall: Recall(n=k)}
    for ours, peer in theirs.items():
        expected = [
            peer.measure_list(ItemList(item_ids=row, ordered=True), ItemList(item_ids=truth))
            for row, truth in zip(ranked, relevant, strict=True)
        ]
        np.testing.assert_allclose(ours(ranked, relevant, k), expected, atol=1e-9)


def test_scikit_learn_answers_the_same_ndcg_where_it_ranks_the_whole_catalogue():
    from sklearn.metrics import ndcg_score

    rng = np.random.default_rng(8)
    score, truth = rng.random((100, 30)), rng.random((100, 30)) < 0.2
    truth[:, 0] = True
    ours = ndcg(np.argsort(-score, axis=1), [np.flatnonzero(row) for row in truth], 10)
    theirs = [ndcg_score(t[None].astype(float), s[None], k=10) for t, s in zip(truth, score, strict=True)]
    np.testing.assert_allclose(ours, theirs, atol=1e-9)
