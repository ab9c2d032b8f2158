"""One whole retraining through dag.test(): a small world, real Feast, real MLflow on SQLite, real Airflow."""

import json
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest

from pipelines import retraining, snapshot
from pipelines.adapters.feature_store import FeatureStore
from pipelines.adapters.model_registry import MODEL, ModelRegistry
from pipelines.candidates import GENERATORS
from pipelines.core import release
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.ingestion import job as ingestion
from pipelines.promotion import ledger
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.world import simulate
from pipelines.snapshot import MediaSnapshot
from pipelines.sources import SOURCES

pytestmark = [
    # Ibis calls DuckDB by the old name of to_arrow_table.
    pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning"),
    # MLflow 3.17 maps its tables with a loader strategy that SQLAlchemy 2.1 deprecates.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
    # MLflow keeps one engine a database file for the life of the process.
    pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning"),
]

FIRST, DAYS, TEST_DAYS = date(2026, 1, 5), 14, 2
LAST = FIRST + timedelta(days=DAYS - 1)
TASKS = ("plan", "build_training_set", "fit_generators", "fit_ranker", "judge", "promote", "awaits_a_person")
ASKED = "ask_a_person"
"""Skipped: the policy asks nobody."""


@dataclass(frozen=True)
class Trained:
    """The home after a dry run, a refresh and two retrainings of one form, and what Airflow said of each."""

    settings: Settings
    rehearsed: dict[str, Any]
    refresh: dict[str, Any]
    first: dict[str, Any]
    second: dict[str, Any]

    @property
    def registry(self) -> ModelRegistry:
        return ModelRegistry(self.settings)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, ask_airflow) -> Trained:
    home = tmp_path_factory.mktemp("retrain")
    simulate(WorldConfig(seed=3, members=400, days=DAYS), home / "world")
    settings = Settings(home=home / "home")
    source = SOURCES["tables"](home / "world")
    ingestion.ingest(Lake(settings.lake_path), source.dataset, source.batches())
    retrain = ("retrain", json.dumps({"test_days": TEST_DAYS}))
    refreshes = ("refresh_features", json.dumps({"dry_run": True}), "refresh_features", "{}")
    return Trained(settings, *ask_airflow("run", *refreshes, *retrain, *retrain, home=settings.root))


def test_a_dry_run_computes_and_skips_what_publishes(trained):
    tasks = dict.fromkeys(("plan", "export_events", "compute"), "success") | dict.fromkeys(
        ("publish", "announce"), "skipped"
    )
    assert trained.rehearsed == {"state": "success", "tasks": tasks}
    assert Lake(trained.settings.lake_path).watermark("features").version == 1


def test_a_refresh_computes_every_day_loads_members_and_publishes_a_snapshot(trained):
    tasks = ("plan", "export_events", "compute", "publish", "announce")
    assert trained.refresh == {"state": "success", "tasks": dict.fromkeys(tasks, "success")}
    assert Lake(trained.settings.lake_path).watermark("features").through == LAST
    folder = snapshot.current(trained.settings)
    assert folder is not None
    held = MediaSnapshot.load(folder)
    assert len(held.ids) > 400
    watched = min(user for user, history in held.histories.items() if history.media)
    assert FeatureStore(trained.settings).user_row(watched)["user_watches"] > 0


def test_a_retraining_succeeds_task_by_task(trained):
    assert trained.first == {"state": "success", "tasks": dict.fromkeys(TASKS, "success") | {ASKED: "skipped"}}


def test_it_registers_one_release_with_a_verdict_and_notes_it_in_the_ledger(trained):
    (held,) = trained.registry.releases()
    assert trained.registry.alias("challenger") == held
    verdict = trained.registry.tags(held.version)["verdict"]
    assert verdict in ("promote", "reject", "inconclusive")
    assert trained.registry.champion() == (held if verdict == "promote" else None)
    made, judged, *moved = ledger.read(trained.settings)
    assert (made.event, made.release_id, made.facts["watermark"]) == (
        "trained",
        held.release_id,
        str(LAST - timedelta(days=TEST_DAYS)),
    )
    assert (judged.event, judged.version, judged.facts["verdict"]) == ("judged", held.version, verdict)
    assert [e.event for e in moved] == (["promoted"] if verdict == "promote" else [])
    assert all(
        e.actor.startswith("retrain manual__") and e.release_id == held.release_id for e in (made, judged, *moved)
    )


def test_the_registered_release_is_whole_and_is_of_days_before_its_test(trained, tmp_path):
    (held,) = trained.registry.releases()
    manifest = release.verify(trained.registry.download(held.version, tmp_path))
    assert manifest.release_id == held.release_id
    assert (manifest.trained_from, manifest.watermark) == (FIRST, LAST - timedelta(days=TEST_DAYS))
    assert manifest.ranker == "ensemble"
    assert set(manifest.generators) == set(GENERATORS)
    for part, metric in (("ranker", "auc"), ("ranker_all_impressions", "ece"), ("page", "ndcg@10")):
        figure = manifest.metrics[part][metric]
        assert figure["low"] <= figure["value"] <= figure["high"]


def test_every_part_is_registered_for_lineage(trained):
    names = {model.name for model in trained.registry._client.search_registered_models()}
    assert names == {MODEL, "marquee-ranker-ensemble", *(f"marquee-generator-{name}" for name in GENERATORS)}


def test_the_watermark_moves_and_a_second_run_is_skipped_and_doubles_nothing(trained):
    assert Lake(trained.settings.lake_path).watermark(retraining.TRAINED).through == LAST
    assert Lake(trained.settings.lake_path).watermark(retraining.TRAINED).version == 1
    later = dict.fromkeys((*TASKS, ASKED), "skipped") | {"plan": "success"}
    assert trained.second == {"state": "success", "tasks": later}
    assert len(trained.registry.releases()) == 1
    assert [e.event for e in ledger.read(trained.settings)].count("judged") == 1


def test_the_training_set_has_every_impression_once(trained):
    rows = Lake(trained.settings.lake_path).read(f"training/{LAST - timedelta(days=TEST_DAYS - 1)}")
    ids = rows["impression_id"].to_pylist()
    assert len(ids) == len(set(ids))
    assert set(rows["split"].to_pylist()) == {"fit", "calibrate", "test"}
