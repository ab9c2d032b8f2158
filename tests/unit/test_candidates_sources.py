"""A release's blend, the report of its sources beside it, and the command that prints it."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from marquee.cli import app
from pipelines.candidates import FITTED, GENERATORS, job
from pipelines.candidates.popularity import FittedPopularity
from pipelines.core import dataset as datasets
from pipelines.core.contracts import Codes, Floats, History
from pipelines.core.dataset import Dataset
from pipelines.core.errors import ReleaseError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.tables import MEDIA, WATCHES
from pipelines.core.window import Window

# Ibis calls DuckDB by the old name of to_arrow_table.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

FIRST = date(2022, 4, 1)
WINDOW = Window(fit_from=FIRST, calibrate_from=date(2022, 4, 4), test_from=date(2022, 4, 5), test_to=date(2022, 4, 5))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Twelve members watch one title each day, even members even titles."""
    made = Settings(home=tmp_path_factory.mktemp("home"))
    lake, begin = Lake(made.lake_path), datetime(2022, 4, 1, 12, tzinfo=UTC)
    datasets.write(Dataset(name="small", source="tables"), lake.root)
    shelf = [{"media_id": f"m{n:02d}", "available_at": begin - timedelta(days=30)} for n in range(20)]
    lake.publish("media", pa.Table.from_pylist(shelf, schema=MEDIA.schema()))
    for day in range(5):
        rows = []
        for user in range(12):
            at = begin + timedelta(days=day, minutes=user)
            ids = {"watch_id": f"{user}-{day}", "user_id": f"u{user}", "media_id": f"m{(user + 2 * day) % 20:02d}"}
            rows.append(ids | {"started_at": at, "available_at": at, "completion": 0.95})
        lake.publish("watches", pa.Table.from_pylist(rows, schema=WATCHES.schema()), FIRST + timedelta(days=day))
    return made


@pytest.fixture(scope="module")
def release(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    job.fit(settings, WINDOW, into=folder, seed=7)
    return folder


def test_fitting_leaves_the_blend_and_what_each_source_adds_to_it(settings: Settings, release: Path, tmp_path) -> None:
    blend, told = job.load_blend(release), job.load_sources(release)
    assert set(blend.weights) == set(blend.smoothings) == set(told["sources"]) == set(GENERATORS)
    assert told["members"] == 12
    assert 0 <= told["blend"]["value"] <= 1
    assert {name: one["weight"] for name, one in told["sources"].items()} == blend.weights
    job.fit(settings, WINDOW, into=tmp_path, seed=7)
    for name in (job.BLEND, job.SOURCES):
        written = [(folder / job.FOLDER / name).read_text(encoding="utf-8") for folder in (release, tmp_path)]
        assert written[0] == written[1]


def test_the_command_prints_recall_cost_and_share_of_each_source(release: Path) -> None:
    done = CliRunner().invoke(app, ["sources", "--release", str(release)])
    assert done.exit_code == 0, done.output
    for word in (*GENERATORS, "unique recall", "ms a member"):
        assert word in done.stdout
    told = json.loads(CliRunner().invoke(app, ["sources", "--release", str(release), "--json"]).stdout)
    assert all(one["milliseconds"] > 0 for one in told["sources"].values())


def test_a_release_made_before_its_sources_were_measured_says_so(release: Path, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="retrain to have its sources measured"):
        job.load_sources(tmp_path)
    assert CliRunner().invoke(app, ["sources", "--release", str(tmp_path)]).exit_code == 1


def test_a_loaded_generator_was_asked_once_so_that_no_member_waits(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class Recording(FittedPopularity):
        def candidates(self, histories: Sequence[History], k: int) -> tuple[Codes, Floats]:
            asked.append(len(histories))
            return super().candidates(histories, k)

    monkeypatch.setitem(FITTED, "popularity", Recording)
    job.load(release)
    assert asked == [1]
