"""Snapshots worked by hand on a lake of two members and two media, in Asia/Shanghai (UTC+8)."""

import hashlib
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from pipelines.core import dataset as datasets
from pipelines.core import days, tables
from pipelines.core.dataset import Dataset, ExtraColumn
from pipelines.core.errors import DataError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.features import job, vocabulary

# ibis 12 reads results by a DuckDB call that DuckDB 2 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

ZONE = "Asia/Shanghai"
VIP = ExtraColumn(name="vip", entity="user", type="bool", meaning="pays more")


def at(day: int, hour: int = 1) -> datetime:
    """A moment of January 2022, UTC: hours below 16 fall on the same day in Shanghai."""
    return datetime(2022, 1, day, hour, tzinfo=UTC)


def january(day: int) -> date:
    return date(2022, 1, day)


def shown(name: str, user: str, media: str, when: datetime, **more: object) -> dict[str, object]:
    return {"impression_id": name, "user_id": user, "media_id": media, "shown_at": when, "available_at": when, **more}


def watched(name: str, user: str, media: str, when: datetime, completion: float | None, **more: object) -> dict:
    row = {"watch_id": f"w{name}", "impression_id": name, "user_id": user, "media_id": media, "started_at": when}
    return {**row, "available_at": when, "completion": completion, **more}


IMPRESSIONS = [shown("1", "u1", "m1", at(1)), shown("2", "u1", "m2", at(3)), shown("3", "u2", "m1", at(3, 17))]
WATCHES = [watched("1", "u1", "m1", at(1), 0.9, watched_seconds=90.0)]


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path)


def fill(settings, impressions=IMPRESSIONS, watches=WATCHES, ratings=(), **described) -> Lake:
    lake = Lake(settings.lake_path)
    described = {"name": "tiny", "source": "tables", "time_zone": ZONE} | described
    dataset = Dataset(**described)
    datasets.write(dataset, lake.root)
    users = [{"user_id": f"u{n}", "available_at": at(n), "age": 30 * n} for n in (1, 2)]
    media = [
        {"media_id": "m1", "available_at": at(1), "genres": ["drama", "war"], "creator": "c", "duration_seconds": 99.0},
        {"media_id": "m2", "available_at": at(3), "genres": ["comedy"], "creator": "c"},
    ]
    for row in users:
        row |= {c.name: row["user_id"] == "u1" for c in dataset.columns}
    lake.publish("users", pa.Table.from_pylist(users, tables.USERS.schema(dataset.extras("user"))))
    lake.publish("media", pa.Table.from_pylist(media, tables.MEDIA.schema()))
    for table, rows in ((tables.IMPRESSIONS, impressions), (tables.WATCHES, watches), (tables.RATINGS, ratings)):
        for day in {days.of(row[table.time], ZONE) for row in rows}:
            here = [row for row in rows if days.of(row[table.time], ZONE) == day]
            lake.publish(table.name, pa.Table.from_pylist(here, table.schema()), day)
    return lake


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Lake:
    """Days 1 to 12 of the lake above, refreshed once; no test changes it."""
    settings = Settings(home=tmp_path_factory.mktemp("tiny"))
    lake = fill(settings)
    job.refresh(settings, january(1), january(12))
    before = contents(lake)
    yield lake
    assert contents(lake) == before


def snapshot(lake: Lake, view: str, key: str, day: date) -> dict:
    """The latest snapshot of one member or media as of a day: what Feast would answer."""
    rows = lake.read(job.table_of(view), last=day).to_pylist()
    found = [row for row in rows if key in (row.get("user_id"), row.get("media_id"))]
    return max(found, key=lambda row: row["event_timestamp"])


