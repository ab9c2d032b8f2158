"""Item neighbours: what the same members engaged with."""

from datetime import UTC, datetime

import numpy as np
import pytest

from pipelines.candidates import neighbours
from pipelines.candidates.neighbours import Neighbours
from pipelines.core.contracts import History, Interactions

AS_OF = datetime(2026, 1, 10, tzinfo=UTC)
CATALOGUE = np.array(["a", "b", "c", "d", "e"])


def watched(*pairs: str) -> Interactions:
    """``1a`` means that member 1 engaged with a."""
    users, media = np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])
    at = np.full(len(pairs), np.datetime64("2026-01-08", "us"))
    return Interactions(users, media, np.ones(len(pairs), dtype=np.float32), at, CATALOGUE)


TOLD = watched("1a", "1b", "2a", "2b", "3a", "3c", "4c", "4d", "5d", "6e")


def test_the_nearest_are_those_with_most_members_in_common() -> None:
    fitted = Neighbours(shrinkage=0, popularity=0.5).fit(TOLD, as_of=AS_OF, seed=0)
    codes, scores = fitted.candidates([History(("a",), (1.0,))], 5)
    assert CATALOGUE[codes[0][:2]].tolist() == ["b", "c"]
    assert codes[0][2:].tolist() == [-1, -1, -1]
    assert scores[0][:2] == pytest.approx([2 / np.sqrt(3 * 2), 1 / np.sqrt(3 * 2)])


def test_few_members_in_common_are_shrunk() -> None:
    fitted = Neighbours(shrinkage=4, popularity=0.5).fit(TOLD, as_of=AS_OF, seed=0)
    assert fitted.scores([History(("a",), (1.0,))], np.array([[1]]))[0, 0] == pytest.approx(2 / (np.sqrt(6) + 4))


def test_a_title_without_members_in_common_scores_nothing_and_one_without_neighbours_is_not_scored() -> None:
    fitted = Neighbours().fit(TOLD, as_of=AS_OF, seed=0)
    scores = fitted.scores([History(("a",), (1.0,)), History(("e",), (1.0,))], np.array([[3, 4], [0, 1]]))
    assert scores[0, 0] == 0
    assert np.isnan(scores[0, 1])
    assert np.isnan(scores[1]).all()


def test_the_watched_title_that_speaks_most_is_named() -> None:
    fitted = Neighbours().fit(TOLD, as_of=AS_OF, seed=0)
    assert fitted.because(2, History(("a", "e"), (1.0, 1.0))) == "a"
    assert fitted.because(4, History(("a",), (1.0,))) is None


def test_later_watches_count_more() -> None:
    fitted = Neighbours(half_life=1.0, shrinkage=0).fit(watched("1a", "1b", "2c", "2d"), as_of=AS_OF, seed=0)
    for media, first in (("ac", "d"), ("ca", "b")):
        codes, _ = fitted.candidates([History(tuple(media), (1.0, 1.0))], 1)
        assert CATALOGUE[codes[0, 0]] == first


def test_a_large_catalogue_is_answered_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = Neighbours().fit(TOLD, as_of=AS_OF, seed=0)
    asked = [History(("a", "c"), (1.0, 1.0)), History(("e",), (1.0,)), History()]
    every = np.tile(np.arange(-1, 5), (3, 1))
    small = (*fitted.candidates(asked, 4), fitted.scores(asked, every))
    monkeypatch.setattr(neighbours, "DENSE", 0)
    for before, after in zip(small, (*fitted.candidates(asked, 4), fitted.scores(asked, every)), strict=True):
        np.testing.assert_allclose(before, after, rtol=1e-6)
