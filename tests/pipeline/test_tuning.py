"""A search before a day: the folds' tests end the day before it, and nothing that became known later is used."""

from datetime import date, timedelta

import pytest

from pipelines import tuning
from pipelines.core.errors import DataError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.ranking.search import SearchConfig
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.world import simulate

# Ibis calls DuckDB by the old name of to_arrow_table.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

UNTIL = date(2026, 1, 17)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    home = tmp_path_factory.mktemp("tuning")
    simulate(WorldConfig(seed=5, members=200, days=16, media=120), home / "world")
    settings, said = Settings(home=home / "home"), []
    config = SearchConfig(trials=3, folds=2, test_days=1, objective="auc_gauc")
    report = tuning.run(
        "tables", home / "world", settings=settings, until=UNTIL, method="logistic", config=config, say=said.append
    )
    return report, settings, said


def test_the_plan_is_told_before_the_first_trial_and_the_cost_after_it(found):
    _, _, said = found
    plan = next(n for n, line in enumerate(said) if line.startswith("plan: 3 trials of 4 fits"))
    assert said[plan + 1].startswith("trial 1 of 3")
    assert "minutes for 2 more of 2 trials" in said[plan + 1]


def test_no_fold_reaches_the_day_and_features_end_before_it(found):
    _, settings, _ = found
    lake = Lake(settings.lake_path)
    assert max(lake.days("impressions")) >= UNTIL
    for day in (UNTIL - timedelta(days=2), UNTIL - timedelta(days=1)):
        assert max(lake.read(f"training/{day}")["day"].to_pylist()) < UNTIL
    assert lake.watermark("features").through == UNTIL - timedelta(days=1)


def test_the_report_names_settings_that_are_no_worse_than_the_methods_own(found):
    report, _, _ = found
    assert len(report["trials"]) == 3
    assert report["trials"][0]["options"] == {}
    assert report["value"] >= report["own_value"] == report["trials"][0]["value"]


def test_an_unknown_method_is_refused_before_anything_is_imported(tmp_path):
    with pytest.raises(DataError, match="ranker 'magic' is not known"):
        tuning.run("tables", tmp_path, settings=Settings(home=tmp_path / "home"), until=UNTIL, method="magic")
