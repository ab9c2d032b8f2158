"""A small world run through its weeks: what serves, what is known when, and that later days change nothing before."""

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from monitoring import worth
from pipelines import judgement, retraining, rolling
from pipelines.core import days, release
from pipelines.core.errors import DataError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.window import Window
from pipelines.promotion import gains
from pipelines.promotion import policy as policies
from pipelines.promotion.gains import PAGE
from pipelines.released import load_release
from pipelines.rolling import RollingConfig
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.world import simulate

# Ibis calls DuckDB by the old name of to_arrow_table.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")]

FIRST = date(2026, 1, 5)
STEP = RollingConfig(every_days=3, least_days=5)
CUT = FIRST + timedelta(days=11)
"""The morning after the second step."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rolling") / "world"
    simulate(WorldConfig(seed=5, members=90, days=15), folder)
    return folder


def run(world: Path, home: Path, **given: Any) -> dict[str, Any]:
    """A run that lets its first release through, so that there is a champion, and reads back as JSON."""
    lenient = policies.read().model_copy(update={"minimum_members": 5})
    lenient = lenient.model_copy(update={"floors": (policies.Floor(metric="page.ips_dcg@10", share_to_lose=0.9),)})
    asked = {"config": STEP, "method": "logistic", "policy": lenient, **given}
    found = rolling.run("tables", world, settings=Settings(home=home), **asked)
    return json.loads(json.dumps(found, allow_nan=False))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rolling-home") / "home"


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def found(world: Path, home: Path, said: list[str]) -> dict[str, Any]:
    ticks = iter(range(0, 10_000, 60))
    return run(world, home, say=said.append, clock=lambda: float(next(ticks)))


def test_weeks_follow_one_another_and_days_left_over_are_none(found):
    spans = [(week["first"], week["last"]) for week in found["weeks"]]
    assert spans == [("2026-01-10", "2026-01-12"), ("2026-01-13", "2026-01-15"), ("2026-01-16", "2026-01-18")]


def test_the_plan_comes_first_and_each_week_says_how_long_the_rest_takes(found, said):
    assert said[0] == "import tables"
    assert said[1].startswith("plan: 3 retrainings, one every 3 days, 2026-01-10 to 2026-01-18, 90 members; about ")
    assert said[2].endswith("about 2 min to go")
    assert "to go" not in said[-1]


def test_what_was_promoted_serves_the_next_week_and_nothing_else_does(found):
    champion = None
    for week in found["weeks"]:
        assert week["champion"] == champion
        assert (week["page"] is None) == (champion is None)
        champion = week["challenger"] if week["verdict"] == "promote" else champion
    assert champion is not None


def test_a_champions_week_is_the_figure_that_the_gate_saw_of_it(found):
    for week in found["weeks"]:
        if week["champion"]:
            gain = week["gain"]
            apart = week["challenger_page"]["value"] - week["page"]["value"]
            assert (gain["against"], gain["before"]) == ("champion", week["champion"])
            assert gain["predicted"]["value"] == pytest.approx(apart, abs=1e-9)


def test_a_promise_is_told_with_what_the_next_week_showed(found):
    first, second, last = found["weeks"]
    # The first release stood against popularity and served the second week, unless it was turned away.
    assert first["verdict"] == "promote"
    realised = second["page"]["value"] - second["popularity"]["value"]
    assert first["gain"]["realised"][PAGE]["value"] == pytest.approx(realised, abs=1e-9)
    assert set(second["gain"]["realised"]) == {PAGE}
    assert found["metric"] == first["gain"]["metric"] == second["gain"]["metric"] == "page.ips_dcg@10"
    assert last["gain"]["realised"] == {}
    assert found["gains"] == [week["gain"] for week in found["weeks"]]
    assert found["worth"]["decisions"]["count"] == 1


def test_each_release_learnt_from_nothing_that_was_known_later(found, home):
    settings = Settings(home=home)
    lake = Lake(settings.lake_path)
    watches = lake.read("watches", columns=["impression_id", "available_at"])
    for week in found["weeks"]:
        test_from = date.fromisoformat(week["first"])
        window = retraining.plan_window(lake, test_from, date.fromisoformat(week["last"]))
        manifest = release.verify(retraining.staging(settings, window) / retraining.RELEASE)
        assert (manifest.release_id, manifest.watermark) == (week["challenger"], test_from - timedelta(days=1))
        assert Window(**manifest.settings["window"]) == window
        early = watches.filter(pc.less(watches["available_at"], days.start(test_from, lake.dataset.time_zone)))
        rows = lake.read(f"training/{test_from}").to_pylist()
        learnt = [row for row in rows if row["split"] != "test"]
        assert {r["impression_id"] for r in learnt if r["watched"]} <= set(early["impression_id"].to_pylist())
        assert all(row["retrieval__at"] is None or row["retrieval__at"] <= row["event_timestamp"] for row in rows)


def test_a_promotion_measured_again_from_the_ledger_was_worth_what_the_run_showed(found, home, monkeypatch):
    settings = Settings(home=home)
    second = found["weeks"][1]
    folders = {
        week["challenger"]: settings.root / "staging" / f"{week['first']}_{week['last']}" / retraining.RELEASE
        for week in found["weeks"]
    }
    monkeypatch.setattr(worth, "_fetch", lambda _, release_id: load_release(folders[release_id]))
    again = worth.page_gain(settings, gains.read(second["gain"]), None, policies.read(), seed=7)
    assert again.as_dict() == pytest.approx(second["gain"]["realised"][PAGE])
    following = gains.read(found["weeks"][2]["gain"])
    with pytest.raises(DataError, match="no day with features follows"):
        worth.page_gain(settings, following, None, policies.read(), seed=7)
    of_rows = replace(following, metric="ranker.auc")
    with pytest.raises(DataError, match=r"ranker\.auc is not of the page"):
        worth.page_gain(settings, of_rows, None, policies.read(), seed=7)
    monkeypatch.setattr(judgement.drawn, "slots", lambda *_: None)
    with pytest.raises(DataError, match=r"does not say how probable what it showed was: no ips_dcg@10"):
        worth.page_gain(settings, gains.read(second["gain"]), None, policies.read(), seed=7)


def test_days_that_come_later_change_nothing_before_them(found, world, tmp_path):
    cut = days.start(CUT, "UTC")
    shorter = tmp_path / "world"
    shorter.mkdir()
    for path in world.iterdir():
        if path.suffix == ".parquet":
            rows = pq.read_table(path)
            pq.write_table(rows.filter(pc.less(rows["available_at"], cut)), shorter / path.name)
        else:
            (shorter / path.name).write_bytes(path.read_bytes())
    until_then = run(shorter, tmp_path / "home", ahead=True)
    assert len(until_then["weeks"]) == 2
    for alone, among in zip(until_then["weeks"], found["weeks"], strict=False):
        same = ("first", "challenger", "champion", "verdict", "page", "popularity", "challenger_page", "reasons")
        assert {key: alone[key] for key in same} == {key: among[key] for key in same}
    assert until_then["weeks"][0]["gain"] == found["weeks"][0]["gain"]


def test_a_span_without_a_whole_step_is_refused(home, found):
    lake = Lake(Settings(home=home).lake_path)
    with pytest.raises(DataError, match="hold no 30 days from 2026-01-10 on: take a shorter step"):
        rolling.weeks(lake, RollingConfig(every_days=30, least_days=5))
    with pytest.raises(DataError, match="import them first"):
        rolling.weeks(Lake(home / "nowhere"), STEP)
