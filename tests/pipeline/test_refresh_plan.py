"""The plan of a refresh comes before it, and a dry run is the refresh itself on a copy of the lake."""

import hashlib
import json
from datetime import UTC, date, datetime, timedelta

import pytest
from typer.testing import CliRunner

from marquee.cli import app
from pipelines import refreshing
from pipelines.adapters.event_store import EventStore
from pipelines.core import durations, rehearsal
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.features import job
from pipelines.ingestion import job as ingestion
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.world import simulate
from pipelines.sources import SOURCES

# ibis 12 reads results by a DuckDB call that DuckDB 2 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

FIRST = date(2026, 1, 5)
LAST = FIRST + timedelta(days=5)


@pytest.fixture
def settings(tmp_path) -> Settings:
    """A world of six days, of which the first four were refreshed."""
    simulate(WorldConfig(seed=3, members=40, days=6), tmp_path / "world")
    found = Settings(home=tmp_path / "home")
    source = SOURCES["tables"](tmp_path / "world")
    ingestion.ingest(Lake(found.lake_path), source.dataset, source.batches())
    job.refresh(found, FIRST, FIRST + timedelta(days=3))
    return found


def contents(settings: Settings) -> dict[str, str]:
    files = (f for f in settings.lake_path.rglob("*") if f.is_file() and f.name != ".lock")
    return {str(f.relative_to(settings.lake_path)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_a_plan_says_what_is_new_and_what_is_overwritten_and_writes_nothing(settings):
    before = contents(settings)
    found = refreshing.plan(settings, None, None)
    assert (found["first"], found["last"]) == ("2026-01-09", "2026-01-10")
    view = found["plan"]["views"]["user_activity"]
    assert view == {"first": "2026-01-09", "last": "2026-01-11", "anew": False, "partitions": 3, "overwritten": 1}
    assert found["plan"]["partitions"] == 3 * len(found["plan"]["views"])
    assert found["plan"]["minutes"] >= 0
    assert contents(settings) == before


def test_the_plan_counts_the_rows_that_are_read(settings):
    lake = Lake(settings.lake_path)
    held = sum(lake.read(name).num_rows for name in ("users", "media", "impressions", "watches"))
    assert refreshing.figures(settings, FIRST, LAST)["events"] >= held
    assert refreshing.figures(settings, FIRST, FIRST)["events"] < refreshing.figures(settings, FIRST, LAST)["events"]


def test_a_view_whose_columns_changed_is_planned_anew_over_all_its_days(settings):
    lake = Lake(settings.lake_path)
    for day in lake.days("features/media_creator"):
        lake.publish("features/media_creator", lake.read("features/media_creator", day, day).select([0]), day)
    views = refreshing.figures(settings, LAST, LAST)["views"]
    assert views["media_creator"]["anew"]
    assert views["media_creator"]["first"] == FIRST.isoformat()
    assert not views["media_popularity"]["anew"]


def test_without_a_history_of_refreshes_there_are_no_minutes(settings):
    Lake(settings.lake_path).path(durations.TABLE).unlink()
    assert refreshing.figures(settings, LAST, LAST)["minutes"] is None


def test_a_dry_run_publishes_nothing_and_tells_what_the_refresh_then_does(settings):
    before = contents(settings)
    found = refreshing.dry_run(settings, FIRST + timedelta(days=3), LAST)
    assert contents(settings) == before
    assert not list((settings.root / rehearsal.FOLDER).iterdir())
    # The fourth day's own snapshots are made again as they are; those of the fifth day stay, the last two are new.
    assert found["partitions"]["features/user_activity"] == {"same": 2, "new": 2}
    assert found["rows"] == job.refresh(settings, FIRST + timedelta(days=3), LAST)


def test_a_dry_run_takes_in_the_events_that_the_api_heard(settings):
    at = datetime(2026, 1, 10, 12, tzinfo=UTC)
    lake = Lake(settings.lake_path)
    media = lake.read("media", columns=["media_id"])["media_id"][0].as_py()
    watch = {"watch_id": "w", "user_id": "new", "media_id": media, "started_at": at, "available_at": at}
    with EventStore(settings.event_store_address) as store:
        store.migrate()
        store.record("watches", [watch | {"completion": 0.9}])
    before = contents(settings)
    found = refreshing.dry_run(settings, LAST, LAST)
    assert found["partitions"]["watches"]["changed"] == 1
    assert contents(settings) == before


def test_a_rehearsal_that_was_killed_goes_when_a_later_one_begins(settings):
    import os

    abandoned, recent = rehearsal.begin(settings), rehearsal.begin(settings)
    long_ago = recent.stat().st_mtime - rehearsal.ABANDONED_SECONDS - 60
    os.utime(abandoned, (long_ago, long_ago))
    rehearsal.begin(settings)
    assert (abandoned.exists(), recent.exists()) == (False, True)


def test_a_rehearsal_in_production_reaches_none_of_its_servers(tmp_path):
    settings = Settings(
        profile="production",
        home=tmp_path,
        event_store_url="postgresql+psycopg://u:p@db/events",
        mlflow_url="http://mlflow",
        redis_url="redis://cache:6379",
        feast_registry_url="postgresql+psycopg://u:p@db/feast",
        api_key="k",
    )
    inside = rehearsal.inside(settings, tmp_path / "rehearsal")
    assert (inside.redis_url, inside.feast_registry_url, inside.mlflow_url) == (None, None, None)
    assert inside.event_store_address == settings.event_store_address
    assert inside.lake_path == tmp_path / "rehearsal" / "lake"


def test_the_command_prints_the_plan_and_the_dry_run(settings, monkeypatch):
    monkeypatch.setenv("MARQUEE_HOME", str(settings.root))
    planned = CliRunner().invoke(app, ["features", "--first", "2026-01-09", "--plan", "--json"])
    assert json.loads(planned.stdout)["views"]["user_activity"]["overwritten"] == 1
    shown = CliRunner().invoke(app, ["features", "--first", "2026-01-09", "--plan"])
    assert "of them overwritten" in shown.stdout
    done = CliRunner().invoke(app, ["features", "--first", "2026-01-09", "--dry-run"])
    assert "nothing was published" in done.stdout
    assert Lake(settings.lake_path).watermark("features").through == date(2026, 1, 8)


def test_minutes_grow_along_the_line_of_earlier_runs(tmp_path):
    lake = Lake(tmp_path)
    assert durations.expected(lake, "features", "duckdb", 10) is None
    for size in (100, 1_000):
        durations.note(lake, "features", "duckdb", size, 2 + size / 100)
    assert durations.expected(lake, "features", "duckdb", 2_000) == pytest.approx(22)
    assert durations.expected(lake, "features", "pyspark", 2_000) is None


def test_runs_of_one_size_are_judged_by_their_median(tmp_path):
    for seconds in (3.0, 5.0, 40.0):
        durations.note(Lake(tmp_path), "features", "duckdb", 100, seconds)
    assert durations.expected(Lake(tmp_path), "features", "duckdb", 90) == 5.0
    assert durations.expected(Lake(tmp_path), "features", "duckdb", 1_000) == 50.0
