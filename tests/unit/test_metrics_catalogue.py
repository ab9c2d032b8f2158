"""What lists do to the catalogue: worked by hand, then properties, then LensKit's answer."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core.errors import DataError
from pipelines.metrics import classification, diversity, ranking, rating
from pipelines.metrics.catalogue import coverage, exposures, gini, novelty, popularity_bias
from pipelines.metrics.diversity import intra_list_diversity, unlike_titles

LISTS = np.array([[0, 1, 4], [0, -1, -1], [0, -1, 4]])
"""At depth 2 the titles 0 to 4 are shown 3, 1, 0, 0, 0 times."""


def test_exposures_count_the_first_places_and_no_pads():
    assert exposures(LISTS, 5, 2).tolist() == [3, 1, 0, 0, 0]
    assert exposures(LISTS, 5, 3).tolist() == [3, 1, 0, 0, 2]
    assert exposures(np.empty((0, 3), dtype=np.int32), 2).tolist() == [0, 0]


def test_coverage_is_the_share_of_the_catalogue_that_anyone_is_shown():
    assert coverage(LISTS, 5, 2) == 2 / 5
    assert coverage(LISTS, 5, 3) == 3 / 5
    assert coverage(np.empty((0, 3), dtype=np.int32), 5) == 0.0


def test_gini_of_worked_amounts():
    # ascending 0 0 1 3, weights -3 -1 1 3: (1 + 9) / (4 x 4)
    assert gini([3, 1, 0, 0]) == pytest.approx(10 / 16, abs=1e-12)
    assert gini([2, 2, 2]) == 0.0
    assert gini([0, 0, 0, 7]) == pytest.approx(1 - 1 / 4, abs=1e-12)
    assert np.isnan(gini([0, 0]))
    assert np.isnan(gini([]))


def test_popularity_bias_is_the_gini_of_exposures_with_titles_never_shown():
    assert popularity_bias(LISTS, 4 + 1, 2) == pytest.approx(gini([3, 1, 0, 0, 0]))
    assert np.isnan(popularity_bias(np.array([[-1, -1]]), 3))


def test_novelty_is_the_mean_surprise_of_the_filled_places_in_bits():
    # of 8 members 8, 2 and none engaged: 0, 2 and, as if one had, 3 bits
    ranked, engaged = np.array([[0, 1, 2], [1, -1, 2], [-1, -1, -1]]), [8, 2, 0]
    np.testing.assert_allclose(novelty(ranked, engaged, 8, 3), [5 / 3, 5 / 2, np.nan])
    np.testing.assert_allclose(novelty(ranked, engaged, 8, 2), [2 / 2, 2, np.nan])


lists = st.lists(st.lists(st.integers(-1, 9), min_size=4, max_size=4), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(members=lists, k=st.integers(1, 5), seed=st.integers(0, 99))
def test_figures_lie_in_their_range_and_know_no_order_of_members(members, k, seed):
    ranked, engaged = np.array(members), np.random.default_rng(seed).integers(0, 21, 10)
    order = np.random.default_rng(seed).permutation(len(ranked))
    assert 0 <= coverage(ranked, 10, k) <= min(1.0, len(ranked) * k / 10)
    assert coverage(ranked[order], 10, k) == coverage(ranked, 10, k)
    bias = popularity_bias(ranked, 10, k)
    assert np.isnan(bias) or 0 <= bias <= 1 - 1 / 10 + 1e-12
    np.testing.assert_equal(popularity_bias(ranked[order], 10, k), bias)
    bits = novelty(ranked, engaged, 20, k)
    held = bits[~np.isnan(bits)]
    assert ((held >= 0) & (held <= np.log2(20) + 1e-12)).all()
    np.testing.assert_array_equal(novelty(ranked[order], engaged, 20, k), bits[order])


@settings(max_examples=60, deadline=None)
@given(amounts=st.lists(st.integers(0, 1000), min_size=1, max_size=30), scale=st.floats(0.01, 100))
def test_gini_knows_no_scale_and_is_half_the_relative_mean_difference(amounts, scale):
    x = np.array(amounts, dtype=float)
    if x.sum() == 0:
        return
    expected = np.abs(x[:, None] - x[None]).mean() / (2 * x.mean())
    assert gini(x) == pytest.approx(expected, abs=1e-9)
    assert gini(x * scale) == pytest.approx(expected, abs=1e-9)


def test_lenskit_answers_the_same_gini_on_random_lists():
    pytest.importorskip("lenskit", reason="LensKit needs torch: EXTRAS=dev,peers make setup")
    from lenskit.data import ItemList
    from lenskit.metrics import ListGini

    rng = np.random.default_rng(5)
    ranked = np.minimum(rng.permuted(np.tile(np.arange(60), (200, 1)), axis=1), 59)[:, :20]
    ranked[:150] = np.sort(ranked[:150], axis=1)
    peer = ListGini(n=10, items=60)
    told = [peer.compute_list_data(ItemList(item_ids=row, ordered=True), ItemList([])) for row in ranked]
    assert popularity_bias(ranked, 60, 10) == pytest.approx(peer.global_aggregate(told), abs=1e-9)
    assert popularity_bias(ranked, 60, 10) > 0.2


def test_lists_in_small_blocks_have_the_same_diversity(monkeypatch):
    rng = np.random.default_rng(5)
    ranked, vectors = rng.integers(-1, 30, (50, 6)), rng.normal(size=(30, 4))
    whole = intra_list_diversity(ranked, vectors)
    monkeypatch.setattr(diversity, "LISTS", 7)
    np.testing.assert_array_equal(intra_list_diversity(ranked, vectors), whole)
    assert intra_list_diversity(ranked[:0], vectors).shape == (0,)


def test_wrong_input_is_refused_by_name():
    with pytest.raises(DataError, match="ranked holds code 4 of a catalogue of 4"):
        coverage(LISTS, 4, 3)
    with pytest.raises(DataError, match="media is 0"):
        coverage(LISTS, 0)
    with pytest.raises(DataError, match="k is 0"):
        exposures(LISTS, 5, 0)
    with pytest.raises(DataError, match=r"ranked has shape \(2,\)"):
        coverage(np.array([1, 2]), 5)
    with pytest.raises(DataError, match=r"an amount is -1\.0"):
        gini([1, -1])
    with pytest.raises(DataError, match="an amount is nan"):
        gini([1, np.nan])
    with pytest.raises(DataError, match=r"holds counts outside \[0, 2\]"):
        novelty(LISTS, [3, 1, 1, 1, 1], 2)
    with pytest.raises(DataError, match="ranked holds code 4, engaged has 2 counts"):
        novelty(LISTS, [1, 1], 2, 3)


@pytest.mark.parametrize(
    "metric", [coverage, popularity_bias, gini, novelty, intra_list_diversity, unlike_titles], ids=lambda m: m.__name__
)
def test_every_figure_says_what_it_promises(metric):
    for promise in ("Range:", "Ties:", "Without positives:", "Normalised by:"):
        assert promise in metric.__doc__


def test_the_page_of_metrics_names_every_metric():
    page = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    names = {*ranking.METRICS, *classification.STATISTICS, *rating.STATISTICS, "f1", "coverage", "popularity_bias"}
    assert not {name for name in names | {"novelty", "intra_list_diversity"} if f"| `{name}`" not in page}
