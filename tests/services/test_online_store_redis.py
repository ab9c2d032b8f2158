"""Production's servers, native: Feast's online store on a real Redis, its registry and MLflow on a real PostgreSQL."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pydantic import SecretStr

from pipelines.adapters.event_store import EventStore
from pipelines.adapters.feature_store import FeatureStore
from pipelines.adapters.model_registry import ModelRegistry
from pipelines.core import dataset as datasets
from pipelines.core import release, tables
from pipelines.core.dataset import Dataset
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.features import catalogue
from pipelines.features import job as features

pytestmark = [
    pytest.mark.services,
    # Ibis calls DuckDB by the old name of to_arrow_table.
    pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning"),
    # MLflow 3.17 maps its tables with a loader strategy that SQLAlchemy 2.1 deprecates.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
    # Feast and MLflow keep their connections for the life of the process.
    pytest.mark.filterwarnings("ignore:<psycopg.Connection object:ResourceWarning"),
]

DAY = date(2026, 3, 1)
MORNING = datetime(2026, 3, 1, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, new_database: Callable[[str], str], redis_port: int) -> Settings:
    """Every server by its URL; the lake and MLflow's artefacts in a folder."""
    return Settings(
        home=tmp_path_factory.mktemp("home"),
        event_store_url=SecretStr(new_database("served")),
        feast_registry_url=SecretStr(new_database("feast")),
        mlflow_url=new_database("mlflow"),
        redis_url=SecretStr(f"redis://127.0.0.1:{redis_port}/1"),
    )


def publish(lake: Lake, name: str, rows: list[dict[str, Any]], day: date | None = None) -> None:
    lake.publish(name, pa.Table.from_pylist(rows, schema=tables.TABLES[name].schema()), day)


@pytest.fixture(scope="module")
def served(settings: Settings) -> FeatureStore:
    """u1 speaks English and watched all of a drama on DAY; u2 has done nothing."""
    lake = Lake(settings.lake_path)
    datasets.write(Dataset(name="small", source="tables"), lake.root)
    known = {"available_at": MORNING - timedelta(days=9)}
    publish(lake, "users", [known | {"user_id": "u1", "language": "en", "age": 40}, known | {"user_id": "u2"}])
    publish(lake, "media", [known | {"media_id": "m1", "duration_seconds": 600.0, "genres": ["drama"]}])
    moment = {"user_id": "u1", "media_id": "m1", "available_at": MORNING}
    publish(lake, "impressions", [moment | {"impression_id": "i1", "shown_at": MORNING, "policy": "ranked"}], DAY)
    watch = {"watch_id": "w1", "impression_id": "i1", "started_at": MORNING, "completion": 0.9}
    publish(lake, "watches", [moment | watch | {"watched_seconds": 540.0, "total_seconds": 600.0}], DAY)
    store = FeatureStore(settings)
    store.apply()
    features.refresh(settings, DAY, DAY)
    features.materialize(settings, DAY)
    return store


def test_a_members_features_are_served_from_redis(served: FeatureStore, redis_port: int) -> None:
    import redis

    row = served.user_row("u1")

    assert (row["user_language"], row["user_age"], row["user_last_genre"]) == ("en", 40.0, "drama")
    assert row["user_watched_seconds_mean"] == pytest.approx(540.0)
    with redis.Redis(port=redis_port, db=1) as client:
        assert client.dbsize() == 3, "two members, and the mark that says through when the store is loaded"


def test_a_stranger_has_no_features_in_redis(served: FeatureStore) -> None:
    row = served.user_row("never seen")
    assert set(row) == set(served.user_row("u1"))
    assert set(row.values()) == {None}


def test_the_registry_that_another_process_reads_is_postgresql(settings: Settings, served: FeatureStore) -> None:
    assert FeatureStore(settings).fingerprint() == served.fingerprint()
    assert not list((settings.root / "feast").glob("registry.db"))


def test_a_release_lives_in_mlflow_on_postgresql(settings: Settings, tmp_path: Path) -> None:
    staged = tmp_path / "staged"
    staged.mkdir()
    (staged / "ranker.json").write_text("{}", encoding="utf-8")
    manifest = release.write(
        staged,
        generators=("popularity",),
        ranker="logistic",
        feature_service="ranking",
        feature_fingerprint="f",
        dataset="small",
        time_zone="UTC",
        watermark=DAY,
        trained_from=DAY,
        seed=1,
        settings={},
        metrics={},
        git_commit="c",
        lock_hash="l",
    )
    registry = ModelRegistry(settings)
    assert registry.champion() is None

    version = registry.register(staged, manifest, {"page.ndcg@10": 0.25})
    registry.set_alias("champion", version)

    assert registry.champion() == (version, manifest.release_id)
    assert release.verify(registry.download(version, tmp_path)) == manifest


