"""A member's online row, embedded: Feast over SQLite, pushed to while the day goes on."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from pipelines.adapters.feature_store import FeatureStore
from pipelines.core import dataset as datasets
from pipelines.core.dataset import Dataset
from pipelines.core.errors import FeatureError
from pipelines.core.settings import Settings
from pipelines.features import catalogue

AT = datetime(2026, 3, 1, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    datasets.write(Dataset(name="small", source="tables"), settings.lake_path)
    found = FeatureStore(settings)
    found.apply()
    return found


def recent(user_id, at, **values):
    """A row of user_recent: what is not given is absent."""
    absent = dict.fromkeys(f.name for f in catalogue.STORED if f.view == "user_recent")
    return pd.DataFrame([absent | values | {"user_id": user_id, "event_timestamp": at}])


def test_a_pushed_row_is_read_at_once_with_its_arrays_and_nulls(store):
    row = recent(
        "u1",
        AT,
        user_history=("m1", "m2"),
        user_searches=[],
        user_recent_genres=np.array([1, 2.5], np.float32),
        user_recent_completion=float("nan"),
        user_session_watches=2.0,
    )
    store.push_recent(row)
    found = store.user_row("u1", AT)
    assert (found["user_history"], found["user_searches"]) == (["m1", "m2"], [])
    assert (found["user_recent_genres"], found["user_session_watches"]) == ([1.0, 2.5], 2.0)
    assert found["user_recent_completion"] is found["user_recent_media"] is found["user_recent_watch_at"] is None


@pytest.mark.parametrize("earlier", [timedelta(microseconds=1), timedelta(days=1)])
def test_an_older_push_never_overwrites_a_newer_one(store, earlier):
    user = f"u-{earlier}"
    store.push_recent(recent(user, AT, user_history=["new"], user_session_watches=2.0))
    store.push_recent(recent(user, AT - earlier, user_history=["old"], user_recent_completion=0.5))
    found = store.user_row(user)
    assert (found["user_history"], found["user_session_watches"]) == (["new"], 2.0)
    assert found["user_recent_completion"] is None
    store.push_recent(recent(user, AT + earlier, user_history=["newer"]))
    assert store.user_row(user)["user_history"] == ["newer"]


def test_the_newest_of_several_rows_of_one_push_stays(store):
    rows = [recent("u2", AT + timedelta(seconds=s), user_history=[f"m{s}"]) for s in (1, 3, 2)]
    store.push_recent(pd.concat(rows))
    assert store.user_row("u2")["user_history"] == ["m3"]


def test_no_rows_push_nothing_and_missing_columns_are_named(store):
    row = recent("u3", AT, user_session_watches=1.0)
    store.push_recent(row.iloc[:0])
    assert store.user_row("u3")["user_session_watches"] is None
    with pytest.raises(FeatureError, match="rows for user_recent_push lack user_history, event_timestamp: they need"):
        store.push_recent(row.drop(columns=["user_history", "event_timestamp"]))
