"""The blend and the generators' serving paths give what whole-catalogue arrays gave, at the cost of what is asked."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.candidates.blend import BlendConfig, blend
from pipelines.candidates.collaborative import FittedALS
from pipelines.candidates.popularity import FittedPopularity
from pipelines.core.contracts import Codes, Floats, History

SIZE = 9
CATALOGUE = np.array([f"m{code}" for code in range(SIZE)])


class Listed:
    """Proposes what it was given."""

    def __init__(self, lists: Codes) -> None:
        self.lists = lists

    def candidates(self, histories: Sequence[History], k: int) -> tuple[Codes, Floats]:
        return self.lists[:, :k], np.zeros_like(self.lists[:, :k], dtype=np.float32)


def whole(lists: dict[str, Codes], n: int, config: BlendConfig, k: int) -> tuple[Codes, Floats, dict[str, Codes]]:
    """The blend by arrays of the whole catalogue, a full sort and no union."""
    fused = np.zeros((n, SIZE), dtype=np.float32)
    rank_of = {name: np.full((n, SIZE), -1, dtype=np.int32) for name in lists}
    for name, codes in lists.items():
        row, rank = np.nonzero(codes[:, :k] >= 0)
        media = codes[row, rank]
        fused[row, media] += config.worth(name, k)[rank]
        rank_of[name][row, media] = rank
    order = np.argsort(-fused, axis=1, kind="stable")[:, :k]
    scores = np.take_along_axis(fused, order, axis=1)
    proposed = scores > 0
    ranks = {name: np.where(proposed, np.take_along_axis(rank, order, axis=1), -1) for name, rank in rank_of.items()}
    return np.where(proposed, order, -1), scores, ranks


@st.composite
def proposals(draw: st.DrawFn) -> tuple[int, dict[str, Codes]]:
    """Some members' lists by up to three generators, distinct codes with -1 behind them."""
    n = draw(st.integers(0, 3))
    lists = {}
    for name in ("a", "b", "c")[: draw(st.integers(1, 3))]:
        rows = [draw(st.lists(st.integers(0, SIZE - 1), unique=True)) for _ in range(n)]
        lists[name] = np.array([row + [-1] * (SIZE - len(row)) for row in rows], dtype=np.int32).reshape(n, SIZE)
    return n, lists


@settings(deadline=None)
@given(proposals(), st.integers(1, SIZE + 2), st.sampled_from([{}, {"a": 0.1}, {"a": 0.5, "c": 2.0}]))
def test_a_blend_is_that_of_whole_catalogue_arrays(
    asked: tuple[int, dict[str, Codes]], candidates: int, weights: dict[str, float]
) -> None:
    n, lists = asked
    config = BlendConfig(candidates=candidates, weights=weights)
    found = blend({name: Listed(own) for name, own in lists.items()}, [History()] * n, config, SIZE)
    codes, scores, ranks = whole(lists, n, config, min(candidates, SIZE))
    np.testing.assert_array_equal(found.codes, codes)
    np.testing.assert_array_equal(found.scores, scores)
    assert found.codes.dtype == np.int32
    for name in lists:
        np.testing.assert_array_equal(found.ranks[name], ranks[name])


def test_a_blend_of_a_large_catalogue_is_that_of_a_small_one() -> None:
    lists = {"a": np.array([[5, 2, 7]], dtype=np.int32), "b": np.array([[2, 8, -1]], dtype=np.int32)}
    generators = {name: Listed(own) for name, own in lists.items()}
    small, large = (blend(generators, [History()], BlendConfig(candidates=3), size) for size in (9, 1_000_000))
    np.testing.assert_array_equal(small.codes, large.codes)
    np.testing.assert_array_equal(small.ranks["b"], large.ranks["b"])


histories = st.lists(st.lists(st.sampled_from([*CATALOGUE.tolist(), "gone"]), unique=True), max_size=4)


@settings(deadline=None)
@given(histories, st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=SIZE, max_size=SIZE), st.integers(1, SIZE + 2))
def test_popularity_walks_past_the_history_as_if_it_had_scored_everything(
    watched: list[list[str]], score: list[float], k: int
) -> None:
    fitted = FittedPopularity(CATALOGUE, np.array(score, dtype=np.float32))
    codes, scores = fitted.candidates([History(tuple(own), (1.0,) * len(own)) for own in watched], k)
    for own, found, values in zip(watched, codes.tolist(), scores.tolist(), strict=True):
        held = sorted((-s, code) for code, s in enumerate(score) if s > 0 and CATALOGUE[code] not in own)[:k]
        assert found == [code for _, code in held] + [-1] * (k - len(held))
        assert values == [-s for s, _ in held] + [-np.inf] * (k - len(held))


@settings(deadline=None)
@given(histories, st.integers(0, 10_000), st.integers(1, SIZE + 2))
def test_collaborative_ranks_the_product_of_all_factors(watched: list[list[str]], seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((SIZE, 3), dtype=np.float32)
    factors[rng.random(SIZE) < 0.3] = 0
    fitted = FittedALS(CATALOGUE, factors, 10.0, 0.05)
    asked = [History(tuple(own), (1.0,) * len(own)) for own in watched]
    codes, scores = fitted.candidates(asked, k)
    product = fitted.member_factors(asked) @ factors.T
    for row, own in enumerate(watched):
        known = {int(media[1:]) for media in own if media != "gone"}
        speaks = factors[sorted(known)].any()
        able = {code for code in range(SIZE) if factors[code].any() and code not in known} if speaks else set()
        held = codes[row] >= 0
        assert len(codes[row][held]) == min(k, len(able))
        assert set(codes[row][held].tolist()) <= able
        np.testing.assert_allclose(scores[row][held], product[row][codes[row][held]], rtol=1e-4, atol=1e-5)
        worst = scores[row][held].min(initial=np.inf)
        assert all(product[row, code] <= worst + 1e-4 for code in able - set(codes[row].tolist()))


def test_a_history_of_titles_that_were_never_fitted_gets_nothing_from_collaborative() -> None:
    factors = np.zeros((SIZE, 3), dtype=np.float32)
    factors[1:] = 1
    codes, scores = FittedALS(CATALOGUE, factors, 10.0, 0.05).candidates([History(("m0",), (1.0,))], 4)
    assert (codes == -1).all()
    assert np.isneginf(scores).all()


@pytest.mark.parametrize("members", [1, 7])
def test_members_asked_in_parts_are_answered_as_if_asked_together(
    members: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    factors = np.arange(SIZE * 2, dtype=np.float32).reshape(SIZE, 2) % 5
    fitted = FittedALS(CATALOGUE, factors, 10.0, 0.05)
    asked = [History((f"m{row}",), (1.0,)) for row in range(members)]
    together = fitted.candidates(asked, 4)
    monkeypatch.setattr("pipelines.candidates.retrieval.CELLS", 2 * SIZE)
    for one, other in zip(together, fitted.candidates(asked, 4), strict=True):
        np.testing.assert_allclose(one, other)
