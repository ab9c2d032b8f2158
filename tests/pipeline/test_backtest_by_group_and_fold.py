"""A small world with and without each feature group, and in folds: the same jobs as a backtest, several times."""

import json
from datetime import date
from pathlib import Path

import pyarrow.compute as pc
import pytest

from marquee import evaluation_pages
from pipelines import ablation, cross_validation
from pipelines.core import days
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.window import Window
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.world import simulate

pytestmark = [
    pytest.mark.slow,
    # Ibis calls DuckDB by the old name of to_arrow_table.
    pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning"),
]

TEST_FROM = date(2026, 1, 15)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trials") / "world"
    simulate(WorldConfig(seed=5, members=80, days=14), folder)
    return folder


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def found(world: Path, said: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict:
    ticks = iter(range(0, 10_000, 3))
    answer = ablation.run(
        "tables",
        world,
        settings=Settings(home=tmp_path_factory.mktemp("ablation") / "home"),
        test_from=TEST_FROM,
        method="logistic",
        say=said.append,
        clock=lambda: float(next(ticks)),
    )
    return json.loads(json.dumps(answer, allow_nan=False))


def test_with_and_without_each_feature_group_prints_the_ablation(found, capsys):
    evaluation_pages.ablation("ablation", found)
    printed = capsys.readouterr().out
    for outcome in found["outcomes"]:
        assert f"{outcome['figures']['ranker.auc']:.4f}" in printed
        assert f"\n{outcome['group']}: " in printed


def test_each_group_is_paired_with_everything_and_judged_in_words(found):
    first, chance, *others = found["outcomes"]
    assert (first["group"], first["gains"], first["left_out"]) == (ablation.ALL, {}, [])
    assert (chance["group"], chance["left_out"], chance["verdict"]) == (ablation.SEED, [], "")
    for outcome in others:
        gain = outcome["gains"]["ranker.auc"]
        against = {o["group"]: o for o in found["outcomes"]}[outcome["against"]]
        apart = against["figures"]["ranker.auc"] - outcome["figures"]["ranker.auc"]
        assert gain["value"] == pytest.approx(-apart if outcome["added"] else apart, abs=1e-9)
        assert gain["low"] <= gain["value"] <= gain["high"]
        assert outcome["verdict"] in (ablation.PAYS, ablation.DOES_NOT, ablation.CANNOT_TELL)


def test_a_trial_reads_all_but_its_group_and_one_of_packed_features_reads_more_than_all(found):
    first, *others = found["outcomes"]
    packed = [outcome for outcome in others if outcome["added"]]
    assert {"X2 packed", "X7 packed", "X8 packed"} <= {outcome["group"] for outcome in packed}
    for outcome in packed:
        assert outcome["features_read"] > first["features_read"]
        assert set(outcome["gains"]) == {"ranker.auc", "ranker.log_loss"}
    for outcome in others:
        if not outcome["added"]:
            assert outcome["features_read"] == first["features_read"] - len(outcome["left_out"])


def test_a_loss_that_grows_without_a_group_counts_as_something_that_the_group_adds(found):
    first, *others = found["outcomes"]
    for outcome in others:
        if outcome["against"] == ablation.ALL and not outcome["added"]:
            apart = outcome["figures"]["ranker.log_loss"] - first["figures"]["ranker.log_loss"]
            assert outcome["gains"]["ranker.log_loss"]["value"] == pytest.approx(apart, abs=1e-9)


def test_it_says_which_fit_is_on_and_after_the_first_how_long_the_others_take(found, said):
    fits = [line for line in said if line.startswith("[")]
    assert len(fits) == len(found["outcomes"])
    (plan,) = [line for line in said if "more fits" in line]
    assert plan.startswith(f"{len(fits) - 1} more fits, about ")
    assert plan.endswith("at 3 s each")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("folds") / "home"


@pytest.fixture(scope="module")
def folds(world: Path, home: Path) -> dict:
    asked = {"number": 2, "kind": "sliding", "gap_days": 1, "method": "logistic"}
    answer = cross_validation.run("tables", world, settings=Settings(home=home), test_from=TEST_FROM, **asked)
    return json.loads(json.dumps(answer, allow_nan=False))


def test_folds_give_each_figure_with_its_mean_and_spread(folds, capsys):
    first, second = folds["folds"]
    assert first["window"]["test_to"] < second["window"]["test_from"]
    aucs = [fold["ranker"]["auc"]["value"] for fold in (first, second)]
    over = folds["over_folds"]["ranker.auc"]
    assert over["mean"] == pytest.approx(sum(aucs) / 2)
    assert over["sd"] == pytest.approx(abs(aucs[0] - aucs[1]) / 2**0.5)
    assert (over["least"], over["most"]) == (min(aucs), max(aucs))
    evaluation_pages.folds("folds", folds)
    printed = capsys.readouterr().out
    assert f"{over['mean']:.4f}" in printed
    assert f"{over['sd']:.4f}" in printed


def test_everything_that_a_fold_learnt_from_was_known_before_its_test_and_its_gap(folds, home):
    lake = Lake(Settings(home=home).lake_path)
    watches = lake.read("watches", columns=["impression_id", "available_at"])
    for fold in folds["folds"]:
        window = Window.model_validate(fold["window"])
        rows = lake.read(f"training/{window.test_from}")
        learnt = rows.filter((pc.field("split") != "test") & (pc.field("label") == 1.0))
        known_from = days.start(window.known_from, lake.dataset.time_zone)
        assert learnt.num_rows > 10
        # A label is 1 only through a watch that was known by then, and no feature is of later than its row.
        early = watches.filter(pc.less(watches["available_at"], known_from))
        assert set(learnt["impression_id"].to_pylist()) <= set(early["impression_id"].to_pylist())
        assert max(rows.filter(pc.field("split") != "test")["day"].to_pylist()) == window.last_fitted
        views = [name for name in rows.column_names if name.endswith("__at")]
        for view in views:
            later = pc.greater(rows[view], rows["event_timestamp"])
            assert not pc.any(later).as_py(), view
