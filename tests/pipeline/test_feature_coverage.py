"""`marquee features --coverage` and `--docs` as a person calls them, on a small world."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from marquee import data_commands, feature_commands
from marquee.cli import app
from pipelines import coverage
from pipelines.adapters.feature_store import FeatureStore
from pipelines.core.dataset import Dataset
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.coverage import Coverage
from pipelines.features import catalogue, catalogue_page, job
from pipelines.features.requirements import REQUIREMENTS

# Ibis calls DuckDB by the old name of to_arrow_table.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

SMALL = {"seed": 11, "members": 250, "days": 15}


def call(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose lake holds a world and its features."""
    root = tmp_path_factory.mktemp("coverage")
    data_commands.make_world(root / "world", **SMALL, difficulty="normal")
    settings = Settings(home=root / "home")
    data_commands.import_folder(settings, "tables", root / "world")
    days = Lake(settings.lake_path).days("watches")
    job.refresh(settings, days[0], days[-1])
    return settings.root


def names() -> set[str]:
    return {f.name for f in catalogue.features(Dataset(name="any", source="tables"))}


def test_every_requirement_has_its_features_and_each_is_filled_and_varies_on_a_world(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARQUEE_HOME", str(home))
    done = call("features", "--coverage", "--json")
    found = json.loads(done.stdout)
    groups = [*(of["features"] for of in found["requirements"].values()), found["other"]]
    measured = {one["name"]: one for group in groups for one in group}
    assert set(found["requirements"]) == set(REQUIREMENTS)
    assert set(measured) == names()
    assert (done.exit_code, found["problems"]) == (0, [])
    assert {one["verdict"] for one in measured.values()} == {"fine"}
    assert found["rows"] > found["positives"] > 100
    liked = measured["cross_genre_affinity"]
    assert liked["information"] > 3 * liked["shuffled"] > 0


def test_a_source_that_is_never_filled_is_named_and_is_exit_status_1(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pd.DataFrame({"label": [0.0, 1.0], "user_searches": [None, None]})
    [asked] = (f for f in catalogue.STORED if f.name == "user_searches")
    found = Coverage("tiny", date(2026, 1, 5), date(2026, 1, 6), 2, 1, coverage.look(rows, [asked], seed=1))
    monkeypatch.setattr(coverage, "measure", lambda settings: found)
    monkeypatch.setenv("MARQUEE_HOME", str(home))
    done = call("features", "--coverage")
    assert done.exit_code == 1
    assert "error: user_searches is absent in every row: look whether searches.searched_at" in done.stderr
    assert "X1 asks for age, and user_age does not give it" in done.stderr


def test_where_there_is_no_lake_a_world_is_made_and_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARQUEE_HOME", str(tmp_path / "none"))
    monkeypatch.setattr(feature_commands, "WORLD", SMALL | {"days": 5})
    done = call("features", "--coverage")
    for name, asked in REQUIREMENTS.items():
        assert f"{name} {asked}" in done.stdout
    assert "made from" in done.stdout
    assert "making a world of 250 members" in done.stderr
    assert list((tmp_path / "none").iterdir()) == []


def test_a_lake_without_features_says_what_to_do(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = tmp_path / "home"
    data_commands.import_folder(Settings(home=bare), "tables", home.parent / "world")
    monkeypatch.setenv("MARQUEE_HOME", str(bare))
    done = call("features", "--coverage")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "run `marquee features` first" in done.stderr


def test_two_questions_at_once_are_refused() -> None:
    assert "give one at a time" in call("features", "--coverage", "--plan").stderr
    assert call("features", "--world").exit_code == 2


def test_docs_writes_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_commands, "PAGE", tmp_path / "features.md")
    assert call("features", "--docs").exit_code == 0
    written = (tmp_path / "features.md").read_text(encoding="utf-8")
    assert written == catalogue_page.page()
    assert all(f"`{name}`" in written for name in names())


def test_the_page_says_of_each_view_the_grain_that_feast_is_told(home: Path) -> None:
    store = FeatureStore(Settings(home=home))
    store.apply()
    said = {f.view: catalogue_page.grain(f.view, f.entity) for f in catalogue.STORED}
    told = {view.name: view.tags.get("grain") for view in store._store.list_feature_views()}
    assert said == {view: told[view] for view in said}


def test_every_feature_of_a_member_is_in_the_online_row_as_the_page_says(home: Path) -> None:
    store = FeatureStore(Settings(home=home))
    store.apply()
    assert {f.name for f in catalogue.STORED if f.entity == "user"} <= set(store.user_row("nobody"))
