"""What features answer to bad input: the rules of docs/features-rules.md, each asked once."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from pipelines.core import dataset as datasets
from pipelines.core import tables
from pipelines.core.dataset import Dataset
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.features import catalogue, job, vocabulary
from pipelines.features.context import context_features
from pipelines.features.cross import cross_features
from pipelines.features.cross_recent import session_features
from pipelines.features.online_row import user_columns
from pipelines.features.pairs import MEDIA_NEEDS, USER_NEEDS, pair_features
from pipelines.features.text import words
from pipelines.ranking.encoding import Encoder

# ibis 12 reads results by a DuckDB call that DuckDB 2 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

AT = np.array(["2022-01-11T00:00"], dtype="datetime64[us]")
STORED = {f.name: f for f in catalogue.STORED}


def at(day: int) -> datetime:
    return datetime(2022, 1, 1, 12, tzinfo=UTC) + timedelta(days=day - 1)


def lake_of(home, media, watches=(), searches=()) -> Settings:
    settings = Settings(home=home)
    lake = Lake(settings.lake_path)
    if not lake.exists("media"):
        datasets.write(Dataset(name="tiny", source="tables", time_zone="UTC"), lake.root)
    known = [{"available_at": at(1), **row} for row in media]
    lake.publish("media", pa.Table.from_pylist(known, tables.MEDIA.schema()))
    for table, rows in ((tables.WATCHES, watches), (tables.SEARCHES, searches)):
        for day in {row[table.time].date() for row in rows}:
            here = [row for row in rows if row[table.time].date() == day]
            lake.publish(table.name, pa.Table.from_pylist(here, table.schema()), day)
    return settings


def watch(number: int, media: str, day: int) -> dict[str, object]:
    keys = {"watch_id": f"w{number}", "user_id": "u", "media_id": media, "completion": 0.9, "watched_seconds": 9.0}
    return keys | {"started_at": at(day), "available_at": at(day)}


def latest(settings: Settings, view: str) -> dict[str, dict]:
    rows = Lake(settings.lake_path).read(job.table_of(view)).to_pylist()
    key = "user_id" if "user_id" in rows[0] else "media_id"
    return {row[key]: row for row in sorted(rows, key=lambda row: row["event_timestamp"])}


def absent(name: str) -> np.ndarray:
    """What a page or a training row holds of a stored feature that nobody has."""
    if STORED[name].dtype == "floats":
        return np.zeros((1, 0), dtype=np.float32)
    value: object = () if STORED[name].dtype == "strings" else None
    found = np.empty(1, dtype=object)
    found[0] = value
    return found


def test_a_member_and_a_title_of_whom_nothing_is_known_cross_to_nan_and_never_fail():
    user, media = ({name: absent(name) for name in needs} for needs in (USER_NEEDS, MEDIA_NEEDS))
    found = pair_features(user, media | {"media_id": np.array(["m"], dtype=object)}, AT)
    crossed = {f.name for f in catalogue.COMPUTED if f.view == catalogue.CROSS}
    assert set(found) == crossed
    assert {name for name, values in found.items() if not np.isnan(values).all()} == {"cross_recently_watched"}
    assert found["cross_recently_watched"].tolist() == [0.0]


def test_a_row_that_the_online_store_never_had_crosses_too():
    user = user_columns({})
    media = {name: absent(name) for name in MEDIA_NEEDS} | {"media_id": np.array(["m"], dtype=object)}
    assert all(len(values) == 1 for values in pair_features(user, media, AT).values())
    assert all(np.isnan(values).all() for values in session_features(user, AT).values())


def test_an_unknown_category_is_nan_to_a_ranker():
    encoder = Encoder(("media_composer",), {"media_composer": ("Iris", "Wen")})
    found = encoder.matrix({"media_composer": np.array(["Wen", "nobody knows", None], dtype=object)})
    np.testing.assert_array_equal(found[:, 0], np.array([1, np.nan, np.nan], dtype=np.float32))


@pytest.mark.parametrize("country", [None, "", "ZZ", "AUS", "br", "Narnia"])
def test_a_member_without_a_country_or_with_a_word_that_is_none_has_no_season_and_no_holiday(country):
    found = context_features(AT, zone="UTC", country=country)
    assert found["context_season"].tolist() == found["context_holiday"].tolist() == [None]
    assert np.isnan(found["context_days_to_holiday"]).all()


def test_a_member_whose_zone_is_no_zone_lives_by_the_data_sets_clock():
    assert context_features(AT, zone="Asia/Tokyo", member_zone="Mars/Olympus")["context_hour"].tolist() == [9.0]


def test_a_title_that_lasts_no_time_at_all_has_a_finite_duration_ratio():
    user = {name: absent(name) for name in USER_NEEDS} | {"user_watched_seconds_mean": np.array([0.0])}
    media = {name: absent(name) for name in MEDIA_NEEDS} | {"media_duration_seconds": np.array([0.0])}
    assert cross_features(user, media, AT)["cross_duration_ratio"].tolist() == [0.0]


def test_an_empty_history_has_zeros_in_its_histograms_and_no_shares(tmp_path):
    settings = lake_of(tmp_path, [{"media_id": "m", "actors": ["A"], "genres": ["war"]}, {"media_id": "bare"}])
    lake = Lake(settings.lake_path)
    lake.publish(
        "watches",
        pa.Table.from_pylist([watch(1, "bare", 2), watch(2, "gone", 2)], tables.WATCHES.schema()),
        date(2022, 1, 2),
    )
    job.refresh(settings, date(2022, 1, 1), date(2022, 1, 3))
    tastes = latest(settings, "user_tastes")["u"]
    assert (tastes["user_actor_watched"], tastes["user_genre_watched_30d"]) == ([0.0], [0.0])
    assert tastes["user_embedding"] == [0.0] * 32
    user = {name: absent(name) for name in USER_NEEDS}
    user |= {name: np.array([tastes[name]], np.float32) for name in user if name in tastes}
    text = latest(settings, "media_text")["m"]
    media = {name: absent(name) for name in MEDIA_NEEDS} | {"media_id": np.array(["m"], dtype=object)}
    media |= {name: np.array([text[name]], np.float32) for name in MEDIA_NEEDS if name in text}
    found = pair_features(user, media, AT)
    assert np.isnan(found["cross_actor_match"]).all()
    assert np.isnan(found["cross_embedding_similarity"]).all()


SCRIPTS = {
    "爱情故事": ["爱情", "情故", "故事"],
    "قصة حب": ["قصة", "حب"],
    "Ame\u0301lie": words("Amélie"),
    "हिन्दी फ़िल्म": words("हिन्दी फ़िल्म"),
    "🎬 !!! —": [],
    "": [],
}


@pytest.mark.parametrize("title", SCRIPTS)
def test_titles_in_any_script_become_words_that_a_search_finds(tmp_path, title):
    query = {"search_id": "q", "user_id": "u", "searched_at": at(3), "available_at": at(3), "query": title.upper()}
    settings = lake_of(tmp_path, [{"media_id": "m", "title": title}], [watch(1, "m", 2)], [query])
    job.refresh(settings, date(2022, 1, 1), date(2022, 1, 4))
    assert words(title) == SCRIPTS[title]
    terms = vocabulary.read(Lake(settings.lake_path), vocabulary.TERMS)
    assert sorted(terms) == sorted(set(SCRIPTS[title]))
    asked = latest(settings, "user_recent")["u"]["user_search_terms"]
    text = latest(settings, "media_text")["m"]
    assert asked == sorted(code for code in text["media_search_terms"] if code)
    user = {name: absent(name) for name in USER_NEEDS} | {"user_search_terms": np.array([asked], np.float32)}
    media = {name: absent(name) for name in MEDIA_NEEDS} | {"media_id": np.array(["m"], dtype=object)}
    media["media_search_terms"] = np.array([text["media_search_terms"]], np.float32)
    found = pair_features(user, media, AT)["cross_search_match"]
    np.testing.assert_array_equal(found, [1.0 if SCRIPTS[title] else np.nan])


def test_a_vocabulary_that_grew_moves_no_code_of_before(tmp_path):
    first = {"media_id": "m1", "title": "Iron Vow", "actors": ["Ada"], "genres": ["war"], "tags": ["navy"]}
    settings = lake_of(tmp_path, [first], [watch(1, "m1", 2)])
    job.refresh(settings, date(2022, 1, 1), date(2022, 1, 3))
    names = [getattr(vocabulary, name) for name in ("GENRES", "TERMS", "ACTORS", "TAGS", "MEDIA")]
    before = {name: vocabulary.read(Lake(settings.lake_path), name) for name in names}
    text, tastes = latest(settings, "media_text")["m1"], latest(settings, "user_tastes")["u"]
    # A title that is older than all and begins with every letter joins behind them.
    older = {"media_id": "a", "title": "Aim", "actors": ["Aaron"], "genres": ["art"], "tags": ["air"]}
    lake_of(tmp_path, [older | {"available_at": at(0)}, first])
    job.refresh(settings, date(2022, 1, 4), date(2022, 1, 4))
    after = {name: vocabulary.read(Lake(settings.lake_path), name) for name in names}
    assert all(
        after[name][: len(values)] == values and len(after[name]) > len(values) for name, values in before.items()
    )
    assert latest(settings, "media_text")["m1"] == text
    job.refresh(settings, date(2022, 1, 3), date(2022, 1, 4))
    again = latest(settings, "user_tastes")["u"]
    assert (tastes["user_actor_watched"], again["user_actor_watched"]) == ([1.0], [1.0, 0.0])


def test_a_view_whose_source_table_is_missing_has_no_rows_and_its_columns(tmp_path):
    settings = lake_of(tmp_path, [{"media_id": "m"}])
    job.refresh(settings, date(2022, 1, 1), date(2022, 1, 2))
    lake = Lake(settings.lake_path)
    for view in ("user_attributes", "user_activity", "user_genres", "user_tastes", "user_recent", "media_audience"):
        found = lake.read(job.table_of(view))
        assert found.num_rows == 0, view
        assert {f.name for f in catalogue.STORED if f.view == view} <= set(found.column_names)
    assert lake.read(job.table_of("media_text")).num_rows == 1


def test_an_event_from_tomorrow_counts_from_its_own_day_however_early_it_was_told(tmp_path):
    tomorrow = watch(2, "m", 4) | {"available_at": at(3)}
    query = {"search_id": "q", "user_id": "u", "query": "war", "searched_at": at(4), "available_at": at(3)}
    settings = lake_of(tmp_path, [{"media_id": "m", "genres": ["war"]}], [watch(1, "m", 2), tomorrow], [query])
    job.refresh(settings, date(2022, 1, 1), date(2022, 1, 6))
    lake = Lake(settings.lake_path)
    for view, name in (("user_activity", "user_watches"), ("media_popularity", "media_watches")):
        rows = {row["event_timestamp"].day: row[name] for row in lake.read(job.table_of(view)).to_pylist()}
        assert {day: rows[day] for day in (3, 5)} == {3: 1.0, 5: 2.0}
        assert rows.get(4, 1.0) == 1.0
    recent = lake.read(job.table_of("user_recent")).to_pylist()
    told = {row["event_timestamp"]: (row["user_recent_media"], row["user_searches"]) for row in recent}
    assert told == {at(2): (["m"], []), at(4): (["m", "m"], ["war"])}
