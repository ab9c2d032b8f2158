"""Trends: by the days, and by who asks, as far as enough watches say so."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from pipelines.candidates.trending import FittedTrending, Trending, words
from pipelines.core.contracts import CHOSEN, History, Interactions

AS_OF = datetime(2026, 1, 20, tzinfo=UTC)
CATALOGUE = np.array(["a", "b", "c", "d"])
FEW = {"prior": 1.0, "cell_prior": 1.0}


def fitted(rows: list[tuple[str, str, str, str]], config: Trending, **members: dict[str, object]) -> FittedTrending:
    """rows: (member, media, day of January, device)."""
    users, media, days, device = (np.array(column) for column in zip(*rows, strict=True))
    at = np.array([f"2026-01-{day}" for day in days.tolist()], dtype="datetime64[us]")
    table = pa.Table.from_pylist([{"user_id": user, **known} for user, known in members.items()]) if members else None
    weight = np.ones(len(rows), dtype=np.float32)
    told = Interactions(users, media, weight, at, CATALOGUE, None, table, device.astype(object))
    return config.fit(told, as_of=AS_OF, seed=0)


def order(trends: FittedTrending, **context: object) -> list[str]:
    codes, _ = trends.candidates([History(context=context)], 4)
    return CATALOGUE[codes[0][codes[0] >= 0]].tolist()


def test_what_was_watched_yesterday_is_before_what_was_watched_more_last_week() -> None:
    rows = [("1", "a", "10", "tv")] * 3 + [("1", "b", "19", "tv")] * 2
    assert order(fitted(rows, Trending(**FEW))) == ["b", "a"]
    assert order(fitted(rows, Trending(half_life_days=100, **FEW))) == ["a", "b"]


def test_members_see_the_trend_of_their_country_and_strangers_the_overall_one() -> None:
    rows = [("nl", "a", "19", "tv")] * 30 + [("be", "b", "19", "tv")] * 40
    trends = fitted(rows, Trending(**FEW), nl={"country": "NL"}, be={"country": "BE"})
    assert order(trends) == order(trends, country="unheard of") == ["b", "a"]
    assert order(trends, country="NL") == ["a", "b"]
    assert order(trends, country="BE") == ["b", "a"]


def test_what_is_watched_on_a_device_comes_first_there() -> None:
    trends = fitted([("1", "a", "19", "tv")] * 30 + [("1", "b", "19", "phone")] * 40, Trending(**FEW))
    assert order(trends, device="tv") == ["a", "b"]


def test_a_cell_with_few_watches_says_little() -> None:
    rows = [("nl", "a", "19", "tv")] * 2 + [("be", "b", "19", "tv")] * 4
    people = {"nl": {"country": "NL"}, "be": {"country": "BE"}}
    assert order(fitted(rows, Trending(cell_prior=1.0), **people), country="NL") == ["a", "b"]
    assert order(fitted(rows, Trending(cell_prior=100.0), **people), country="NL") == ["b", "a"]


def test_the_genres_that_a_new_member_chose_stand_for_members_who_chose_them() -> None:
    rows = [("war", "a", "19", "tv")] * 30 + [("love", "b", "19", "tv")] * 40
    trends = fitted(rows, Trending(**FEW), war={CHOSEN: ["war", "crime"]}, love={CHOSEN: ["romance"]})
    assert order(trends, **{CHOSEN: ("crime", "war")}) == ["a", "b"]


def test_a_member_is_told_apart_by_words() -> None:
    context = {"country": "NL", "device": "tv", "age": 24.9, CHOSEN: ("war",), "gender": None, "language": 3}
    assert list(words(context)) == ["country=NL", "device=tv", "age=1", "chosen_genres=war"]
    assert list(words({"age": float("nan")})) == []
    assert list(words({"age": 17.0})) == ["age=0"]


def test_only_the_most_watched_titles_are_followed() -> None:
    rows = [("1", media, "19", "tv") for media in "aabbbc"]
    trends = fitted(rows, Trending(titles=2, **FEW))
    assert order(trends) == ["b", "a"]
    scores = trends.scores([History()], np.array([[0, 1, 2, 3, -1]]))
    assert np.isnan(scores[0]).tolist() == [False, False, True, True, True]


def test_a_score_is_the_log_of_the_lift_over_the_mean_title() -> None:
    trends = fitted([("1", media, "19", "tv") for media in "aaab"], Trending(**FEW))
    np.testing.assert_allclose(trends.scores([History()], np.array([[0, 1]]))[0], np.log([1.5, 0.5]), rtol=1e-5)
