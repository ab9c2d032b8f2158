"""The world is an exam: neither too easy nor hopeless, on seeds that nothing was tuned on."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.simulation.config import WorldConfig
from pipelines.simulation.exam import Exam, auc, examine, gini
from pipelines.simulation.world import simulate

SIZES = [
    ("normal", 8_101, 400, 28),
    ("hard", 8_102, 400, 28),
    ("normal", 8_103, 300, 42),
    ("hard", 8_104, 1_000, 14),
]


@pytest.fixture(scope="module", params=SIZES, ids=lambda size: "-".join(map(str, size)))
def exam(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exam:
    difficulty, seed, members, days = request.param
    folder: Path = tmp_path_factory.mktemp("exam")
    simulate(WorldConfig(seed=seed, members=members, days=days, difficulty=difficulty), folder)
    return examine(folder)


def test_the_true_probability_itself_does_not_tell_everything(exam: Exam) -> None:
    assert 0.80 <= exam.auc <= 0.90


def test_popularity_is_worth_about_half_of_the_oracle(exam: Exam) -> None:
    assert 0.40 <= exam.popularity <= 0.60
    assert exam.popularity_unseen < exam.popularity


def test_few_impressions_become_watches(exam: Exam) -> None:
    assert 0.03 <= exam.positives <= 0.15


def test_histories_are_short(exam: Exam) -> None:
    assert 2 <= exam.median_history < 30


def test_exposure_is_skewed(exam: Exam) -> None:
    assert 0.6 <= exam.gini <= 0.9


def test_tastes_drift_over_eight_weeks(exam: Exam) -> None:
    assert 0.45 <= exam.drift <= 0.85


def test_auc_counts_the_pairs_in_order() -> None:
    """Of the pairs (0.9 over 0.4, 0.9 over 0.1, 0.2 over 0.4, 0.2 over 0.1) three are in order."""
    assert auc(np.array([True, False, True, False]), np.array([0.9, 0.4, 0.2, 0.1])) == 0.75


def test_gini_is_zero_for_equal_shares_and_near_one_for_a_monopoly() -> None:
    assert gini(np.array([5, 5, 5, 5])) == 0
    assert gini(np.array([0, 0, 0, 8])) == 0.75
