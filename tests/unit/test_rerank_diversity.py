"""Maximal marginal relevance, max-sum and the determinantal point process, by hand and as they are defined."""

from itertools import permutations

import numpy as np
import pytest
from pydantic import ValidationError

from pipelines.core.errors import DataError
from pipelines.metrics.diversity import intra_list_diversity, unlike_titles
from pipelines.rerank.diversity import DiversityConfig, diversify
from pipelines.rerank.dpp import dpp
from pipelines.rerank.maxsum import maxsum
from pipelines.rerank.mmr import mmr
from pipelines.rerank.similarity import EMBEDDING, GENRES, GROUP, similarity

ALIKE = np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.1], [0.0, 0.1, 1.0]])


def random_case(seed: int, n: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    units = rng.normal(size=(n, 6))
    units /= np.linalg.norm(units, axis=1)[:, None]
    return np.sort(rng.random(n))[::-1], units @ units.T


def test_mmr_by_hand() -> None:
    """At a half, after a: b is worth .8/2 - .9/2 = -.05, c .3/2 - 0 = .15."""
    assert mmr(np.array([1.0, 0.8, 0.3]), ALIKE, 3, 0.5) == [0, 2, 1]
    assert mmr(np.array([1.0, 0.8, 0.3]), ALIKE, 3, 0.3) == [0, 1, 2]  # .56 - .27 = .29 against .21


@pytest.mark.parametrize(
    ("method", "strength", "kept", "liked"), [(mmr, 0.4, 0.6, max), (maxsum, 0.3, 1.0, lambda own, default: sum(own))]
)
def test_greedy_choice_follows_its_definition_title_by_title(method, strength, kept, liked) -> None:
    for seed in range(20):
        relevance, alike = random_case(seed)
        chosen: list[int] = []
        for _ in range(8):
            worth = {
                p: kept * relevance[p] - strength * liked((alike[p, q] for q in chosen), default=0)
                for p in range(12)
                if p not in chosen
            }
            chosen.append(max(worth, key=lambda p: worth[p]))
        assert method(relevance, alike, 8, strength) == chosen


def test_a_dpp_takes_the_title_that_adds_the_most_volume_as_determinants_say() -> None:
    for seed in range(20):
        relevance, alike = random_case(seed)
        chosen: list[int] = []
        for _ in range(5):
            worth = {
                p: 0.6 * relevance[[*chosen, p]].sum()
                + 0.4 * np.linalg.slogdet(alike[np.ix_([*chosen, p], [*chosen, p])])[1]
                for p in range(12)
                if p not in chosen
            }
            chosen.append(max(worth, key=lambda p: worth[p]))
        assert dpp(relevance, alike, 5, 0.4) == chosen


def test_max_sum_by_hand() -> None:
    """After a: b is worth .8 - .5 x .9 = .35, c .3 - 0 = .3; after c: b .35 - .05."""
    assert maxsum(np.array([1.0, 0.8, 0.3]), ALIKE, 3, 0.5) == [0, 1, 2]
    assert maxsum(np.array([1.0, 0.8, 0.3]), ALIKE, 3, 0.6) == [0, 2, 1]  # .8 - .54 = .26 against .3


def test_a_page_of_much_worth_is_diversified_as_little_as_one_of_any_worth_where_the_best_title_is_the_unit() -> None:
    worth, alike = random_case(7)
    config = DiversityConfig(within=4, method="mmr", strength=0.3)
    pages = [diversify(scale * worth, lambda deep: alike[:deep, :deep], config) for scale in (0.01, 1.0, 50.0)]
    assert pages[0] == pages[1] == pages[2]


def test_a_page_of_much_worth_gives_less_of_it_away_where_watches_are_the_unit() -> None:
    """Beside 1, .8 (likeness .9) and .3 (none): at a strength of .6 the second stays where half of it is above .54."""
    worth, config = np.array([1.0, 0.8, 0.3]), DiversityConfig(within=2, method="maxsum", strength=0.6, rate=1.0)

    def page(scale: float, rate: float) -> list[int]:
        told = config.model_copy(update={"rate": rate})
        return diversify(scale * worth, lambda deep: ALIKE[:deep, :deep], told)[:2]

    assert [page(scale, 1.0) for scale in (0.01, 1.0, 1.1, 50.0)] == [[0, 2], [0, 2], [0, 1], [0, 1]]
    assert [page(scale, 10.0) for scale in (10.0, 11.0)] == [[0, 2], [0, 1]]


def test_a_dpp_by_hand() -> None:
    """log det after a: b 1 - .81 = .19 -> -1.66, c 1 -> 0."""
    assert dpp(np.array([1.0, 0.9, 0.5]), ALIKE, 3, 0.5) == [0, 2, 1]


@pytest.mark.parametrize("method", [mmr, dpp, maxsum])
def test_without_strength_the_order_stays(method) -> None:
    relevance, alike = random_case(3)
    assert method(relevance, alike, 12, 0.0) == list(range(12))
    assert method(np.empty(0), np.empty((0, 0)), 10, 0.5) == []


def test_a_dpp_stops_where_titles_add_no_volume_and_the_page_is_filled_with_them_all_the_same() -> None:
    assert dpp(np.array([1.0, 0.9, 0.8]), np.ones((3, 3)), 3, 0.5) == [0]
    config = DiversityConfig(method="dpp", strength=0.5)
    assert diversify(np.array([1.0, 0.9, 0.8]), lambda deep: np.ones((deep, deep)), config) == [0, 1, 2]


def test_only_the_first_places_are_filled_anew_and_only_from_the_depth_asked_for() -> None:
    relevance, alike = random_case(5)
    config = DiversityConfig(within=3, depth=6, method="mmr", strength=0.9)
    found = diversify(relevance, lambda deep: alike[:deep, :deep], config)
    assert found[:3] == sorted(mmr(relevance[:6], alike[:6, :6], 3, 0.9)) != [0, 1, 2]
    assert found[3:] == [place for place in range(12) if place not in found[:3]]


def test_a_method_that_is_none_asks_nothing() -> None:
    relevance, _ = random_case(5)
    assert diversify(relevance, lambda _: 1 / 0, DiversityConfig(method="none")) == list(range(12))  # type: ignore[arg-type, return-value]


def test_settings_that_were_stored_before_there_were_methods_still_load() -> None:
    assert DiversityConfig(most=2, within=5).most == 2
    with pytest.raises(ValidationError, match="method"):
        DiversityConfig(method="magic")  # type: ignore[arg-type]


def test_likeness_is_of_what_is_written_of_the_genres_and_of_who_made_it() -> None:
    written = np.array([[3.0, 0.0], [0.0, 2.0], [4.0, 3.0], [0.0, 0.0]])
    kinds = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    alike = similarity(written, kinds, np.array([0, 1, 0, -1]))
    assert alike[0, 1] == pytest.approx(GENRES)
    assert alike[0, 2] == pytest.approx(EMBEDDING * 0.8 + GROUP)
    assert alike[3].tolist() == [0, 0, 0, 1]
    assert np.linalg.eigvalsh(alike).min() > -1e-12
    nothing = similarity(np.zeros((2, 0)), np.zeros((2, 0)), np.array([-1, -1]))
    assert nothing.tolist() == [[1, 0], [0, 1]]


def test_the_diversity_of_a_list_by_hand() -> None:
    """Pairs of (1, 0), (1, 1), (0, 2): cosines .7071, 0, .7071. A title without a direction has no pairs."""
    vectors = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0], [0.0, 0.0]])
    ranked = np.array([[0, 1, 2], [2, 0, -1], [1, 1, 1], [0, 3, 2], [0, 3, -1]])
    found = intra_list_diversity(ranked, vectors)
    assert found[:4] == pytest.approx([1 - 2 * 0.5**0.5 / 3, 1, 0, 1])
    assert np.isnan(found[4])
    with pytest.raises(DataError, match="code 9"):
        intra_list_diversity(np.array([[9]]), vectors)


def test_the_diversity_of_a_list_does_not_depend_on_its_order() -> None:
    vectors = np.random.default_rng(1).random((4, 3))
    found = intra_list_diversity(np.array(list(permutations(range(4)))), vectors)
    assert found == pytest.approx(np.full(24, found[0]))


def test_how_many_titles_a_list_of_ten_is_worth() -> None:
    """Ten copies of one are worth one, ten wholly unlike ten; five pairs of copies, 9 / 8 of the diversity, five."""
    assert unlike_titles(np.array([0.0, 1.0, 1 - 1 / 9]), 10) == pytest.approx([1, 10, 5])
