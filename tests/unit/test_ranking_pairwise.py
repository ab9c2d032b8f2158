"""Pairs of one member and day, and what they teach."""

import numpy as np
import pytest
from scipy import sparse
from scipy.special import expit

from pipelines.ranking import pairwise
from pipelines.ranking.pairwise import Pairwise, pairs

GRADES = np.array([1.0, 0.0, 0.5, 1.0, 0.0, 1.0])
GROUPS = np.array([[1, 0], [1, 0], [1, 0], [1, 1], [2, 0], [2, 0]])


def test_pairs_are_of_one_member_and_day_the_better_first_and_each_group_counts_as_its_rows() -> None:
    better, worse, weight = pairs(GRADES, GROUPS)
    assert sorted(zip(better.tolist(), worse.tolist(), strict=True)) == [(0, 1), (0, 2), (2, 1), (5, 4)]
    assert sorted(weight.tolist()) == [1.0, 1.0, 1.0, 2.0]


def test_rows_far_apart_in_a_day_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairwise, "FARTHEST", 1)
    better, worse, _ = pairs(GRADES, GROUPS)
    assert sorted(zip(better.tolist(), worse.tolist(), strict=True)) == [(0, 1), (2, 1), (5, 4)]


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_where_nothing_can_be_compared_nothing_is_learnt(rows: int) -> None:
    columns, groups = sparse.csr_matrix(np.ones((rows, 2))), np.zeros((rows, 2), dtype=np.int64)
    assert Pairwise().fit(columns.__getitem__, np.ones(rows), groups, seed=1).tolist() == [0.0, 0.0]


def test_a_part_of_the_pairs_tells_the_same_and_the_same_seed_draws_the_same() -> None:
    rng = np.random.default_rng(0)
    title = rng.normal(size=(4000, 2))
    grade = (rng.random(4000) < expit(title[:, 0] - title[:, 1])).astype(float)
    groups = np.stack([np.arange(4000) // 8, np.zeros(4000, dtype=np.int64)], axis=1)
    columns = sparse.csr_matrix(title)
    whole = Pairwise().fit(columns.__getitem__, grade, groups, seed=1)
    part, again = (Pairwise(most=2000).fit(columns.__getitem__, grade, groups, seed=1) for _ in range(2))
    np.testing.assert_array_equal(part, again)
    np.testing.assert_allclose(whole, [1.0, -1.0], atol=0.2)
    np.testing.assert_allclose(part, whole, atol=0.2)


def test_a_members_rate_that_follows_each_outcome_is_not_turned_against_itself() -> None:
    """Members part in how much they watch, and the rate of the days before tells it; days of one member do not part."""
    rng = np.random.default_rng(1)
    members, days, shown = 400, 12, 4
    taste = rng.normal(scale=1.5, size=(members, 1, 2))
    kind = rng.integers(0, 2, (members, days, shown))
    watched = (rng.random(kind.shape) < expit(np.take_along_axis(taste, kind, axis=2) - 1)).astype(float)
    rate = np.zeros(kind.shape)
    for of in (0, 1):
        seen = np.cumsum((kind == of).sum(axis=2), axis=1) - (kind == of).sum(axis=2)
        liked = np.cumsum(((kind == of) * watched).sum(axis=2), axis=1) - ((kind == of) * watched).sum(axis=2)
        rate = np.where(kind == of, ((liked + 0.5) / (seen + 2))[:, :, None], rate)
    late = slice(2, None)
    member, day = np.indices(kind.shape)[:2]
    columns = sparse.csr_matrix(rate[:, late].reshape(-1, 1))
    of_day = np.stack([part[:, late].ravel() for part in (member, day)], axis=1)
    learnt, across = (
        Pairwise(most=10**6, penalty=10.0).fit(columns.__getitem__, watched[:, late].ravel(), groups, seed=1)[0]
        for groups in (of_day, of_day * [1, 0])
    )
    assert learnt > 1.2 * across > 0
