"""Features through a real Feast: DuckDB offline, SQLite online, on a lake of three members and three media."""

import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipelines.adapters import feast_client, historical_rows
from pipelines.adapters.feature_store import FeatureStore
from pipelines.core import dataset as datasets
from pipelines.core import days, tables
from pipelines.core.dataset import Dataset, ExtraColumn
from pipelines.core.errors import FeatureError, SettingsError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.features import catalogue, job
from pipelines.training_data import integrity
from pipelines.training_data.assemble import assemble, feature_names

pytestmark = [
    # ibis 12 reads results by a DuckDB call that DuckDB 2 has deprecated.
    pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning"),
]

ZONE = "Asia/Shanghai"
LAST = date(2022, 1, 8)


def at(day, hour=1):
    """A moment of January 2022, UTC: hours below 16 fall on the same day in Shanghai."""
    return datetime(2022, 1, day, hour, tzinfo=UTC)


def events():
    """Each of u1 and u2 is shown both media every day; u1 watches all of m1, late on the sixth."""
    shown, watched = [], []
    for day in range(1, 9):
        for user in ("u1", "u2"):
            for media in ("m1", "m2"):
                name = f"{user}-{media}-{day}"
                keys = {"impression_id": name, "user_id": user, "media_id": media, "available_at": at(day, 3)}
                shown.append(keys | {"shown_at": at(day, 2)})
                if (user, media) == ("u1", "m1"):
                    known = at(8, 3) if day == 6 else at(day, 3)
                    played = {"watch_id": name, "started_at": at(day, 2), "completion": 0.95, "watched_seconds": 57.0}
                    watched.append(keys | played | {"available_at": known})
    return shown, watched


def fill(settings, *columns):
    lake = Lake(settings.lake_path)
    described = Dataset(name="small", source="tables", time_zone=ZONE, columns=columns)
    datasets.write(described, lake.root)
    users = [
        {"user_id": "u1", "available_at": at(1), "age": 30, "country": "AU", "time_zone": "Australia/Sydney"},
        {"user_id": "u2", "available_at": at(1), "language": "en"},
        {"user_id": "u3", "available_at": at(20)},
    ]
    media = [
        {"media_id": "m1", "genres": ["drama"], "duration_seconds": 60.0, "creator": "c", "platform_at": at(1)},
        {"media_id": "m2", "genres": ["drama", "war"], "original_language": "en"},
        {"media_id": "m3", "genres": ["war"], "creator": "c"},
    ]
    lake.publish("users", pa.Table.from_pylist(users, tables.USERS.schema(described.extras("user"))))
    lake.publish("media", pa.Table.from_pylist([m | {"available_at": at(1)} for m in media], tables.MEDIA.schema()))
    for table, rows in zip((tables.IMPRESSIONS, tables.WATCHES), events(), strict=True):
        for day in {days.of(row[table.time], ZONE) for row in rows}:
            here = [row for row in rows if days.of(row[table.time], ZONE) == day]
            lake.publish(table.name, pa.Table.from_pylist(here, table.schema()), day)
    return lake


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    found = Settings(home=tmp_path_factory.mktemp("home"))
    fill(found)
    job.refresh(found, date(2022, 1, 2), LAST)
    return found


@pytest.fixture(scope="module")
def store(settings):
    found = FeatureStore(settings)
    found.apply()
    return found


def asked(*rows, **more):
    frame = pd.DataFrame(rows, columns=["user_id", "media_id", "event_timestamp"])
    return frame.assign(event_timestamp=pd.to_datetime(frame["event_timestamp"], utc=True), **more)


ROWS = asked(
    ("u2", "m2", at(5, 12)),
    ("u1", "m1", at(5, 12)),
    ("u1", "m1", at(5, 12)),
    ("nobody", "m1", at(7)),
    ("u1", "nothing", at(7)),
    ("u1", "m1", at(1, 9)),
    ("u3", "m3", at(7)),
    note=["a", "b", "c", "d", "e", "f", "g"],
    device=["tv", "phone", None, "tv", "tv", "tv", "tv"],
).set_index(pd.Index([9, 3, 3, 7, 1, 0, 2]))


def test_rows_in_are_rows_out_in_their_order_with_their_own_columns(store):
    found = store.historical(ROWS)
    pd.testing.assert_frame_equal(found[ROWS.columns], ROWS)
    names = {f.name for f in catalogue.features(Dataset(name="small", source="tables"))}
    assert names == set(found.columns) - set(ROWS.columns)
    assert (
        found.iloc[1]
        .drop(["note", "device", "context_device"])
        .astype(str)
        .equals(found.iloc[2].drop(["note", "device", "context_device"]).astype(str))
    )


