"""The published methods that the blend is held against, on a checkerboard whose answer is known."""

import runpy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.core.contracts import Interactions

ROOT = Path(__file__).resolve().parents[2]
AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
USERS, TITLES = 12, 8
SETTINGS = {
    "item-kNN": {"neighbours": 4, "shrink": 0.0, "power": 0.5},
    "EASE": {"ridge": 1.0},
    "iALS": {"factors": 4, "regularization": 0.1, "alpha": 10.0},
}


@pytest.fixture(scope="module")
def benchmark() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "benchmarks" / "candidate_quality.py"), run_name="candidate_quality")


@pytest.fixture(scope="module")
def question(benchmark: dict[str, Any]) -> Any:
    """Even members watch even titles, each all but one of them, which is wanted; nobody touches the last title."""
    pairs = [(u, m) for u in range(USERS) for m in range(TITLES) if u % 2 == m % 2 and m != missing(u)]
    row, column = (np.array(side) for side in zip(*pairs, strict=True))
    at = np.datetime64(AS_OF.replace(tzinfo=None), "us") - np.timedelta64(1, "D") * (1 + column)
    known = Interactions(
        users=np.array([f"u{u:02}" for u in row]),
        media=np.array([f"m{m}" for m in column]),
        weight=np.ones(len(row)),
        at=at,
        catalogue=np.array([f"m{m}" for m in range(TITLES + 1)]),
    )
    watched = benchmark["matrix"](row, column, USERS, TITLES + 1)
    return benchmark["Question"](known, watched, watched, [np.array([missing(u)]) for u in range(USERS)], AS_OF)


def missing(user: int) -> int:
    """The title of its own colour that a member has not watched yet."""
    return (user % 2) + 2 * (user // 2 % (TITLES // 2))


@pytest.mark.parametrize("name", SETTINGS)
def test_each_peer_finds_the_title_that_was_left_out(benchmark, question, name):
    method, grid = benchmark["METHODS"][name]
    assert set(SETTINGS[name]) == set(grid)
    figures = question.figures(method(question, **SETTINGS[name]))
    assert figures[benchmark["NDCG"]].tolist() == [1.0] * USERS
    assert figures[benchmark["RECALL"]].tolist() == [1.0] * USERS


def test_popularity_forgets_what_is_old_and_shows_nobody_what_they_watched(benchmark, question):
    scores = benchmark["popularity"](question, half_life=1.0)
    assert (np.diff(scores[0][:TITLES]) < 0).all()
    assert scores[0][TITLES] == 0
    figures = question.figures(scores)
    assert 0 < figures[benchmark["NDCG"]].mean() < 1


def test_every_peer_may_try_as_much_as_the_others_and_no_more(benchmark, question):
    for name in benchmark["METHODS"]:
        tuned = benchmark["tune"](name, question, 3, 1000.0)
        assert tuned.trials == 3
        assert set(tuned.chosen) == {benchmark["RECALL"], benchmark["NDCG"]}
        assert benchmark["tune"](name, question, 3, 0.0).trials == 1


def test_the_best_of_the_four_is_named_and_a_loss_is_a_miss(benchmark, capsys):
    figure = benchmark["NDCG"]
    others = {"EASE": {figure: np.full(300, 0.2)}, "popularity": {figure: np.full(300, 0.1)}}
    ahead, behind = np.full(300, 0.25), np.full(300, 0.15)
    assert benchmark["bar"]("page", ahead, others, figure, 200)
    assert not benchmark["bar"]("page", behind, others, figure, 200)
    assert benchmark["bar"]("page", behind[:50], {"EASE": {figure: np.full(50, 0.2)}}, figure, 200)
    lines = [line.split(" | ") for line in capsys.readouterr().out.splitlines()]
    assert [line[-1] for line in lines] == ["met", "MISSED", "no verdict (50 members)"]
    assert all("over EASE, the best of the four" in line[0] for line in lines)
