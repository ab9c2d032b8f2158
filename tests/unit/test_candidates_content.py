"""Content: titles by their metadata, members by what they watched or chose."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipelines.candidates.content import Content, FittedContent
from pipelines.candidates.profiles import ProfileConfig, documents
from pipelines.core.contracts import CHOSEN, History, Interactions

AS_OF = datetime(2026, 1, 20, tzinfo=UTC)
LONG_AGO, YESTERDAY = datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 1, 19, tzinfo=UTC)
SHELF = [
    {"media_id": "heist1", "genres": ["crime"], "director": "Vos", "synopsis": "a vault in the old bank"},
    {"media_id": "heist2", "genres": ["crime"], "director": "Vos", "synopsis": "the vault again"},
    {"media_id": "heist3", "genres": ["crime"], "director": "Roth", "synopsis": "thieves and a train"},
    {"media_id": "love1", "genres": ["romance"], "director": "Lind", "synopsis": "a summer by the sea"},
    {"media_id": "love2", "genres": ["romance", "comedy"], "director": "Lind", "synopsis": "the sea in winter"},
    {"media_id": "blank"},
]
SCHEMA = pa.schema(
    [("media_id", pa.string()), ("genres", pa.list_(pa.string())), ("director", pa.string()), ("synopsis", pa.string())]
)
NEWER = [{"media_id": "heist4", "genres": ["crime"], "director": "Vos", "synopsis": "one last vault"}]


def told(watched: str = "", shelf: list[dict] = SHELF, came: dict[str, datetime] | None = None) -> Interactions:
    """Each of the ``watched`` once by a member of its own, two days ago."""
    media = np.array(watched.split(), dtype=str)
    table = pa.Table.from_pylist(shelf, SCHEMA)
    at = [(came or {}).get(row["media_id"], LONG_AGO) for row in shelf]
    table = table.append_column("platform_at", pa.array(at, pa.timestamp("us", "UTC")))
    users = np.array([f"u{n}" for n in range(len(media))], dtype=str)
    times = np.full(len(media), np.datetime64("2026-01-18", "us"))
    catalogue = np.array([row["media_id"] for row in shelf])
    return Interactions(users, media, np.ones(len(media), dtype=np.float32), times, catalogue, table)


def fitted(watched: str = "", **more: object) -> FittedContent:
    return Content(popularity=more.pop("popularity", 0.0)).fit(told(watched, **more), as_of=AS_OF, seed=3)


def proposed(content: FittedContent, history: History, k: int = 3) -> list[str]:
    codes, _ = content.candidates([history], k)
    return content.catalogue[codes[0][codes[0] >= 0]].tolist()


def watched(*media: str, **context: object) -> History:
    return History(media, (1.0,) * len(media), context)


def test_titles_like_the_watched_one_come_first_though_nobody_watched_them() -> None:
    assert proposed(fitted(), watched("heist1"))[:2] == ["heist2", "heist3"]


def test_a_new_member_is_known_by_the_genres_chosen() -> None:
    assert set(proposed(fitted(), watched(chosen_genres=("romance",)), 2)) == {"love1", "love2"}
    assert proposed(fitted(), watched(chosen_genres=("opera",))) == []
    assert proposed(fitted(), watched()) == []


def test_what_is_chosen_counts_while_little_is_watched() -> None:
    content = fitted()
    few, codes = {CHOSEN: ("romance",)}, np.array([[3, 2]])
    new, old = content.scores([watched("heist1", **few), watched(*["heist1"] * 60, **few)], codes)
    assert new[0] > new[1]
    assert old[0] < old[1]


def test_of_titles_alike_the_more_watched_comes_first() -> None:
    twins = [SHELF[0], *({**SHELF[3], "media_id": f"love{n}"} for n in range(3))]
    content = fitted("love1 love1 heist1", shelf=twins, popularity=0.2)
    assert proposed(content, watched(chosen_genres=("romance",)))[0] == "love1"


def test_a_title_that_came_yesterday_is_worth_what_its_likes_are() -> None:
    twins = [{**SHELF[n], "media_id": f"{SHELF[n]['media_id']}-{copy}"} for n in (0, 3) for copy in range(20)]
    liked = " ".join(f"heist1-{copy}" for copy in range(1, 20)) * 3
    old = fitted(liked, shelf=twins, popularity=0.2)
    new = fitted(liked, shelf=twins, popularity=0.2, came={"heist1-0": YESTERDAY, "love1-0": YESTERDAY})
    assert old.vectors[0, -1] == old.vectors[20, -1] == 0
    assert new.vectors[0, -1] > 3 * new.vectors[20, -1]


def test_a_title_of_which_nothing_is_known_is_neither_proposed_nor_scored() -> None:
    content = fitted()
    assert "blank" not in proposed(content, watched("heist1"), 6)
    assert np.isnan(content.scores([watched("heist1")], np.array([[5, 0]]))[0]).tolist() == [True, False]


def test_the_watched_title_that_is_most_like_the_candidate_is_named() -> None:
    assert fitted().because(1, watched("love1", "heist1", "blank")) == "heist1"
    assert fitted().because(5, watched("heist1")) is None


def test_a_title_newer_than_the_fit_is_encoded_alike_and_joins_behind_the_catalogue(tmp_path: Path) -> None:
    content = fitted("heist2 heist2 love1", popularity=0.2)
    content.save(tmp_path)
    again = FittedContent.load(tmp_path)
    newer = pa.Table.from_pylist(NEWER, SCHEMA)
    np.testing.assert_array_equal(content.encode(newer), again.encode(newer))
    same = pa.Table.from_pylist(SHELF, SCHEMA)
    np.testing.assert_allclose(again.encode(same)[:, :-1], content.vectors[:, :-1], rtol=1e-6)
    wider = again.extended(newer)
    assert wider.catalogue.tolist() == [*(row["media_id"] for row in SHELF), "heist4"]
    assert "heist4" in proposed(wider, watched("heist1"), 2)
    assert set(proposed(wider, watched("heist4"), 2)) == {"heist1", "heist2"}


def test_words_of_a_data_set_s_own_join_and_an_actor_is_not_a_director() -> None:
    table = pa.table({"director": ["Vos"], "actors": [["Vos", "Lind"]], "mood": ["grim"], "year": [1999]})
    found = documents(table)
    assert found["people"] == [["actors=Vos", "actors=Lind", "director=Vos"]]
    assert found["words"] == [["mood=grim"]]


def test_more_directions_than_terms_are_not_made_up() -> None:
    config = Content(profiles=ProfileConfig(dimensions=500))
    content = config.fit(told(), as_of=AS_OF, seed=3)
    assert content.vectors.shape[1] - 1 < 60
    likeness = content.vectors[:5, :-1] @ content.vectors[:5, :-1].T
    assert likeness[0, 1] > likeness[0, 2] > likeness[0, 3]


@pytest.mark.parametrize("dimensions", [2, 64])
def test_a_likeness_is_at_most_that_of_a_title_with_itself(dimensions: int) -> None:
    content = Content(popularity=0, profiles=ProfileConfig(dimensions=dimensions)).fit(told(), as_of=AS_OF, seed=3)
    scores = content.scores([watched("heist1")], np.array([[0, 1, 2, 3, 4]]))[0]
    assert scores[0] == scores.max()
    assert scores[0] <= 2.5