def test_an_unknown_member_an_unknown_media_and_a_moment_before_everything_have_nulls(store):
    found = store.historical(ROWS).set_index("note")
    stored = {f.name: f.entity for f in catalogue.STORED}
    of_user = [name for name, entity in stored.items() if entity == "user"]
    of_media = [name for name, entity in stored.items() if entity == "media"]
    assert found.loc["d", of_user].isna().all()
    assert found.loc["d", "media_impressions"] == 12.0
    assert found.loc["e", of_media].isna().all()
    assert found.loc["f", of_user + of_media].isna().all()
    assert found.loc["g", of_user].isna().all()
    assert found.loc["g", "media_main_genre"] == "war"


def test_a_row_sees_the_days_before_its_own_and_not_what_came_to_be_known_later(store):
    moments = [at(3, 12), at(5, 15), at(5, 16), at(7, 12), at(8, 12), at(9, 12)]
    found = store.historical(asked(*[("u1", "m1", moment) for moment in moments]))
    # 16:00 UTC is midnight in Shanghai. The watch of the sixth came to be known on the eighth.
    assert found["user_watches"].tolist() == [2, 4, 5, 5, 6, 8]
    assert found["media_engaged"].tolist() == [2, 4, 5, 5, 6, 8]
    assert found["media_watches_1d"].tolist() == [1, 1, 1, 0, 1, 2]
    assert [v.tolist() for v in found["user_genre_watched"]] == [[2, 0], [4, 0], [5, 0], [5, 0], [6, 0], [8, 0]]


def test_what_a_member_did_lately_is_known_within_the_day(store):
    # The watch of the fifth came to be known at three: a row of that very moment may be the one that led to it.
    assert [len(v) for v in store.historical(asked(("u1", "m1", at(5, 3))))["user_history"]] == [4]
    just_after = at(5, 3) + timedelta(microseconds=1)
    found = store.historical(asked(("u1", "m1", at(5, 2)), ("u1", "m1", just_after), ("u1", "m2", just_after)))
    assert [len(v) for v in found["user_history"]] == [4, 5, 5]
    assert found["user_recent_watch_at"].tolist() == [at(4, 2).timestamp(), at(5, 2).timestamp(), at(5, 2).timestamp()]
    assert found["cross_recently_watched"].tolist() == [1.0, 1.0, 0.0]
    assert found["cross_recent_genre_share"].tolist() == [1.0, 1.0, 1.0]
    assert found["context_session_watches"].tolist() == [0.0, 0.0, 0.0]
    assert found["context_minutes_since_watch"].tolist() == pytest.approx([24 * 60.0, 60.0, 60.0])


def test_altering_an_event_changes_no_feature_at_or_before_it(store, settings, tmp_path):
    other = Settings(home=tmp_path)
    lake = fill(other)
    kept = [row | {"completion": 0.01} for row in lake.read("watches", date(2022, 1, 5), date(2022, 1, 5)).to_pylist()]
    lake.publish("watches", pa.Table.from_pylist(kept, tables.WATCHES.schema()), date(2022, 1, 5))
    job.refresh(other, date(2022, 1, 2), LAST)
    changed = FeatureStore(other)
    changed.apply()
    # The altered watch came to be known at 3 on the fifth: from then on what the member did lately holds it.
    rows = asked(*[("u1", "m1", moment) for moment in (at(3, 12), at(4, 12), at(5, 2), at(6, 12))])
    before, after = (one.historical(rows).astype(str) for one in (store, changed))
    assert before.iloc[:3].equals(after.iloc[:3])
    assert before.iloc[3]["user_engaged"] != after.iloc[3]["user_engaged"]


def test_context_is_of_the_members_own_zone_and_country(store):
    found = store.historical(asked(("u1", "m1", at(5, 12)), ("u2", "m1", at(5, 12)), device="tv"))
    assert found["context_hour"].tolist() == [23.0, 20.0]
    assert found["context_season"].tolist() == ["summer", None]
    assert found["context_device"].tolist() == ["tv", "tv"]
    assert found["cross_language_match"].isna().all()


def test_feasts_own_on_demand_path_gives_what_training_gets(store):
    rows = ROWS.iloc[[0, 1, 6]].reset_index(drop=True)
    found = store.historical(rows)
    seconds = rows["event_timestamp"].map(datetime.timestamp)
    request = rows.drop(columns="note").assign(requested_at=seconds, zone=ZONE, country=None, surface=None)
    feast = store._store.get_historical_features(
        request.assign(row=range(len(request))),
        [f"{f.view}:{f.name}" for f in catalogue.features(Dataset(name="small", source="tables"))],
        filter_by_created_timestamp=True,
    )
    theirs = feast.to_df().sort_values("row").reset_index(drop=True)
    for f in catalogue.COMPUTED:
        if f.dtype == "float":
            np.testing.assert_allclose(theirs[f.name].astype(float), found[f.name].astype(float), rtol=1e-6)
        else:
            assert [v if isinstance(v, str) else None for v in theirs[f.name]] == found[f.name].tolist()


