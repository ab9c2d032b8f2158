"""Feast's own Spark offline store answers as ours does: the same views, the same files, the same moments."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.adapters import feast_client
from pipelines.adapters.feature_store import FeatureStore
from pipelines.core import days
from pipelines.core.lake import DATA, Lake
from pipelines.core.settings import Settings

pytestmark = [
    pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning"),
    # Feast marks the store as one of its younger ones each time it is used.
    pytest.mark.filterwarnings("ignore:The spark .*:RuntimeWarning"),
    pytest.mark.timeout(900),
]

VIEW, COLUMNS = "user_activity", ("user_impressions", "user_engaged_rate", "user_session_seconds")


@pytest.fixture
def questions(settings: Settings) -> pd.DataFrame:
    """Members and moments, some of whom are unknown and some of which lie before everything."""
    lake = Lake(settings.lake_path)
    zone, held = lake.dataset.time_zone, lake.days("watches")
    draw = np.random.default_rng(11)
    users = [*lake.read("users")["user_id"].to_pylist()[:40], "nobody"]
    moments = [
        days.start(day, zone) + timedelta(hours=h) for day in (held[0] - timedelta(days=2), *held) for h in (0, 13)
    ]
    return pd.DataFrame(
        {"user_id": draw.choice(users, 300), "event_timestamp": pd.to_datetime(draw.choice(moments, 300), utc=True)}
    ).drop_duplicates(ignore_index=True)


def spark_store(settings: Settings, folder: Path, **more: Any) -> Any:
    """A Feast that knows one of our views, its files being read by Feast's Spark store. more: of its configuration."""
    feast = feast_client.import_feast()
    from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource
    from feast.types import Float64, String
    from feast.value_type import ValueType

    config = feast.RepoConfig(
        project="peer",
        provider="local",
        registry=str(folder / "registry.db"),
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        offline_store={"type": "spark"},
        entity_key_serialization_version=3,
        **more,
    )
    user = feast.Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING)
    view = feast.FeatureView(
        name=VIEW,
        entities=[user],
        ttl=timedelta(0),
        schema=[feast.Field(name="user_id", dtype=String), *(feast.Field(name=n, dtype=Float64) for n in COLUMNS)],
        source=SparkSource(
            name="rows",
            path=str(Lake(settings.lake_path).root / "features" / VIEW / "day=*" / DATA),
            file_format="parquet",
            timestamp_field="event_timestamp",
            created_timestamp_column="created_timestamp",
        ),
    )
    folder.mkdir(exist_ok=True)
    store = feast.FeatureStore(config=config)
    store.apply([user, view])
    return store


def test_feasts_spark_store_answers_one_view_as_our_store_does(spark, settings, questions, tmp_path):
    peer = spark_store(settings, tmp_path)
    ours = FeatureStore(settings)
    ours.apply()
    asked = tmp_path / "asked.parquet"
    pq.write_table(pa.Table.from_pandas(questions.reset_index(names="place")), asked, coerce_timestamps="us")

    # It takes the questions as SQL: from a data frame it would have to infer types row by row.
    found = peer.get_historical_features(
        f"SELECT * FROM parquet.`{asked}`", [f"{VIEW}:{name}" for name in COLUMNS], filter_by_created_timestamp=True
    ).to_df()
    expected = ours.historical(questions.assign(media_id="m"))

    found = found.sort_values("place").reset_index(drop=True)
    assert found["place"].tolist() == list(range(len(questions)))
    for name in COLUMNS:
        np.testing.assert_array_equal(found[name].astype(float), expected[name].astype(float), err_msg=name)
    assert expected[COLUMNS[0]].isna().any()
    assert expected[COLUMNS[0]].notna().any()


def test_feasts_spark_engine_loads_the_online_rows_that_its_local_engine_loads(spark, settings, tmp_path):
    lake = Lake(settings.lake_path)
    held = lake.days(f"features/{VIEW}")
    begin, end = (days.start(day, lake.dataset.time_zone) for day in (held[0], held[-1] + timedelta(days=1)))
    members = [{"user_id": user} for user in (*lake.read("users")["user_id"].to_pylist(), "nobody")]

    def loaded(name: str, **more: Any) -> dict[str, list[Any]]:
        store = spark_store(settings, tmp_path / name, **more)
        store.materialize(begin - timedelta(days=1), end)
        return store.get_online_features([f"{VIEW}:{column}" for column in COLUMNS], members).to_dict()

    by_spark = loaded("spark", batch_engine={"type": "spark.engine", "partitions": 2})
    assert by_spark == loaded("local")
    assert sum(value is not None for value in by_spark[COLUMNS[0]]) > len(members) / 2
