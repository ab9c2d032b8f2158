"""Lists weighed by inverse propensities: by hand, against a truth that a log hides, and what is refused."""

import numpy as np
import pytest

from pipelines.core.errors import DataError
from pipelines.metrics.propensity import Drawn, ips_dcg, skewed_mean
from pipelines.metrics.ranking import ndcg

TITLES, MEMBERS, SLOTS, K = 30, 400, 20, 5
DISCOUNT = 1 / np.log2(np.arange(2, K + 2))
GENERATOR = np.random.default_rng(1)
FAME = GENERATOR.permutation(np.linspace(-2.5, 2.5, TITLES))
CHANCE = np.clip(0.35 - 0.08 * FAME + 0.05 * GENERATOR.normal(size=TITLES), 0.02, 0.9)
"""How probable titles are to be watched once shown: what is famous, and so mostly shown, is liked least."""
SHOWN = np.exp(FAME) / np.exp(FAME).sum()
POPULAR, LIKED = np.argsort(-FAME)[:K], np.argsort(-CHANCE)[:K]


def of(member, code, reward, propensity, titles=TITLES) -> Drawn:
    columns = (np.array(member), np.array(code), np.array(reward, dtype=float), np.array(propensity, dtype=float))
    return Drawn(*columns, titles)


def log(seed: int) -> Drawn:
    rng = np.random.default_rng(seed)
    code = rng.choice(TITLES, MEMBERS * SLOTS, p=SHOWN)
    reward = rng.random(len(code)) < CHANCE[code]
    return of(np.repeat(np.arange(MEMBERS), SLOTS), code, reward, SHOWN[code], titles=10_000)


def everyone(page: np.ndarray) -> np.ndarray:
    return np.tile(page, (MEMBERS, 1))


def test_by_hand():
    slots = of([0, 0, 0, 1], [5, 7, 9, 5], [1, 1, 0, 1], [0.5, 0.25, 0.1, 0.5])
    ranked = np.array([[7, 5, -1], [1, 2, 3], [5, 7, 9]])
    expected = (4 / np.log2(2) + 2 / np.log2(3)) / 3
    np.testing.assert_allclose(ips_dcg(ranked, slots, 3), [expected, 0.0, np.nan])
    np.testing.assert_allclose(ips_dcg(ranked, slots, 1), [4 / 3, 0.0, np.nan])


def test_no_slot_counts_for_more_than_one_that_was_drawn_evenly():
    rare = of([0], [5], [1], [1e-6], titles=50)
    np.testing.assert_allclose(ips_dcg(np.array([[5]]), rare, 1), [50.0])


def test_a_title_counts_at_its_first_place_and_pads_are_no_titles():
    slots = of([0, 0], [5, 6], [1, 1], [1.0, 1.0])
    np.testing.assert_allclose(ips_dcg(np.array([[5, 5, -1]]), slots, 3), [0.5])
    outside = of([0], [-1], [1], [1.0])
    np.testing.assert_allclose(ips_dcg(np.array([[5, -1, -1]]), outside, 3), [0.0])
    np.testing.assert_allclose(ips_dcg(np.empty((1, 0), dtype=int), slots, 3), [0.0])


@pytest.mark.parametrize("page", [POPULAR, LIKED], ids=["popular", "liked"])
def test_it_estimates_what_a_page_would_have_earned(page):
    found = [ips_dcg(everyone(page), log(seed), K).mean() for seed in range(40)]
    assert np.mean(found) == pytest.approx(CHANCE[page] @ DISCOUNT, rel=0.03)


def test_it_sees_the_better_page_where_ndcg_of_the_log_sees_the_one_that_made_it():
    slots = log(3)
    watched = [np.unique(slots.code[(slots.member == m) & (slots.reward > 0)]) for m in range(MEMBERS)]
    logged = [np.nanmean(ndcg(everyone(page), watched, K)) for page in (POPULAR, LIKED)]
    weighed = ips_dcg(everyone(LIKED), slots, K) - ips_dcg(everyone(POPULAR), slots, K)
    assert logged[0] > logged[1] + 0.1
    assert skewed_mean(weighed).low > 0


def test_its_interval_holds_the_truth_as_often_as_it_says():
    truth, held = (CHANCE[LIKED] - CHANCE[POPULAR]) @ DISCOUNT, 0
    for seed in range(300):
        slots = log(1000 + seed)
        gain = skewed_mean(ips_dcg(everyone(LIKED), slots, K) - ips_dcg(everyone(POPULAR), slots, K))
        held += gain.low <= truth <= gain.high
    assert 0.92 <= held / 300 <= 0.98


def test_a_member_without_slots_is_left_out_of_the_mean():
    assert skewed_mean(np.array([1.0, np.nan, 3.0, 2.0])).value == 2.0
    assert np.isnan(skewed_mean(np.array([np.nan])).low)


@pytest.mark.parametrize("propensity", [0.0, -0.1, 1.1, np.nan])
def test_what_is_no_probability_is_refused(propensity):
    with pytest.raises(DataError, match=r"drawn with propensity .*: give probabilities above 0, 1 at the most"):
        of([0], [1], [1], [propensity])


def test_wrong_input_is_refused_by_name():
    with pytest.raises(DataError, match="columns of different lengths"):
        of([0, 1], [1], [1], [0.5])
    with pytest.raises(DataError, match="drawn from 0 titles"):
        of([0], [1], [1], [0.5], titles=0)
    with pytest.raises(DataError, match="a slot is of member 2, lists are 1"):
        ips_dcg(np.array([[1]]), of([2], [1], [1], [0.5]), 1)
    with pytest.raises(DataError, match="k is 0"):
        ips_dcg(np.array([[1]]), of([0], [1], [1], [0.5]), 0)


def test_it_says_what_it_promises():
    for promise in ("Range:", "Ties:", "Without positives:", "Normalised by:"):
        assert promise in (ips_dcg.__doc__ or "")