def test_the_event_store_takes_the_same_settings(settings: Settings) -> None:
    with EventStore(settings.event_store_address) as store:
        store.migrate()
        row = {"search_id": "s1", "user_id": "u1", "searched_at": MORNING, "available_at": MORNING, "query": "heist"}
        assert [store.record("searches", [row]) for _ in range(2)] == [1, 0]
        assert store.read("searches", MORNING, MORNING + timedelta(hours=1)).num_rows == 1


def test_what_is_pushed_to_redis_gives_way_to_newer_rows_only(served: FeatureStore) -> None:
    absent = dict.fromkeys(f.name for f in catalogue.STORED if f.view == "user_recent")
    for after, history in ((5, ["new"]), (4, ["old"])):
        at = MORNING + timedelta(days=2, microseconds=after)
        row = absent | {
            "user_id": "pushed",
            "event_timestamp": at,
            "user_history": history,
            "user_recent_genres": [0.5],
        }
        served.push_recent(pd.DataFrame([row]))
        found = served.user_row("pushed")
        assert (found["user_history"], found["user_recent_genres"]) == (["new"], [0.5])
        assert found["user_searches"] is None


LAST = DAY + timedelta(days=1)
ROWS: dict[str, list[dict[str, Any]]] = {
    "user_attributes": [{"user_id": "u1", "user_age": 40.0, "user_language": "pt"}, {"user_id": "é2", "user_age": 7.0}],
    "user_activity": [{"user_id": "u1", "user_watches": 3.0, "user_last_genre": "drama"}],
    "user_genres": [{"user_id": "u1", "user_genre_watched": [1.0, 2.0], "user_genre_shown": []}],
    "user_recent": [{"user_id": "é2", "user_history": ["m1", "m2"], "user_session_watches": 2.0, "at": MORNING}],
}


def test_sqlite_and_redis_give_the_same_answers_to_the_same_loads_and_pushes(
    tmp_path: Path, redis_port: int, publish_snapshots: Callable[..., None]
) -> None:
    embedded = Settings(home=tmp_path / "sqlite")
    lake = Lake(embedded.lake_path)
    datasets.write(Dataset(name="small", source="tables"), lake.root)
    publish_snapshots(lake, DAY)
    publish_snapshots(lake, DAY, **ROWS)
    grown = [{"user_id": "u1", "user_genre_watched": [0.0, 1.0, 4.0], "user_genre_shown": [1.0]}]
    publish_snapshots(lake, LAST, user_genres=grown)
    shutil.copytree(embedded.root, tmp_path / "redis")
    served = Settings(home=tmp_path / "redis", redis_url=SecretStr(f"redis://127.0.0.1:{redis_port}/13"))
    absent = dict.fromkeys(f.name for f in catalogue.STORED if f.view == "user_recent")
    times = [datetime.combine(day, time.min, UTC) for day in (DAY, LAST)]
    answers = []
    for settings in (embedded, served):
        store = FeatureStore(settings)
        store.apply()
        found = [store.materialize_through(moment).members for moment in (*times, times[0])]
        pushed = absent | {"user_id": "u1", "user_history": ["m9"], "event_timestamp": MORNING}
        store.push_recent(pd.DataFrame([pushed, pushed | {"user_history": ["m8"], "event_timestamp": times[0]}]))
        late = times[1] + timedelta(days=200)
        rows = [store.user_row(user, at) for at in (None, MORNING, late) for user in ("u1", "é2", "nobody")]
        answers.append((found, rows, dict(store.stale), store.loaded_through()))
    assert answers[0] == answers[1]
    known = [{name: v for name, v in row.items() if v is not None} for row in answers[0][1]]
    assert (known[0]["user_genre_watched"], known[0]["user_history"]) == ([0.0, 1.0, 4.0], ["m9"])
    assert (known[1]["user_age"], known[1]["user_session_watches"], known[2]) == (7.0, 2.0, {})
    assert answers[0][2] == {"user_recent": 2}


def test_two_writers_at_once_leave_the_newest_row_in_redis(tmp_path: Path, redis_port: int) -> None:
    settings = Settings(home=tmp_path, redis_url=SecretStr(f"redis://127.0.0.1:{redis_port}/14"))
    datasets.write(Dataset(name="small", source="tables"), settings.lake_path)
    FeatureStore(settings).apply()
    absent = dict.fromkeys(f.name for f in catalogue.STORED if f.view == "user_recent")
    stores = [FeatureStore(settings) for _ in range(2)]

    def push(number: int) -> None:
        at = MORNING + timedelta(microseconds=number)
        row = absent | {"user_id": "u1", "event_timestamp": at, "user_history": [str(number)]}
        stores[number % 2].push_recent(pd.DataFrame([row]))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(push, sorted(range(40), key=lambda n: n * 7 % 40)))
    assert stores[0].user_row("u1")["user_history"] == ["39"]
