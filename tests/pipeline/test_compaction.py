"""Old snapshots fold into one file, and every question from the horizon on is answered as before."""

import json
from datetime import date, timedelta

import pandas as pd
import pytest
from typer.testing import CliRunner

from marquee.cli import app
from pipelines import refreshing
from pipelines.adapters.feature_store import FeatureStore
from pipelines.core import days
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.features import catalogue, compaction, job
from pipelines.ingestion import job as ingestion
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.world import simulate
from pipelines.sources import SOURCES

# ibis 12 reads results by a DuckDB call that DuckDB 2 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

FIRST = date(2026, 1, 5)
LAST = FIRST + timedelta(days=7)
HORIZON = FIRST + timedelta(days=5)
DAY = timedelta(days=1)
VIEWS = (*catalogue.USER_VIEWS, *catalogue.MEDIA_VIEWS)


@pytest.fixture
def settings(tmp_path) -> Settings:
    simulate(WorldConfig(seed=3, members=30, days=8), tmp_path / "world")
    found = Settings(home=tmp_path / "home")
    source = SOURCES["tables"](tmp_path / "world")
    ingestion.ingest(Lake(found.lake_path), source.dataset, source.batches())
    job.refresh(found, FIRST, LAST)
    return found


def answers(settings: Settings) -> pd.DataFrame:
    """Every feature of some members and titles at moments from the horizon on."""
    lake = Lake(settings.lake_path)
    zone = lake.dataset.time_zone
    users, media = (lake.read(t)[k].to_pylist()[:20] for t, k in (("users", "user_id"), ("media", "media_id")))
    moments = [days.start(HORIZON + timedelta(days=n), zone) + timedelta(hours=5 * n) for n in (0, 1, 2)]
    rows = pd.DataFrame(
        [(u, m, at) for u, m in zip(users, media, strict=True) for at in moments],
        columns=["user_id", "media_id", "event_timestamp"],
    )
    store = FeatureStore(settings)
    store.apply()
    return store.historical(rows)


def test_folding_leaves_one_file_behind_the_horizon_and_every_answer_from_it_on(settings):
    lake = Lake(settings.lake_path)
    before = answers(settings)
    several = {view for view in VIEWS if len(lake.days(f"features/{view}", last=HORIZON - DAY)) > 1}

    kept = compaction.fold(lake, HORIZON, least=2)

    pd.testing.assert_frame_equal(answers(settings), before)
    assert kept.keys() == several >= {"user_activity", "user_recent", "media_popularity"}
    for view in several:
        old = [day for day in lake.days(f"features/{view}") if day < HORIZON]
        held = lake.read(f"features/{view}", old[0], old[0])
        assert len(old) == 1
        assert len(set(held[held.column_names[0]].to_pylist())) == held.num_rows == kept[view]
    assert compaction.fold(lake, HORIZON, least=2) == {}


def test_a_fold_that_was_killed_before_it_removed_the_days_is_finished_by_the_next(settings, monkeypatch):
    lake = Lake(settings.lake_path)
    before = answers(settings)
    with monkeypatch.context() as killed:
        killed.setattr(compaction, "_remove", lambda file: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            compaction.fold(lake, HORIZON, least=2)

    pd.testing.assert_frame_equal(answers(settings), before)
    compaction.fold(lake, HORIZON, least=2)
    pd.testing.assert_frame_equal(answers(settings), before)


def test_the_next_day_is_refreshed_on_a_folded_lake_as_on_a_whole_one(settings):
    lake = Lake(settings.lake_path)
    changing = [view for view in VIEWS if lake.days(f"features/{view}", LAST)]
    whole = {view: lake.read(f"features/{view}", LAST, LAST + timedelta(days=1)) for view in changing}
    compaction.fold(lake, HORIZON, least=2)

    job.refresh(settings, LAST, LAST)

    assert "user_activity" in changing
    for view in changing:
        again = lake.read(f"features/{view}", LAST, LAST + timedelta(days=1))
        pd.testing.assert_frame_equal(again.to_pandas(), whole[view].to_pandas())


def test_nothing_folds_before_a_month_lies_behind_the_horizon(settings):
    assert refreshing.compact(settings) == {}
    assert refreshing.compaction_plan(settings) == []
    assert compaction.fold(Lake(settings.lake_path), HORIZON) == {}


def test_the_command_plans_before_it_folds(settings, monkeypatch):
    monkeypatch.setenv("MARQUEE_HOME", str(settings.home))
    monkeypatch.setattr(refreshing, "horizon", lambda _: HORIZON)
    lake = Lake(settings.lake_path)
    held = lake.days("features/user_activity")

    planned = json.loads(CliRunner().invoke(app, ["compact", "--plan", "--json"]).stdout)
    assert lake.days("features/user_activity") == held
    done = json.loads(CliRunner().invoke(app, ["compact", "--json"]).stdout)

    assert planned["folds"] == done["folds"]
    assert planned["rows_left"] is None
    assert done["rows_left"].keys() == {of["view"] for of in done["folds"]}
    assert len(lake.days("features/user_activity")) == len(held) - len(held[: held.index(HORIZON)]) + 1
