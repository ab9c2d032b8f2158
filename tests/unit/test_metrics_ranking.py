"""Ranking metrics: worked by hand, then properties, then a peer's answers."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core.errors import DataError
from pipelines.metrics import judging, ranking
from pipelines.metrics.ranking import (
    average_precision,
    average_recall,
    f1,
    hit_rate,
    measure,
    ndcg,
    precision,
    recall,
    reciprocal_rank,
)

METRICS = [ndcg, recall, precision, average_precision, average_recall, reciprocal_rank, hit_rate]


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


def test_precision_is_divided_by_k_or_by_the_filled_places():
    assert one(precision, [9, 3, 5, 7], [3, 5, 8], 4) == 2 / 4
    assert one(precision, [3, 9, -1, -1], [3], 4) == 1 / 4
    assert precision(codes([3, 9, -1, -1]), [codes(3)], 4, by="listed")[0] == 1 / 2
    assert np.isnan(precision(codes([-1, -1]), [codes(3)], 2, by="listed")[0])
    assert one(precision, [3, 9], [3], 4) == 1 / 4


def test_the_reciprocal_rank_is_that_of_the_first_hit_and_zero_without_one():
    assert one(reciprocal_rank, [9, 3, 5], [3, 5], 3) == 1 / 2
    assert one(reciprocal_rank, [9, 8, 5], [5], 2) == 0.0
    assert one(reciprocal_rank, [5], [5], 2) == 1.0


def test_the_hit_rate_asks_for_one_hit_only():
    assert one(hit_rate, [9, 3, 5], [3, 5], 3) == 1.0
    assert one(hit_rate, [9, 8, 5], [5], 2) == 0.0


def test_what_a_list_of_k_could_not_hold_counts_only_where_it_is_asked_for():
    ranked, relevant = codes([1, 2, 9]), [codes(1, 2, 3, 4)]
    for metric, reachable, all_of_them in ((recall, 1.0, 2 / 4), (average_precision, 1.0, 2 / 4)):
        assert metric(ranked, relevant, 2)[0] == metric(ranked, relevant, 2, by="reachable")[0] == reachable
        assert metric(ranked, relevant, 2, by="relevant")[0] == all_of_them
    assert average_recall(ranked, relevant, 2)[0] == pytest.approx((1 / 4 + 2 / 4) / 2)
    assert average_recall(ranked, relevant, 2, by="relevant")[0] == pytest.approx((1 / 4 + 2 / 4) / 4)


def test_another_divisor_is_refused_by_name():
    with pytest.raises(DataError, match='divided by \'all\': choose "reachable" or "relevant"'):
        recall(codes([1]), [codes(1)], 1, by="all")
    with pytest.raises(DataError, match='divided by \'all\': choose "k" or "listed"'):
        precision(codes([1]), [codes(1)], 1, by="all")


def test_f1_is_the_harmonic_mean_and_zero_where_both_are_zero():
    np.testing.assert_allclose(f1([0.5, 0.0, np.nan], [0.25, 0.0, 0.1]), [1 / 3, 0.0, np.nan])


@pytest.mark.parametrize("metric", METRICS)
def test_a_member_without_anything_relevant_has_no_answer(metric):
    answer = metric(codes([1], [1]), [codes(), codes(1)], 1)
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
    assert metric(np.empty((1, 0), dtype=np.int32), [codes(4)], 3).tolist() == [0.0]


@pytest.mark.parametrize("metric", METRICS)
def test_places_beyond_k_do_not_count(metric):
    assert one(metric, [1, 2, 7], [7], 2) == 0.0


def test_all_metrics_at_once_are_each_metric_and_judge_once(monkeypatch):
    rng = np.random.default_rng(3)
    ranked, relevant = rng.integers(-1, 30, (50, 12)), [rng.integers(0, 40, rng.integers(0, 5)) for _ in range(50)]
    alone = {name: metric(ranked, relevant, 10) for name, metric in zip(ranking.METRICS, METRICS, strict=True)}
    asked = []
    monkeypatch.setattr(ranking, "judge", lambda *args: asked.append(args) or judging.judge(*args))
    found = measure(ranked, relevant, 10)
    assert found.keys() == alone.keys()
    for name, figures in alone.items():
        np.testing.assert_array_equal(found[name], figures)
    assert len(asked) == 1
    assert list(measure(ranked, relevant, 10, ["mrr"])) == ["mrr"]


def test_a_metric_that_there_is_not_is_refused_by_name():
    with pytest.raises(DataError, match="there is no list metric 'ndgc': choose among ndcg, recall"):
        measure(codes([1]), [codes(1)], 1, ["ndgc"])


def test_lists_in_small_blocks_have_the_same_average_precision(monkeypatch):
    rng = np.random.default_rng(3)
    ranked, relevant = rng.integers(0, 30, (50, 30)), [rng.integers(0, 40, 4) for _ in range(50)]
    whole = average_precision(ranked, relevant, 30)
    monkeypatch.setattr(ranking, "LISTS", 7)
    np.testing.assert_array_equal(average_precision(ranked, relevant, 30), whole)


@pytest.mark.parametrize("metric", [*METRICS, f1])
def test_every_metric_says_what_it_promises(metric):
    for promise in ("Range:", "Ties:", "Without positives:", "Normalised by:"):
        assert promise in metric.__doc__


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
    from lenskit.metrics.ranking import NDCG, AveragePrecision, Hit, LogRankWeight, Precision, Recall, RecipRank

    rng = np.random.default_rng(7)
    ranked = rng.permuted(np.tile(np.arange(40), (200, 1)), axis=1)[:, :20]
    relevant = [rng.choice(40, size=rng.integers(1, 15), replace=False) for _ in range(200)]
    theirs = {
        ndcg: NDCG(n=k, weight=LogRankWeight(offset=1)),
        recall: Recall(n=k),
        precision: Precision(n=k),
        average_precision: AveragePrecision(n=k),
        reciprocal_rank: RecipRank(n=k),
        hit_rate: Hit(n=k),
    }
    for ours, peer in theirs.items():
        expected = [
            peer.measure_list(ItemList(item_ids=row, ordered=True), ItemList(item_ids=truth))
            for row, truth in zip(ranked, relevant, strict=True)
        ]
        np.testing.assert_allclose(ours(ranked, relevant, k), expected, rtol=0, atol=1e-9)


def test_scikit_learn_answers_the_same_ndcg_where_it_ranks_the_whole_catalogue():
    from sklearn.metrics import ndcg_score

    rng = np.random.default_rng(8)
    score, truth = rng.random((100, 30)), rng.random((100, 30)) < 0.2
    truth[:, 0] = True
    ours = ndcg(np.argsort(-score, axis=1), [np.flatnonzero(row) for row in truth], 10)
    theirs = [ndcg_score(t[None].astype(float), s[None], k=10) for t, s in zip(truth, score, strict=True)]
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_scikit_learn_answers_the_same_average_precision_of_the_whole_catalogue():
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(9)
    score, truth = rng.random((100, 30)), rng.random((100, 30)) < 0.2
    truth[:, 0] = True
    relevant = [np.flatnonzero(row) for row in truth]
    ours = average_precision(np.argsort(-score, axis=1), relevant, 30, by="relevant")
    theirs = [average_precision_score(t, s) for t, s in zip(truth, score, strict=True)]
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)


def test_the_lists_that_the_peers_are_asked_for_have_the_figures_worked_by_hand():
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "evaluation_peers.py"
    peers = runpy.run_path(str(path), run_name="evaluation_peers")
    for case in peers["CASES"]:
        answers = peers["ours"](case)
        assert {name: answers[name] for name in case.by_hand} == pytest.approx(case.by_hand, abs=1e-12), case.name
