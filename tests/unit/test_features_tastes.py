"""Titles as codes and members' tastes, worked by hand on three titles and two members."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from pipelines.core import dataset as datasets
from pipelines.core import days, tables
from pipelines.core.dataset import Dataset
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.features import embedding, job, tastes, titles, views, vocabulary
from pipelines.features.catalogue import features
from pipelines.features.keywords import keywords
from pipelines.features.plan import STAMPS

# ibis 12 reads results by a DuckDB call that DuckDB 2 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

ZONE = "Asia/Shanghai"
M1 = {
    "media_id": "m1",
    "title": "The Cold Heist",
    "original_title": "寒い 強盗",
    "synopsis": "A thief, a vault and a thief",
    "genres": ["crime", "drama"],
    "tags": ["vault job"],
    "actors": ["Ada Park", "Teo Rossi"],
    "director": "Wen Kaya",
    "original_language": "ja",
}
M2 = {"media_id": "m2", "title": "Cold Vow", "genres": ["drama"], "actors": ["Ada Park"], "director": "Iris Novak"}
M2 |= {"original_language": "en", "synopsis": "A vow"}
M3 = {"media_id": "m3"}


def at(day: int, hour: int = 1) -> datetime:
    return datetime(2022, 1, 1, hour, tzinfo=UTC) + timedelta(days=day - 1)


def watch(number: int, user: str, media: str, day: int, completion: float = 0.9) -> dict[str, object]:
    moment = at(day)
    keys = {"watch_id": f"w{number}", "user_id": user, "media_id": media}
    return keys | {"started_at": moment, "available_at": moment, "completion": completion}


WATCHES = [watch(1, "u1", "m1", 2), watch(2, "u1", "m2", 4), watch(3, "u1", "m2", 4, 0.5), watch(4, "u2", "m3", 4)]


def fill(home, watches=WATCHES, media=(M1, M2, M3)) -> Settings:
    settings = Settings(home=home)
    lake = Lake(settings.lake_path)
    datasets.write(Dataset(name="tiny", source="tables", time_zone=ZONE), lake.root)
    known = [row | {"available_at": at(1 + place)} for place, row in enumerate(media)]
    lake.publish("media", pa.Table.from_pylist(known, tables.MEDIA.schema()))
    for day in {days.of(row["started_at"], ZONE) for row in watches}:
        here = [row for row in watches if days.of(row["started_at"], ZONE) == day]
        lake.publish("watches", pa.Table.from_pylist(here, tables.WATCHES.schema()), day)
    return settings


def rows(settings: Settings, view: str) -> list[dict]:
    return Lake(settings.lake_path).read(job.table_of(view)).to_pylist()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Settings:
    settings = fill(tmp_path_factory.mktemp("tiny"))
    job.refresh(settings, date(2022, 1, 1), date(2022, 4, 30))
    return settings


def taste(settings: Settings, user: str, day: date) -> dict:
    moment = days.start(day, ZONE)
    held = [r for r in rows(settings, "user_tastes") if r["user_id"] == user and r["event_timestamp"] <= moment]
    return max(held, key=lambda r: r["event_timestamp"])


def test_a_title_is_codes_of_its_words_people_and_tags(tiny):
    text = {row["media_id"]: row for row in rows(tiny, "media_text")}
    lake = Lake(tiny.lake_path)
    terms = ("", *vocabulary.read(lake, vocabulary.TERMS))

    def said(media: str, column: str) -> list[str]:
        return [terms[int(code)] for code in text[media][column] if code]

    assert said("m1", "media_title_terms") == ["the", "cold", "heist"]
    assert said("m1", "media_original_title_terms") == ["寒い", "強盗"]
    assert said("m2", "media_title_terms") == ["cold", "vow"]
    assert set(said("m1", "media_search_terms")) >= {"heist", "vault", "job", "crime", "drama", "ada", "wen"}
    assert vocabulary.read(lake, vocabulary.ACTORS) == ("Ada Park", "Teo Rossi")
    assert (text["m1"]["media_actors"], text["m2"]["media_actors"]) == ([1, 2], [1])
    assert (text["m1"]["media_directors"], text["m2"]["media_directors"]) == ([1], [2])
    assert text["m1"]["event_timestamp"] == days.start(date(2022, 1, 2), ZONE)


def test_a_title_of_which_nothing_is_written_has_no_codes_and_an_embedding_of_zeros(tiny):
    (bare,) = (row for row in rows(tiny, "media_text") if row["media_id"] == "m3")
    packed = {name: value for name, value in bare.items() if name in (*titles.WIDTHS, "media_embedding")}
    assert packed.pop("media_code") == [3]
    assert packed
    assert not any(any(value) for value in packed.values())


def test_histograms_count_engaged_watches_by_code_as_of_the_day(tiny):
    before, after = taste(tiny, "u1", date(2022, 1, 4)), taste(tiny, "u1", date(2022, 1, 5))
    assert (before["user_actor_watched"], after["user_actor_watched"]) == ([1, 1], [2, 1])
    assert (before["user_director_watched"], after["user_director_watched"]) == ([1, 0], [1, 1])
    assert (before["user_language_watched"], after["user_language_watched"]) == ([1, 0], [1, 1])
    assert not any(taste(tiny, "u2", date(2022, 1, 5))["user_actor_watched"])


def test_keywords_are_counted_at_their_codes_of_the_synopses_words(tiny):
    found, text = taste(tiny, "u1", date(2022, 1, 5)), {row["media_id"]: row for row in rows(tiny, "media_text")}
    counted = np.zeros(len(found["user_keyword_watched"]))
    for media in ("m1", "m2"):
        counted[np.array(text[media]["media_keywords"], int) - 1] += 1
    assert found["user_keyword_watched"] == counted.tolist()
    assert counted.sum() == 6  # "a", "thief", "vault" and "and"; "a" and "vow"


def test_published_columns_are_those_of_the_catalogue_in_its_order(tiny):
    lake = Lake(tiny.lake_path)
    for view, columns in views.columns_of(lake.dataset).items():
        held = tuple(n for n in lake.read(job.table_of(view)).column_names if n not in (*STAMPS, "day"))
        assert held == columns, view
        own = [f.name for f in features(lake.dataset) if f.view == view]
        assert sorted(columns[1 : 1 + len(own)]) == sorted(own), view


def test_an_embedding_is_the_sum_of_what_was_engaged_with(tiny):
    text = {row["media_id"]: np.array(row["media_embedding"]) for row in rows(tiny, "media_text")}
    found = np.array(taste(tiny, "u1", date(2022, 1, 5))["user_embedding"])
    assert found.tolist() == (text["m1"] + text["m2"]).tolist()
    assert np.linalg.norm(text["m1"]) == pytest.approx(1, abs=0.01)


def test_genres_lately_are_forgotten_after_thirty_and_ninety_days(tiny):
    assert vocabulary.read(Lake(tiny.lake_path), vocabulary.GENRES) == ("crime", "drama")
    found = {
        moment: (
            taste(tiny, "u1", moment)["user_genre_watched_30d"],
            taste(tiny, "u1", moment)["user_genre_watched_90d"],
        )
        for moment in (date(2022, 1, 5), date(2022, 2, 1), date(2022, 2, 2), date(2022, 2, 4), date(2022, 4, 5))
    }
    assert found == {
        date(2022, 1, 5): ([1, 2], [1, 2]),
        date(2022, 2, 1): ([1, 2], [1, 2]),  # of January 2 to 31
        date(2022, 2, 2): ([0, 1], [1, 2]),
        date(2022, 2, 4): ([0, 0], [1, 2]),
        date(2022, 4, 5): ([0, 0], [0, 0]),
    }


def test_refreshing_day_by_day_publishes_what_refreshing_at_once_does(tiny, tmp_path):
    steps = fill(tmp_path)
    for first, last in ((date(2022, 1, 1), date(2022, 1, 2)), (date(2022, 1, 4), date(2022, 1, 4))):
        job.refresh(steps, first, last)
    for offset in range(116):
        if offset in (0, 26, 27, 29, 115):  # the days between are closed by the next
            job.refresh(steps, date(2022, 1, 5) + timedelta(days=offset), date(2022, 1, 5) + timedelta(days=offset))
    for view in ("user_tastes", "media_text"):
        assert rows(steps, view) == rows(tiny, view)


def test_a_watch_counts_what_its_title_was_on_that_day():
    versions = pa.table({"media_id": ["m", "m"], "e": [5, 9], **{c: [None, None] for c in titles.COLUMNS}})
    held = titles.Titles(
        versions["media_id"].to_numpy(), versions["e"].to_numpy(), {}, np.zeros((1, 32)), np.zeros(2), {}
    )
    media = np.array(["m", "m", "m", "m", "stranger"], dtype=object)
    assert tastes._version(held, media, np.array([3, 5, 8, 9, 9])).tolist() == [0, 0, 0, 1, -1]


def test_codes_beyond_the_fold_count_at_their_remainder(tmp_path):
    crowd = [M1 | {"media_id": f"m{n:04d}", "actors": [f"actor {n}"]} for n in range(tastes.FOLD + 3)]
    settings = fill(tmp_path, [watch(1, "u1", "m0001", 3), watch(2, "u1", f"m{tastes.FOLD + 1:04d}", 3)], crowd)
    job.refresh(settings, date(2022, 1, 1), date(2022, 6, 1))
    counted = taste(settings, "u1", date(2022, 1, 4))["user_actor_watched"]
    assert len(counted) == tastes.FOLD
    assert {place: count for place, count in enumerate(counted) if count} == {1: 2}


def test_keywords_are_the_words_that_few_synopses_known_by_then_have():
    synopses = [("a", "thief"), ("a", "vow"), ("a", "thief", "thief", "ring"), ("a", "ring")]
    assert keywords([1, 1, 2, 3], synopses) == [("thief", "a"), ("vow", "a"), ("thief", "ring", "a"), ("ring", "a")]
    # What comes on a later day changes no keyword of an earlier one.
    assert keywords([1, 1, 2], synopses[:3]) == keywords([1, 1, 2, 3], synopses)[:3]


def test_titles_that_share_much_point_alike_and_a_direction_never_changes():
    one, near, far, nothing = embedding.embeddings(
        [["genres:crime", "actors:a", "tags:x"], ["genres:crime", "actors:a", "tags:y"], ["genres:war"], []]
    ) / float(embedding.UNITS)
    assert one @ near > 0.4 > abs(one @ far)
    assert not nothing.any()
    assert embedding.direction("genres:crime")[:8].tolist() == [-1, 1, 1, 1, 1, 1, -1, 1]
