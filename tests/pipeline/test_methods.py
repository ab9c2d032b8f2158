"""Every registered method on one tiny world, through the command that writes the comparison of docs/models.md."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from marquee import models_command, models_page
from marquee.cli import app
from pipelines import methods
from pipelines.candidates import GENERATORS
from pipelines.core.errors import DataError
from pipelines.ranking import RANKERS

# Ibis calls DuckDB by the old name of to_arrow_table.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

REGISTERED = {"generators": GENERATORS, "rankers": RANKERS}
PLACES = "\n".join(f"## {part}\n{models_page.begin(part)}\nold\n{models_page.end(part)}\nprose" for part in REGISTERED)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """What `marquee models --docs --json` prints, and the folder in which it wrote."""
    folder = tmp_path_factory.mktemp("models")
    page = folder / "docs" / "models.md"
    page.parent.mkdir()
    page.write_text(PLACES, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MARQUEE_HOME", str(folder / "var"))
        patched.setattr(models_command, "PAGE", page)
        patched.setattr(methods, "REPEATS", 20)
        asked = ("--members", "80", "--days", "9", "--test-days", "3", "--seed", "3")
        done = CliRunner().invoke(app, ["models", "--docs", "--json", *asked])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout), page.parent


def test_every_registered_method_is_measured_and_stands_in_the_page(made):
    found, folder = made
    text = (folder / "models.md").read_text(encoding="utf-8")
    for part, registry in REGISTERED.items():
        assert set(found[part]) == set(registry)
        assert models_page.missing(text, part, list(registry)) == []
        assert models_page.missing(text, part, ["oracle"]) == ["oracle"]
    assert "--members 80 --days 9 --test-days 3 --difficulty normal --seed 3" in text
    assert text.count("prose") == 2
    assert "old" not in text.replace("holds", "")


def test_every_figure_lies_in_its_interval_and_every_cost_is_counted(made):
    found, _ = made
    for part in REGISTERED:
        for name, of in found[part].items():
            for column in models_page.COLUMNS[part]:
                held = of[column.key]
                if column.cost:
                    assert held > 0, (name, column)
                else:
                    assert 0 <= held["low"] <= held["value"] <= held["high"], (name, column)
    for of in found["generators"].values():
        assert of["unique_recall@100"]["value"] <= of["recall@100"]["value"]


def test_the_pictures_are_drawings_that_name_every_method(made):
    _, folder = made
    for part, registry in REGISTERED.items():
        drawn = ET.fromstring((folder / models_page.PICTURES[part]).read_text(encoding="utf-8"))
        said = {element.text for element in drawn.iter() if element.tag.endswith("text")}
        assert set(registry) <= said
        bars = [element for element in drawn.iter() if element.tag.endswith("rect")]
        assert len(bars) == 1 + 2 + 2 * len(registry)


def test_a_page_without_its_markers_is_named():
    with pytest.raises(DataError, match="the page has no place for generators: put the lines '<!-- generators"):
        models_page.filled("# Models", {}, "marquee models")


def test_unique_recall_counts_only_what_no_other_list_holds():
    mine = np.array([[1, 2, 3, -1], [4, 5, -1, -1]])
    others = [np.array([[2, 9, -1, -1], [-1, -1, -1, -1]])]
    wanted = [np.array([1, 2, 7]), np.array([6])]
    assert methods.unique_recall(mine, others, wanted).tolist() == [1 / 3, 0.0]
    assert methods.unique_recall(mine, [], wanted).tolist() == [2 / 3, 0.0]