def contents(lake: Lake) -> dict[str, str]:
    files = sorted((lake.root / "features").rglob("*.parquet"))
    return {str(f.relative_to(lake.root)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_a_snapshot_counts_what_happened_before_its_day_began_and_nothing_of_the_day(tiny):
    before, after = (snapshot(tiny, "user_activity", "u1", january(d)) for d in (3, 4))
    assert (before["user_impressions"], before["user_watches"], before["user_engaged"]) == (1, 1, 1)
    assert (after["user_impressions"], after["user_watches"]) == (2, 1)
    assert after["event_timestamp"] == after["created_timestamp"] == days.start(january(4), ZONE)
    assert after["user_completion_mean"] == pytest.approx(0.9)
    assert after["user_watched_seconds_mean"] == 90.0
    assert after["user_last_genre"] == "drama"
    assert after["user_last_watch_at"] == at(1).timestamp()


def test_a_day_is_a_day_of_the_data_sets_zone(tiny):
    first = min(r["event_timestamp"] for r in tiny.read("features/user_activity").to_pylist() if r["user_id"] == "u2")
    assert first == days.start(january(5), ZONE)  # 17:00 UTC of the third is the fourth in Shanghai


def test_seven_days_later_a_snapshot_forgets_and_none_is_written_where_nothing_changes(tiny):
    rows = [r for r in tiny.read("features/user_activity").to_pylist() if r["user_id"] == "u1"]
    found = {days.of(r["event_timestamp"], ZONE).day: r["user_impressions_7d"] for r in rows}
    assert found == {2: 1, 4: 2, 9: 1, 11: 0}


def test_rates_are_smoothed_towards_everyones(tiny):
    found = snapshot(tiny, "media_popularity", "m2", january(4))  # everyone by then: 1 engaged of 2 shown
    assert found["media_engaged_rate"] == pytest.approx((0 + 20 * 0.5) / (1 + 20))
    assert found["media_bounce_rate"] == pytest.approx((1 + 20 * 0.5) / (1 + 20))
    assert found["media_engaged_rate_7d"] == pytest.approx((0 + 20 * found["media_engaged_rate"]) / 21)


def test_a_new_media_has_its_creators_rate_from_its_first_day(tiny):
    found = snapshot(tiny, "media_creator", "m2", january(4))
    assert found == snapshot(tiny, "media_creator", "m1", january(4)) | {"media_id": "m2"}
    assert found["media_creator_rate"] == pytest.approx(0.5)


def test_histograms_have_one_place_a_genre_in_the_order_of_the_vocabulary(tiny):
    assert vocabulary.read(tiny, vocabulary.GENRES) == ("drama", "war", "comedy")
    found = snapshot(tiny, "user_genres", "u1", january(4))
    assert found["user_genre_watched"] == [1, 1, 0]
    assert found["user_genre_shown"] == [1, 1, 1]
    assert snapshot(tiny, "media_profile", "m2", january(4))["media_genres"] == [0, 0, 1]


def test_a_vocabulary_only_grows_at_its_end(settings):
    lake = Lake(settings.lake_path)
    assert vocabulary.grow(lake, vocabulary.GENRES, ["b", "a"]) == ("b", "a")
    assert vocabulary.grow(lake, vocabulary.GENRES, ["c", "a"]) == ("b", "a", "c")
    assert vocabulary.read(lake, vocabulary.GENRES) == ("b", "a", "c")


def test_a_watch_that_became_known_late_is_invisible_until_then(settings):
    late = [watched("1", "u1", "m1", at(1), 0.9) | {"available_at": at(5)}]
    lake = fill(settings, watches=late)
    job.refresh(settings, january(1), january(12))
    assert snapshot(lake, "user_activity", "u1", january(5))["user_watches"] == 0
    assert snapshot(lake, "user_activity", "u1", january(6))["user_watches"] == 1
    assert snapshot(lake, "media_popularity", "m1", january(6))["media_watches_1d"] == 1


def test_altering_what_happens_after_a_moment_changes_no_snapshot_at_it(settings, tmp_path):
    lake = fill(settings)
    job.refresh(settings, january(1), january(12))
    other = Settings(home=tmp_path / "other")
    altered = [*IMPRESSIONS[:2], shown("3", "u1", "m2", at(4, 15)), shown("4", "u2", "m2", at(6))]
    changed = fill(other, altered, [*WATCHES, watched("3", "u1", "m2", at(4, 15), 0.95)])
    job.refresh(other, january(1), january(12))
    before, after = contents(lake), contents(changed)
    early = [name for name in before if name.split("day=")[1] < str(january(5))]
    assert len(early) > 8
    assert {name: before[name] for name in early} == {name: after.get(name) for name in early}
    assert before != after


def test_refreshing_twice_publishes_the_same_files(settings):
    lake = fill(settings)
    job.refresh(settings, january(2), january(12))
    before = contents(lake)
    job.refresh(settings, january(2), january(12))
    job.refresh(settings, january(3), january(4))
    assert contents(lake) == before
    assert lake.watermark("features").through == january(12)


def test_refreshing_day_by_day_publishes_what_refreshing_at_once_does(settings, tmp_path):
    lake = fill(settings)
    job.refresh(settings, january(2), january(12))
    other = Settings(home=tmp_path / "other")
    steps = fill(other)
    for first, last in ((2, 2), (3, 3), (6, 12)):  # the gap between the third and the sixth is closed
        job.refresh(other, january(first), january(last))
    assert contents(steps) == contents(lake)


def test_the_first_day_published_holds_everyone_as_they_stood(settings):
    lake = fill(settings)
    job.refresh(settings, january(5), january(6))
    assert lake.days("features/user_activity")[0] == january(5)
    first = lake.read("features/user_activity", last=january(5)).to_pylist()
    assert {r["user_id"]: r["user_impressions"] for r in first} == {"u1": 2, "u2": 1}
    assert {r["event_timestamp"] for r in first} == {days.start(january(5), ZONE)}


def test_a_view_whose_columns_changed_is_published_anew(settings):
    fill(settings)
    job.refresh(settings, january(2), january(12))
    lake = fill(settings, columns=[VIP])
    job.refresh(settings, january(12), january(12))
    assert snapshot(lake, "user_attributes", "u1", january(12))["user_vip"] == 1.0
    assert snapshot(lake, "user_attributes", "u2", january(12))["user_vip"] == 0.0


def test_history_counts_for_rates_but_cannot_bounce(settings):
    past = [shown("0", "u2", "m1", at(1), policy=tables.HISTORY), shown("1", "u2", "m1", at(1))]
    lake = fill(settings, past, [watched("0", "u2", "m1", at(1), 1.0)])
    job.refresh(settings, january(1), january(2))
    found = snapshot(lake, "user_activity", "u2", january(2))
    assert (found["user_impressions"], found["user_engaged"]) == (2, 1)
    assert found["user_bounce_rate"] == 1.0  # of the one impression that was measured, and of everyone's
    assert found["user_completion_mean"] is None


def test_an_impression_of_the_past_that_becomes_known_later_does_not_take_a_watch_back(settings):
    late = shown("0", "u2", "m1", at(1), policy=tables.HISTORY, available_at=at(4))
    lake = fill(settings, [late], [watched("0", "u2", "m1", at(1), 1.0)])
    job.refresh(settings, january(1), january(5))
    assert [snapshot(lake, "user_activity", "u2", january(day))["user_completion_mean"] for day in (2, 5)] == [1.0, 1.0]


def test_a_data_set_of_ratings_is_engaged_where_the_rating_is_relevant(settings):
    ratings = [
        {"user_id": "u1", "media_id": m, "rated_at": at(1), "available_at": at(1), "rating": r}
        for m, r in (("m1", 4.0), ("m2", 3.5))
    ]
    watches = [watched(m, "u1", m, at(1), None) | {"impression_id": None} for m in ("m1", "m2")]
    lake = fill(settings, [], watches, ratings, relevance="rating", impressions_logged=False)
    job.refresh(settings, january(1), january(2))
    found = snapshot(lake, "user_activity", "u1", january(2))
    assert (found["user_watches"], found["user_engaged"], found["user_impressions"]) == (2, 1, 2)
    assert found["user_engaged_rate"] == 0.5


def test_a_rating_that_becomes_known_later_counts_from_then(settings):
    rating = {"user_id": "u1", "media_id": "m1", "rated_at": at(1), "available_at": at(3), "rating": 5.0}
    watch = watched("0", "u1", "m1", at(1), None) | {"impression_id": None}
    lake = fill(settings, [], [watch], [rating], relevance="rating", impressions_logged=False)
    job.refresh(settings, january(1), january(5))
    before, after = (snapshot(lake, "user_activity", "u1", january(day)) for day in (2, 4))
    assert [(row["user_watches"], row["user_engaged"]) for row in (before, after)] == [(1, 0), (1, 1)]
    stream = lake.read("features/user_recent").sort_by("event_timestamp").to_pylist()
    assert [(row["event_timestamp"], row["user_history"]) for row in stream] == [(at(1), []), (at(3), ["m1"])]


def test_a_lake_without_events_has_every_view_with_its_columns(settings):
    lake = fill(settings, [], [])
    job.refresh(settings, january(1), january(2))
    assert lake.read("features/user_activity").num_rows == 0
    assert "user_engaged_rate" in lake.read("features/user_activity").column_names


def test_days_in_the_wrong_order_and_a_lake_without_media_are_refused(settings):
    with pytest.raises(DataError, match="holds no data set: run `marquee import` first"):
        job.refresh(settings, january(1), january(2))
    datasets.write(Dataset(name="tiny", source="tables"), settings.lake_path)
    with pytest.raises(DataError, match=r"media has no rows .* run `marquee import` first"):
        job.refresh(settings, january(1), january(2))
    with pytest.raises(DataError, match="2022-01-02 to 2022-01-01: the last day lies before the first"):
        job.refresh(settings, january(2), january(1))


def test_a_member_and_a_title_that_changed_keep_what_they_were_on_each_day(settings):
    lake = fill(settings)
    older = [
        {"user_id": "u2", "available_at": at(1), "age": 20},
        {"user_id": "u2", "available_at": at(1, 5), "age": 21},
    ]
    lake.publish(tables.earlier("users"), pa.Table.from_pylist(older, tables.USERS.schema()))
    title = [{"media_id": "m2", "available_at": at(1), "genres": ["war"], "creator": "c"}]
    lake.publish(tables.earlier("media"), pa.Table.from_pylist(title, tables.MEDIA.schema()))

    job.refresh(settings, january(1), january(5))

    ages = lake.read("features/user_attributes").to_pandas().query("user_id == 'u2'")
    genres = lake.read("features/media_profile").to_pandas().query("media_id == 'm2'")
    creators = lake.read("features/media_creator").to_pandas().query("media_id == 'm2'")
    assert [(of.event_timestamp.day, of.user_age) for of in ages.itertuples()] == [(1, 21.0), (2, 60.0)]
    assert [of.media_main_genre for of in genres.itertuples()] == ["war", "comedy"]
    assert creators.event_timestamp.min() == genres.event_timestamp.min()
