"""Which impressions a page is weighed by: those drawn from all titles, where most of them were."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from pipelines import backtest
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.world import simulate
from pipelines.training_data.drawn import drawn, slots

# Ibis calls DuckDB by the old name of to_arrow_table.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

FIRST, LAST = date(2026, 1, 9), date(2026, 1, 10)
COLUMNS = ["user_id", "media_id", "watched", "propensity"]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    folder: Path = tmp_path_factory.mktemp("drawn")
    simulate(WorldConfig(seed=6, members=80, days=8), folder / "world")
    settings = Settings(home=folder / "home")
    return backtest.imported("tables", folder / "world", settings=settings, say=lambda step: None)[0]


@pytest.fixture(scope="module")
def shown(lake: Lake) -> pd.DataFrame:
    return lake.read("impressions", FIRST, LAST).to_pandas()


@pytest.fixture
def changed(lake: Lake) -> Any:
    """Change the impressions of the test days, and put them back afterwards."""
    kept = {day: lake.read("impressions", day, day) for day in (FIRST, LAST)}

    def change(of: Callable[[pa.Table], dict[str, list[Any]]]) -> None:
        for day, table in kept.items():
            held = table.drop_columns(["day"]) if "day" in table.column_names else table
            for name, values in of(table).items():
                place = held.schema.get_field_index(name)
                held = held.set_column(place, name, pa.array(values, type=held.schema.field(name).type))
            lake.publish("impressions", held, day)

    yield change
    for day, table in kept.items():
        lake.publish("impressions", table.drop_columns(["day"]) if "day" in table.column_names else table, day)


def test_every_matured_impression_of_the_members_is_there_once_with_its_outcome(lake, shown):
    members = sorted(set(shown.user_id))[:20]
    found = slots(lake, FIRST, LAST, members)
    assert found is not None
    assert found.columns.tolist() == COLUMNS
    mine = shown[shown.user_id.isin(members)]
    assert 0.9 * len(mine) < len(found) <= len(mine)
    assert set(found.propensity) <= set(mine.propensity)
    assert set(found.user_id) <= set(members)
    assert 0 < found.watched.mean() < 0.5


def of_a_third(values: list[Any], other: Any) -> list[Any]:
    return [other if place % 3 == 0 else value for place, value in enumerate(values)]


@pytest.mark.parametrize(("column", "other"), [("propensity", None), ("propensity", 1.0), ("action_set", ["m1", "m2"])])
def test_what_was_certain_unsaid_or_drawn_from_a_few_is_left_out(lake, shown, changed, column, other):
    changed(lambda table: {column: of_a_third(table[column].to_pylist(), other)})
    found = slots(lake, FIRST, LAST, sorted(set(shown.user_id)))
    assert found is not None
    assert len(found) == pytest.approx(2 / 3 * len(shown), rel=0.1)
    assert found.propensity.between(0, 1, inclusive="neither").all()


@pytest.mark.parametrize("other", [None, 1.0])
def test_a_log_that_mostly_drew_nothing_weighs_nothing(lake, shown, changed, other):
    changed(lambda table: {"propensity": [other] * table.num_rows})
    assert slots(lake, FIRST, LAST, sorted(set(shown.user_id))) is None


def test_days_without_impressions_weigh_nothing(lake):
    later = (date(2027, 1, 1), date(2027, 1, 2))
    assert drawn(lake, *later) is None
    assert slots(lake, *later, ["u1"]) is None


def test_what_was_drawn_says_of_what(lake, shown, changed):
    changed(lambda table: {"action_set": of_a_third(table["action_set"].to_pylist(), ["m1", "m2"])})
    found = drawn(lake, FIRST, LAST)
    assert found is not None
    assert found.columns.tolist() == ["impression_id", "propensity", "from_all"]
    assert found["from_all"].mean() == pytest.approx(2 / 3, abs=0.02)
    assert set(found["impression_id"]) == set(shown[shown["propensity"] < 1]["impression_id"])
