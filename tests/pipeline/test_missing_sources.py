"""A lake of titles and what was shown, and nothing else: features are joined, offline and online, and absent."""

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipelines.adapters.feature_store import FeatureStore
from pipelines.core import dataset as datasets
from pipelines.core import tables
from pipelines.core.dataset import Dataset
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.features import catalogue, job

# Ibis calls DuckDB by the old name of to_arrow_table.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

LAST = date(2022, 1, 4)
MISSING = {"users", "watches", "searches", "sessions", "ratings", "media.distributor", "media.creator", "media.actors"}

NEUTRAL = {"media_trending": 1.0}
"""What a ratio of nothing to nothing is: as many as usual."""


def at(day: int, hour: int = 1) -> datetime:
    return datetime(2022, 1, day, hour, tzinfo=UTC)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    """Four days of one member being shown a title that lasts no time and one of which nothing is known."""
    settings = Settings(home=tmp_path_factory.mktemp("bare"))
    lake = Lake(settings.lake_path)
    datasets.write(Dataset(name="bare", source="tables"), lake.root)
    media = [{"media_id": "m0", "duration_seconds": 0.0, "genres": [], "title": "東京"}, {"media_id": "m1"}]
    known = [{**row, "available_at": at(1)} for row in media]
    lake.publish("media", pa.Table.from_pylist(known, tables.MEDIA.schema()))
    for day in range(1, LAST.day + 1):
        shown = [
            {"impression_id": f"{day}{m}", "user_id": "u", "media_id": m, "shown_at": at(day), "available_at": at(day)}
            for m in ("m0", "m1")
        ]
        lake.publish("impressions", pa.Table.from_pylist(shown, tables.IMPRESSIONS.schema()), date(2022, 1, day))
    job.refresh(settings, date(2022, 1, 1), LAST)
    found = FeatureStore(settings)
    found.apply()
    return found


@pytest.fixture(scope="module")
def rows(store: FeatureStore) -> pd.DataFrame:
    asked = {"user_id": "u", "media_id": ["m0", "m1", "gone"], "event_timestamp": pd.Timestamp(at(4, 5))}
    return store.historical(pd.DataFrame(asked))


def without_source(feature: catalogue.Feature) -> bool:
    return all(column in MISSING or column.split(".")[0] in MISSING for column in feature.source.split(", "))


def test_every_row_comes_back_with_every_feature(rows: pd.DataFrame) -> None:
    assert rows["media_id"].tolist() == ["m0", "m1", "gone"]
    assert {f.name for f in (*catalogue.STORED, *catalogue.COMPUTED)} <= set(rows.columns)


def test_what_a_missing_table_would_have_filled_is_absent_or_nothing_counted(rows: pd.DataFrame) -> None:
    asked = [f for f in catalogue.STORED if without_source(f)]
    assert len(asked) > 20
    for feature in asked:
        held = [value for value in rows[feature.name] if np.ndim(value) == 1 or not pd.isna(value)]
        nothing = [np.ndim(value) == 1 and not np.any(value) for value in held]
        assert all(nothing) or set(held) == {NEUTRAL.get(feature.name, 0.0)}, feature.name


def test_no_number_is_infinite(rows: pd.DataFrame) -> None:
    assert not np.isinf(rows.select_dtypes("number")).any().any()


def test_a_title_that_nobody_knows_has_no_stored_feature(rows: pd.DataFrame) -> None:
    gone = rows[rows["media_id"] == "gone"].iloc[0]
    assert all(np.ndim(gone[f.name]) == 0 and pd.isna(gone[f.name]) for f in catalogue.STORED if f.entity == "media")


def test_the_online_row_of_a_member_without_a_source_is_that_of_a_stranger_in_all_but_what_was_shown(
    store: FeatureStore,
) -> None:
    store.materialize(at(1), at(5))
    member, stranger = store.user_row("u"), store.user_row("nobody")
    told = {name for name, value in member.items() if value is not None}
    sources = {f.name: f.source for f in catalogue.STORED}
    assert all(value is None for value in stranger.values())
    assert told
    assert {name for name in told if member[name] and "impressions." not in sources[name]} == set()
