from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.core.errors import DataError
from pipelines.sources import movielens


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The CSV layout: two films, one rating."""
    folder = tmp_path / "ml-latest-small"
    folder.mkdir()
    (folder / "movies.csv").write_text(
        'movieId,title,genres\n1,Toy Story (1995),Adventure|Animation\n2,"Babylon 5, the film",(no genres listed)\n'
    )
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,4.5,964982703\n")
    return folder


@pytest.fixture
def million(tmp_path: Path) -> Path:
    """The ``::`` layout in Latin-1, as of MovieLens 1M."""
    folder = tmp_path / "ml-1m"
    folder.mkdir()
    (folder / "movies.dat").write_text("1::Cité: the end (1995)::Drama|War\n", encoding="latin1")
    (folder / "ratings.dat").write_text("1::1::5::978300760\n2::1::3::978300761\n", encoding="latin1")
    (folder / "users.dat").write_text("1::F::1::10::48067\n2::M::56::16::70072\n", encoding="latin1")
    return folder


def rows_of(folder: Path) -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {}
    for table, rows in movielens.read(folder).batches():
        found.setdefault(table.name, []).extend(rows.to_pylist())
    return found


def test_a_rating_becomes_a_ratings_row_and_a_watch_of_unknown_completion(small):
    rows = rows_of(small)

    (rating,), (watch,) = rows["ratings"], rows["watches"]
    at = datetime(2000, 7, 30, 18, 45, 3, tzinfo=UTC)
    assert (rating["rating"], rating["rated_at"]) == (4.5, at)
    assert (watch["user_id"], watch["media_id"], watch["started_at"], watch["available_at"]) == ("1", "1", at, at)
    assert watch["completion"] is None
    assert watch["impression_id"] is None


def test_the_year_leaves_the_title_and_missing_genres_are_null(small):
    toy, babylon = rows_of(small)["media"]

    assert (toy["title"], toy["release_year"], toy["genres"]) == ("Toy Story", 1995, ["Adventure", "Animation"])
    assert (babylon["title"], babylon["release_year"], babylon["genres"]) == ("Babylon 5, the film", None, None)


def test_the_data_set_says_that_ratings_decide_and_that_nobody_logged_impressions(small):
    dataset = movielens.read(small).dataset

    assert (dataset.name, dataset.relevance, dataset.impressions_logged) == ("ml-latest-small", "rating", False)
    assert dataset.time_zone == "UTC"


def test_the_1m_layout_is_read_with_its_members_and_its_alphabet(million):
    rows = rows_of(million)

    assert [m["title"] for m in rows["media"]] == ["Cité: the end"]
    assert [r["rating"] for r in rows["ratings"]] == [5.0, 3.0]
    young, old = rows["users"]
    assert (young["gender"], young["age"], young["occupation"]) == ("F", None, "K-12 student")
    assert (old["gender"], old["age"], old["occupation"], old["zip_code"]) == ("M", 56, "self-employed", "70072")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("ratings.csv", "userId,movieId,rating\n1,1,4\n", "column 'timestamp' is missing"),
        (
            "ratings.csv",
            "userId,movieId,rating,timestamp\n1,1,good,9\n",
            "row 2, column 'rating': invalid value 'good'",
        ),
        ("ratings.csv", "", r"ratings\.csv is empty"),
        ("movies.csv", "movieId,title,genres\n", "has a header and no rows"),
        ("movies.csv", None, r"movies\.csv is missing"),
        ("ratings.csv", None, r"no ratings\.csv or ratings\.dat"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_what_is_wrong(small, name, text, message):
    (small / name).unlink() if text is None else (small / name).write_text(text)

    with pytest.raises(DataError, match=message):
        list(movielens.read(small).batches())


def test_a_misshapen_line_of_the_1m_films_is_named(million):
    (million / "movies.dat").write_text("1::A (1995)::Drama\n2:B:Drama\n", encoding="latin1")

    with pytest.raises(DataError, match="row 2 is not id::title::genres but '2:B:Drama'"):
        list(movielens.read(million).batches())