def test_a_members_online_row_is_the_offline_row_as_of_the_same_time(store):
    end = days.start(date(2022, 1, 6), ZONE)
    store.materialize_through(end)
    offline = store.member_rows(["u1", "u2", "nobody"], end)
    online = store.user_rows(["u1", "u2", "nobody"])
    assert set(online.columns) == set(offline.columns)
    for name in offline.columns.drop("user_id"):
        for left, right in zip(online[name], offline[name], strict=True):
            assert plain(left) == plain(right), name
    assert store.user_row("u1")["user_watches"] == 5.0
    assert set(store.user_row("nobody").values()) == {None}


def plain(value):
    if isinstance(value, np.ndarray):
        return value.tolist()
    return None if isinstance(value, float) and math.isnan(value) else value


def test_materialising_again_brings_what_is_new_since(store, settings):
    store.materialize_through(days.start(date(2022, 1, 6), ZONE))
    job.materialize(settings, LAST)
    assert FeatureStore(settings).user_row("u1")["user_watches"] == 8.0


def test_media_rows_are_as_of_a_time_in_the_given_order(store):
    found = store.media_rows(["m2", "nothing", "m1"], at(5, 12))
    assert found["media_id"].tolist() == ["m2", "nothing", "m1"]
    assert found["media_engaged"].tolist()[::2] == [0.0, 4.0]
    assert found.iloc[1].drop("media_id").isna().all()
    assert list(found["media_genres"].iloc[0]) == [1.0, 1.0]


def test_the_fingerprint_speaks_of_names_and_types(store, tmp_path):
    settings = Settings(home=tmp_path)
    fill(settings)
    same = FeatureStore(settings)
    same.apply()
    assert same.fingerprint() == store.fingerprint()
    fill(settings, ExtraColumn(name="vip", entity="user", type="bool", meaning="pays more"))
    same.apply()
    assert same.fingerprint() != store.fingerprint()


def test_a_missing_column_an_unknown_service_and_no_definitions_are_named(store, tmp_path):
    with pytest.raises(FeatureError, match="lack media_id: they need user_id, media_id, event_timestamp"):
        store.historical(ROWS.drop(columns="media_id"))
    with pytest.raises(FeatureError, match="2 rows for features have no event_timestamp: leave them out"):
        store.historical(ROWS.assign(event_timestamp=[pd.NaT, pd.NaT, *ROWS["event_timestamp"][2:]]))
    with pytest.raises(FeatureError, match="'ranked' is not registered: run FeatureStore"):
        store.historical(ROWS, service="ranked")
    with pytest.raises(FeatureError, match="'ranking' is not registered"):
        FeatureStore(Settings(home=tmp_path)).historical(ROWS)


def test_every_stored_view_says_from_when_its_values_are(store):
    found = store.historical(ROWS, times=True)
    views = {f.view for f in catalogue.STORED}
    assert {f"{view}__at" for view in views} == set(found.columns) - set(store.historical(ROWS).columns)
    for view in views:
        assert str(found[f"{view}__at"].dtype) == "datetime64[us, UTC]"
    assert found["user_recent__at"].tolist()[1:3] == [at(5, 3), at(5, 3)]
    assert found["media_popularity__at"].iloc[1] == days.start(date(2022, 1, 5), ZONE)
    assert found.set_index("note").loc["d", "user_activity__at"] is pd.NaT


def test_a_feature_planted_later_than_its_row_turns_the_report_of_a_training_set_red(store, monkeypatch):
    rows = ROWS.reset_index(drop=True).assign(surface="home", impression_id=list("abcdefg"), weight=1.0, split="fit")
    policy = integrity.IntegrityPolicy()

    def checked():
        found = assemble(rows, store)
        names = feature_names(found, rows)
        assert not [name for name in names if name.endswith("__at")]
        return {check.name: check for check in integrity.check_rows(found, len(rows), names, policy)}

    assert checked()["features later than the label"].reasons == ()
    moments = store._moments
    monkeypatch.setattr(store, "_moments", lambda asked, views: moments(asked + pd.Timedelta(days=1), views))
    late = checked()["features later than the label"]
    assert late.found["user_activity"] == 5  # All but the unknown member and the one who joined on the twentieth.
    assert "5 rows have features of user_activity that are later than the row" in late.reasons


def test_rows_seen_a_few_at_a_time_have_the_same_features_and_share_their_arrays(store, monkeypatch):
    whole = store.historical(ROWS)
    monkeypatch.setattr(historical_rows, "AT_ONCE", 2)
    found = store.historical(ROWS)
    pd.testing.assert_frame_equal(found, whole)
    assert found["user_genre_watched"].iloc[1] is found["user_genre_watched"].iloc[2]


def test_no_rows_give_no_rows_with_every_column(store):
    found = store.historical(ROWS.iloc[:0])
    assert found.shape == (0, store.historical(ROWS).shape[1])


def test_a_redis_url_becomes_feasts_address():
    assert feast_client.redis_address("redis://cache") == "cache:6379"
    assert feast_client.redis_address("rediss://:p@cache:7000/2") == "cache:7000,db=2,password=p,ssl=true"
    with pytest.raises(SettingsError, match="MARQUEE_REDIS_URL is no Redis URL"):
        feast_client.redis_address("cache:6379")
