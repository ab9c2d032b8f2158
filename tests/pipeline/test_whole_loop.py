"""A data set through the whole of Marquee in one process, on a small world; and what a backtest refuses."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipelines import backtest
from pipelines.core import release
from pipelines.core.errors import DataError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.window import Window
from pipelines.evaluation.slices import BANDS, SLICES, UNKNOWN
from pipelines.judgement import Judgement, exam, judge
from pipelines.metrics.reliability import gap
from pipelines.promotion import policy as policies
from pipelines.promotion.gate import decide
from pipelines.released import load_release
from pipelines.rerank.ordering import OrderingConfig
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.world import simulate

# Ibis calls DuckDB by the old name of to_arrow_table.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

FIRST, TEST_FROM, TEST_TO = date(2026, 1, 5), date(2026, 1, 20), date(2026, 1, 22)
FIGURES = {
    "ranker": {"auc", "gauc", "log_loss", "ece"},
    "ranker_all_impressions": {"log_loss", "ece"},
    "candidates": {"recall@100"},
    "page": {"ndcg@10", "map@10", "mar@10", "f1@10", "ips_dcg@10"},
}
UNBOUNDED = {"log_loss", "ips_dcg@10"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loop") / "world"
    simulate(WorldConfig(seed=4, members=300, days=20), folder)
    return folder


def run(world: Path, home: Path, **options: Any) -> dict[str, Any]:
    given = {"source": "tables", "path": world, "test_from": TEST_FROM, "test_to": TEST_TO} | options
    return backtest.run(given.pop("source"), given.pop("path"), settings=Settings(home=home), seed=7, **given)


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("backtest") / "home"


@pytest.fixture(scope="module")
def answer(world: Path, home: Path, said: list[str]) -> dict[str, Any]:
    """What `marquee backtest tables --json` prints."""
    return json.loads(json.dumps(run(world, home, say=said.append), allow_nan=False))


def test_a_backtest_gives_every_figure_with_its_interval_for_the_release_and_for_popularity(answer):
    for side in (answer, answer["popularity"]):
        for part, names in FIGURES.items():
            assert set(side[part]) == names
            for name, figure in side[part].items():
                assert set(figure) == {"value", "low", "high"}, (part, name)
                assert 0 <= figure["low"] <= figure["value"] <= figure["high"], (part, name)
    for part, names in FIGURES.items():
        for name in names - UNBOUNDED:
            assert answer[part][name]["high"] <= 1


def test_it_learns_something_from_even_a_small_world(answer):
    assert answer["ranker"]["auc"]["low"] > 0.5
    assert answer["candidates"]["recall@100"]["value"] > 0.2


def test_how_pages_are_arranged_is_learnt_of_the_log(answer, home):
    (folder,) = home.glob("staging/*/release")
    arranged = json.loads((folder / "arranged.json").read_text(encoding="utf-8"))
    assert 0 <= arranged["ordering"]["prior"] < OrderingConfig().prior - 0.3
    assert 0.03 < arranged["diversity"]["rate"] < 0.3  # About the share of impressions that are watched.
    assert load_release(folder).manifest.settings.items() >= arranged.items()


def test_it_counts_what_its_figures_rest_on(answer):
    counts = answer["counts"]
    assert counts["rows_all_impressions"] > counts["rows"] > 1000
    assert counts["members"] >= counts["page_members"] > 30
    assert answer["import"]["tables"]["impressions"]["quarantined"] == 0


def test_its_window_and_its_release_are_named_and_the_release_is_whole(answer, home):
    assert answer["window"]["fit_from"] == FIRST.isoformat()
    assert (answer["window"]["test_from"], answer["window"]["test_to"]) == (str(TEST_FROM), str(TEST_TO))
    (folder,) = home.glob("staging/*/release")
    manifest = release.verify(folder)
    assert answer["release"] == manifest.release_id
    assert manifest.watermark < TEST_FROM
    assert manifest.metrics["page"] == answer["page"]


@pytest.fixture(scope="module")
def judged(answer: dict[str, Any], home: Path) -> Judgement:
    """The release judged again on fewer pages, each of which takes a tenth of a second by the clock that it is given,
    but for the first and the last."""
    (folder,) = home.glob("staging/*/release")
    pages = [5.0, *[0.1] * 38, 0.3]
    ticks = (tick for page in pages for tick in (0.0, page))
    window = Window.model_validate(answer["window"])
    settings = Settings(home=home)
    asked = exam(settings, window, seed=7, most_members=len(pages))
    return judge(settings, folder, window, seed=7, asked=asked, clock=ticks.__next__)


def test_its_evidence_tells_members_apart_by_what_was_known_of_them(judged, home):
    evidence = judged.evidence
    assert tuple(evidence.slices) == SLICES
    found = {name: set(words.tolist()) for name, words in evidence.slices.items()}
    assert found["tenure"] == {"new", "settled"}
    assert found["warmth"] == {"cold", "warm"}
    assert found["age_band"] <= {word for _, word in BANDS} | {UNKNOWN}
    lake = Lake(Settings(home=home).lake_path)
    shown = lake.read("impressions", TEST_FROM, TEST_TO).to_pandas().groupby("user_id")["device"].agg(list)
    devices = dict(zip(evidence.members.tolist(), evidence.slices["device"].tolist(), strict=True))
    most = {user: max(map(held.count, held)) for user, held in shown.items() if user in devices}
    assert len(most) > 100
    assert all(shown[user].count(devices[user]) == times for user, times in most.items())
    titles = lake.read("media").to_pandas()
    assert found["genre"] - {UNKNOWN} <= {genres[0] for genres in titles["genres"]}
    assert found["maturity"] - {UNKNOWN} <= set(titles["maturity_rating"])


def test_its_evidence_holds_coverage_calibration_latency_and_size(judged, home):
    figures = judged.evidence.figures
    assert figures["page.p50_ms"] == pytest.approx(100)
    assert 100 < figures["page.p99_ms"] <= 300
    assert 0 < figures["page.coverage@10"] < 1
    (folder,) = home.glob("staging/*/release")
    assert figures["release.size_mb"] == sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6
    assert gap(judged.evidence.reliability) == pytest.approx(figures["ranker_all_impressions.ece"])
    assert judged.evidence.reliability[:, 2].sum() == judged.counts["rows_all_impressions"]


def test_the_shipped_policy_finds_all_it_asks_for_in_the_evidence(judged):
    policy = policies.read()
    against_itself = decide(judged.evidence, judged.evidence, judged.floor, policy, seed=7)
    assert against_itself.verdict == "inconclusive"
    assert all(check.held for check in against_itself.limits)
    assert {part.finding for part in against_itself.parts} == {"shown", "too few"}
    assert {part.part.partition("=")[0] for part in against_itself.parts} == set(SLICES)


def test_it_says_what_it_is_doing(answer, said):
    assert [step.split()[0] for step in said] == ["import", "features", "training", "fit", "judge"]


def test_an_unknown_source_is_refused_with_those_there_are(world, tmp_path):
    with pytest.raises(DataError, match="source 'netflix' is not known: choose one of kuairand, movielens, tables"):
        run(world, tmp_path, source="netflix")


def test_a_folder_in_use_is_refused(answer, world, home):
    with pytest.raises(DataError, match="already holds a lake: give the backtest an empty folder"):
        run(world, home)


@pytest.mark.parametrize(
    ("test_from", "test_to", "message"),
    [
        (date(2027, 1, 1), None, "a test from 2027-01-01 to the end leaves nothing .* holds 2026-01-05 to 2026-01-24"),
        (date(2026, 1, 6), None, "a test from 2026-01-06 to the end .* choose days with two days of events before"),
        (TEST_FROM, date(2026, 1, 10), "a test from 2026-01-20 to 2026-01-10 leaves nothing to fit or to test on"),
    ],
)
def test_days_that_leave_nothing_to_fit_or_to_test_on_are_refused(world, tmp_path, test_from, test_to, message):
    with pytest.raises(DataError, match=message):
        run(world, tmp_path, test_from=test_from, test_to=test_to)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        run(tmp_path / "nowhere", tmp_path / "home")
