"""A member's online row, embedded: Feast over SQLite, loaded from the lake, pushed to while the day goes on."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from pipelines.adapters import online_values
from pipelines.adapters.feature_store import FeatureStore
from pipelines.core import dataset as datasets
from pipelines.core import days
from pipelines.core.dataset import Dataset, ExtraColumn
from pipelines.core.errors import FeatureError
from pipelines.core.lake import Lake
from pipelines.core.packing import COLUMNS
from pipelines.core.settings import Settings
from pipelines.features import catalogue, freshness

ZONE = "America/Sao_Paulo"
FIRST = date(2026, 3, 1)
AT = datetime(2026, 3, 2, 8, tzinfo=UTC)
DATASET = Dataset(name="small", source="tables", time_zone=ZONE)


def start(day):
    return days.start(FIRST + timedelta(days=day), ZONE)


@dataclass
class Stage:
    """A lake of snapshots and a store over it."""

    settings: Settings
    lake: Lake
    store: FeatureStore

    def again(self):
        """The store opened anew, as another process would."""
        found = FeatureStore(self.settings)
        found.apply()
        return found


@pytest.fixture
def stage(tmp_path, publish_snapshots):
    """u1 has a row in each daily view, u2 in one of them, nobody has done anything lately."""
    settings = Settings(home=tmp_path)
    lake = Lake(settings.lake_path)
    datasets.write(DATASET, lake.root)
    publish_snapshots(lake, FIRST)
    publish_snapshots(
        lake,
        FIRST,
        user_attributes=[
            {"user_id": "u1", "user_age": 40.0, "user_language": "pt"},
            {"user_id": "u2", "user_age": 7.0},
        ],
        user_activity=[{"user_id": "u1", "user_watches": 3.0, "user_last_genre": "drama"}],
        user_genres=[{"user_id": "u1", "user_genre_watched": [1.0, 2.0], "user_genre_shown": []}],
    )
    store = FeatureStore(settings)
    store.apply()
    return Stage(settings, lake, store)


def recent(user_id, at, **values):
    """A row of user_recent: what is not given is absent."""
    absent = dict.fromkeys(f.name for f in catalogue.STORED if f.view == "user_recent")
    return pd.DataFrame([absent | values | {"user_id": user_id, "event_timestamp": at}])


def known(row):
    return {name: value for name, value in row.items() if value is not None}


def test_a_loaded_row_holds_every_view_and_a_stranger_nothing(stage):
    loaded = stage.store.materialize_through(start(0))
    assert loaded.members == {"user_online": 2, "user_recent": 0}
    assert known(stage.store.user_row("u1")) == {
        "user_age": 40.0,
        "user_language": "pt",
        "user_watches": 3.0,
        "user_last_genre": "drama",
        "user_genre_watched": [1.0, 2.0],
        "user_genre_shown": [],
    }
    assert known(stage.store.user_row("u2")) == {"user_age": 7.0}
    of_members = {f.name for f in catalogue.features(DATASET) if f.view in catalogue.USER_VIEWS}
    assert set(stage.store.user_row("nobody")) == of_members
    assert known(stage.store.user_row("nobody")) == {}
    assert stage.store.user_rows(["nobody", "u2"])["user_age"].tolist()[1] == 7.0


def test_loading_twice_changes_nothing_and_loads_only_what_is_new(stage, publish_snapshots):
    stage.store.materialize_through(start(0))
    before = stage.store.user_rows(["u1", "u2"])
    assert stage.again().loaded_through() == start(0)
    stage.store.materialize_through(start(0))
    pd.testing.assert_frame_equal(stage.store.user_rows(["u1", "u2"]), before)
    grown = [{"user_id": "u2", "user_genre_watched": [0.0, 1.0, 5.0], "user_genre_shown": [1.0]}]
    publish_snapshots(stage.lake, FIRST + timedelta(days=2), user_genres=grown)
    loaded = stage.again().materialize_through(start(2))
    assert loaded.members["user_online"] == 2, "the last day loaded joins in: it may have been redone"
    assert known(stage.store.user_row("u2")) == {
        "user_age": 7.0,
        "user_genre_watched": [0.0, 1.0, 5.0],
        "user_genre_shown": [1.0],
    }
    assert known(stage.store.user_row("u1"))["user_genre_watched"] == [1.0, 2.0]


def test_a_day_that_is_loaded_later_than_its_successors_takes_nothing_back(stage, publish_snapshots):
    later = FIRST + timedelta(days=2)
    publish_snapshots(stage.lake, later, user_activity=[{"user_id": "u1", "user_watches": 9.0}])
    stage.store.materialize_through(start(2))
    again = [{"user_id": "u1", "user_age": 41.0}]
    publish_snapshots(stage.lake, FIRST, user_attributes=again)
    stage.store.materialize(start(0), start(0))
    found = stage.store.user_row("u1")
    assert (found["user_watches"], found["user_age"]) == (9.0, 41.0)
    assert stage.store.loaded_through() == start(2)


def test_what_a_member_did_lately_is_loaded_too_and_never_over_a_newer_push(stage, publish_snapshots):
    at = start(0) + timedelta(hours=5)
    rows = [{"user_id": u, "at": at, "user_history": ["m1"], "user_session_watches": 1.0} for u in ("u1", "u3")]
    publish_snapshots(stage.lake, FIRST, user_recent=rows)
    stage.store.push_recent(recent("u1", at + timedelta(microseconds=1), user_history=["m1", "m2"]))
    assert stage.store.materialize_through(start(1)).members["user_recent"] == 2
    assert stage.store.user_row("u1")["user_history"] == ["m1", "m2"]
    assert known(stage.store.user_row("u3")) == {"user_history": ["m1"], "user_session_watches": 1.0}


def test_new_features_load_everyone_anew_and_old_rows_are_never_misread(stage, publish_snapshots):
    stage.store.materialize_through(start(0))
    vip = ExtraColumn(name="vip", entity="user", type="bool", meaning="pays more")
    datasets.write(DATASET.model_copy(update={"columns": (vip,)}), stage.lake.root)
    changed = stage.again()
    assert known(changed.user_row("u1")) == {}
    assert changed.loaded_through() is None
    publish_snapshots(stage.lake, FIRST, user_attributes=[{"user_id": "u1", "user_vip": 1.0}])
    assert changed.materialize_through(start(0)).members["user_online"] == 1
    assert (changed.user_row("u1")["user_vip"], changed.user_row("u1")["user_watches"]) == (1.0, 3.0)


def test_feasts_own_reader_and_registry_know_what_was_loaded(stage):
    stage.store.materialize_through(start(0))
    feast = stage.store._store
    service = feast.get_feature_service("user_online")
    found = feast.get_online_features(features=service, entity_rows=[{"user_id": "u1"}, {"user_id": "nobody"}])
    answer = found.to_dict()
    rows = stage.store._rows
    values = rows.layout.unpack(*(answer[f"online_{kind}"][0] for kind in ("numbers", "words", "floats")))[0]
    row = stage.store.user_row("u1")
    assert values == {name: row[name] for name in values}
    assert answer["online_numbers"][1] is None
    assert feast.get_feature_view("user_online").materialization_intervals[-1][1] == start(0)


def test_a_row_written_by_feasts_own_writer_is_ours_to_the_last_byte(stage):
    stage.store.materialize_through(start(0))
    rows, feast = stage.store._rows, stage.store._store
    from feast import ValueType
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value
    from feast.type_map import python_values_to_proto_values

    types = (ValueType.DOUBLE_LIST, ValueType.STRING_LIST, ValueType.FLOAT_LIST)
    read = feast.get_online_features([f"user_online:{c}" for c in COLUMNS], [{"user_id": "u1"}]).to_dict()
    values = {c: python_values_to_proto_values(read[c], t)[0] for c, t in zip(COLUMNS, types, strict=True)}
    key = EntityKey(join_keys=["user_id"], entity_values=[Value(string_val="copy")])
    rows.online.online_write_batch(feast.config, rows.packed, [(key, values, start(0), None)], None)
    found = rows.online.rows(feast.config, [rows.packed], online_values.keys("user_id", ["u1", "copy"]))
    assert found[0] == found[1] != [None]


def test_a_pushed_row_is_read_at_once_with_its_arrays_and_nulls(stage):
    row = recent(
        "u1",
        AT,
        user_history=("m1", "m2"),
        user_searches=[],
        user_recent_genres=np.array([1, 2.5], np.float32),
        user_recent_completion=float("nan"),
        user_session_watches=2.0,
    )
    stage.store.push_recent(row)
    found = stage.store.user_row("u1", AT)
    assert (found["user_history"], found["user_searches"]) == (["m1", "m2"], [])
    assert (found["user_recent_genres"], found["user_session_watches"]) == ([1.0, 2.5], 2.0)
    assert found["user_recent_completion"] is found["user_recent_media"] is found["user_recent_watch_at"] is None


@pytest.mark.parametrize("earlier", [timedelta(microseconds=1), timedelta(days=1)])
def test_an_older_push_never_overwrites_a_newer_one(stage, earlier):
    stage.store.push_recent(recent("u", AT, user_history=["new"], user_session_watches=2.0))
    stage.store.push_recent(recent("u", AT - earlier, user_history=["old"], user_recent_completion=0.5))
    found = stage.store.user_row("u")
    assert (found["user_history"], found["user_session_watches"]) == (["new"], 2.0)
    assert found["user_recent_completion"] is None
    stage.store.push_recent(recent("u", AT + earlier, user_history=["newer"]))
    assert stage.store.user_row("u")["user_history"] == ["newer"]


def test_the_newest_of_several_rows_of_one_push_stays(stage):
    rows = [recent("u2", AT + timedelta(seconds=s), user_history=[f"m{s}"]) for s in (1, 3, 2)]
    stage.store.push_recent(pd.concat(rows))
    assert stage.store.user_row("u2")["user_history"] == ["m3"]


def test_no_rows_push_nothing_and_missing_columns_are_named(stage):
    row = recent("u3", AT, user_session_watches=1.0)
    stage.store.push_recent(row.iloc[:0])
    assert stage.store.user_row("u3")["user_session_watches"] is None
    with pytest.raises(FeatureError, match="rows for user_recent_push lack user_history, event_timestamp: they need"):
        stage.store.push_recent(row.drop(columns=["user_history", "event_timestamp"]))


ENDLESS = "user_attributes"


def filled(view):
    """A value for every feature of the view."""
    values = {"float": 1.0, "string": "x", "floats": [1.0], "strings": ["x"]}
    return {f.name: values[f.dtype] for f in catalogue.features(DATASET) if f.view == view}


def of_view(row, view):
    return {f.name: row[f.name] for f in catalogue.features(DATASET) if f.view == view}


@pytest.mark.parametrize("view", [v for v in catalogue.USER_VIEWS if v != "user_recent"])
def test_a_daily_row_older_than_its_views_limit_is_absent_offline_and_online_alike(stage, publish_snapshots, view):
    publish_snapshots(stage.lake, FIRST, **{view: [{"user_id": "u1"} | filled(view)]})
    stage.store.materialize_through(start(0))
    allowed = freshness.limit(view).days or 4000
    for day in (allowed, allowed + 1):
        at = start(day) + timedelta(hours=15)
        online, offline = stage.store.user_row("u1", at), stage.store.member_rows(["u1"], at).iloc[0]
        there = bool(known(of_view(online, view)))
        assert there == bool(offline[list(of_view(online, view))].notna().any()) == (day == allowed or view == ENDLESS)
    assert stage.store.stale.get(view, 0) == (view != ENDLESS)


def test_what_a_member_did_a_quarter_ago_is_not_lately_offline_or_online(stage, publish_snapshots):
    at = start(0) + timedelta(hours=5, microseconds=1)
    publish_snapshots(stage.lake, FIRST, user_recent=[{"user_id": "u1", "at": at, "user_history": ["m1"]}])
    stage.store.materialize_through(start(1))
    last = at + freshness.LATELY + timedelta(microseconds=1)
    for moment, history in ((last, ["m1"]), (last + timedelta(microseconds=1), None)):
        offline = stage.store.member_rows(["u1"], moment)["user_history"][0]
        assert stage.store.user_row("u1", moment)["user_history"] == history
        assert (None if offline is None else list(offline)) == history
    assert stage.store.stale == {"user_recent": 1}
    assert stage.store.user_row("u1")["user_history"] == ["m1"], "without a moment nothing is too old"
