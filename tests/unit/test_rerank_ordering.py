"""How much the generators count beside the ranker: learnt from what was shown by chance, and from nothing else."""

import numpy as np
import pytest
from scipy.special import expit, logit

from pipelines.rerank.ordering import LIKELY, OrderingConfig, learn, log_score

ROWS = 20_000


def drawn(seed: int, worth: float, rows: int = ROWS, decay: float = 0.0, place: np.ndarray | None = None, own=0.0):
    """Rows as ``learn`` takes them, of a log in which the generators' score is worth ``worth`` beside the ranker, and
    their log odds ``own``."""
    rng = np.random.default_rng(seed)
    probability, score = rng.uniform(0.02, 0.4, rows), rng.uniform(0.05, 1.0, rows)
    place = rng.integers(0, 10, rows).astype(float) if place is None else place(score)
    effects = rng.normal(-2.0, 0.7, rows)
    odds = logit(probability) + worth * (np.log(score) + 1) + own * (effects + 2.0) - decay * place
    watched = (rng.random(rows) < expit(odds)).astype(float)
    return probability, score, effects, watched, np.full(rows, 0.02), place


@pytest.mark.parametrize(("worth", "own"), [(0.0, 0.0), (0.6, 0.4), (2.0, 0.0), (0.0, 0.8)])
def test_it_finds_what_the_generators_were_worth(worth: float, own: float) -> None:
    found = learn(*drawn(1, worth, own=own))
    assert found.prior == pytest.approx(worth, abs=0.15)
    assert found.effects == pytest.approx(own, abs=0.1)


def test_log_odds_that_are_unknown_say_nothing() -> None:
    probability, score, effects, *others = drawn(1, 0.6, own=0.4)
    assert learn(probability, score, np.full(ROWS, np.nan), *others).effects == LIKELY[2]
    effects[::5] = np.nan
    assert learn(probability, score, effects, *others).effects == pytest.approx(0.4, abs=0.1)
    config = OrderingConfig(prior=0, effects=1)
    scored = log_score(np.full(3, 0.1), np.ones(3), np.array([1.0, np.nan, 3.0]), config)
    np.testing.assert_allclose(scored - np.log(0.1), [-1, 0, 1])


def test_what_speaks_against_the_generators_leaves_the_ranker_alone() -> None:
    assert learn(*drawn(2, -1.0)).prior == 0


def test_without_rows_or_with_a_few_what_is_likely_stays() -> None:
    likely = OrderingConfig(prior=LIKELY[1], effects=LIKELY[2])
    assert learn(*(np.empty(0) for _ in range(6))) == likely
    few = learn(*drawn(3, 0.0, rows=10))
    assert (few.prior, few.effects) == pytest.approx((likely.prior, likely.effects), abs=0.1)
    probability, score, effects, _, chance, place = drawn(3, 0.0, rows=500)
    for outcome in (0.0, 1.0):
        alike = learn(probability, score, effects, np.full(500, outcome), chance, place)
        assert 0 <= alike.prior <= 5


def test_what_is_seldom_shown_counts_for_what_it_stands_for() -> None:
    often, seldom = drawn(4, 2.0), drawn(5, 0.0, rows=ROWS // 5)
    rows = [np.concatenate(pair) for pair in zip(often, seldom, strict=True)]
    rows[4] = np.repeat([0.5, 0.01], [ROWS, ROWS // 5])
    assert learn(*rows).prior < 0.5
    rows[4] = np.full(len(rows[4]), 0.5)
    assert learn(*rows).prior > 1.2


def test_a_higher_place_is_not_the_generators_doing() -> None:
    def place(score: np.ndarray) -> np.ndarray:
        return np.floor(10 * (1 - score))

    known = drawn(6, 0.0, decay=0.12, place=place)
    assert learn(*known).prior < 0.3
    assert learn(*known[:5], np.full(ROWS, np.nan)).prior > 0.3
