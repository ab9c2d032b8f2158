"""A run killed in the middle of its writing and run again leaves what a run that nobody killed leaves."""

import hashlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines import refreshing
from pipelines.core import durations
from pipelines.core.lake import DATA, Lake
from pipelines.core.settings import Settings
from pipelines.core.tables import TABLES
from pipelines.ingestion import job as ingestion
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.world import simulate
from pipelines.sources import SOURCES

# Ibis calls DuckDB by the old name of to_arrow_table.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

# A process that is killed while it writes its n-th file of the lake: half of it is on the disk, under its staged name.
FATAL = """
import os, signal, sys
from pathlib import Path
import pyarrow.parquet as pq
sys.path.insert(0, sys.argv[1])
import {module} as tested
close, closed, home = pq.ParquetWriter.close, [], Path(sys.argv[2])
def torn(self):
    close(self)
    path = Path(str(self.where))
    if path.is_relative_to(home / "lake") and "_staging" not in path.parts and path not in closed:
        closed.append(path)
        if len(closed) == int(sys.argv[3]):
            os.truncate(path, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
pq.ParquetWriter.close = torn
tested.{step}(home)
"""


def import_world(home: Path) -> None:
    """What marquee import does, from the world beside the home."""
    source = SOURCES["tables"](home.parent / "world")
    ingestion.ingest(Lake(Settings(home=home).lake_path), source.dataset, source.batches())


def refresh(home: Path) -> None:
    """What the task compute of refresh_features does, over every day again."""
    settings = Settings(home=home)
    refreshing.compute(settings, refreshing.plan(settings, "2026-01-05", None))


def killed(step: Callable[[Path], None], home: Path, nth: int) -> None:
    """Run the step in another process that is killed while it writes its n-th file of the lake."""
    here = Path(__file__)
    script = FATAL.format(module=here.stem, step=step.__name__)
    command = [sys.executable, "-c", script, str(here.parent), str(home), str(nth)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr[-3000:]


def files(home: Path) -> dict[str, str]:
    """Every file of the lake by its hash, watermarks and staged files included; not how long refreshes took."""
    lake = Settings(home=home).lake_path
    found = (path for path in lake.rglob("*") if path.is_file() and path.name != ".lock")
    names = {str(path.relative_to(lake)): path for path in found if durations.TABLE not in path.parts}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in names.items()}


def published(home: Path) -> dict[str, str]:
    return {name: digest for name, digest in files(home).items() if name.endswith(f"/{DATA}")}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a world, a home ``imported`` from it, and a home ``refreshed`` too; nothing was killed."""
    folder = tmp_path_factory.mktemp("clean")
    simulate(WorldConfig(seed=9, members=120, days=10, media=80), folder / "world")
    import_world(folder / "imported")
    shutil.copytree(folder / "imported", folder / "refreshed")
    refresh(folder / "refreshed")
    return folder


def test_an_import_killed_while_it_writes_is_completed_by_the_next(clean, tmp_path):
    (tmp_path / "world").symlink_to(clean / "world")
    killed(import_world, tmp_path / "home", nth=25)
    whole = published(clean / "imported")
    assert 20 < len(published(tmp_path / "home")) < len(whole)
    assert published(tmp_path / "home").items() < whole.items()
    import_world(tmp_path / "home")
    assert published(tmp_path / "home") == whole
    assert files(tmp_path / "home").keys() == files(clean / "imported").keys()


def test_a_refresh_killed_while_it_writes_is_completed_by_the_next(clean, tmp_path):
    home = Path(shutil.copytree(clean / "imported", tmp_path / "home"))
    killed(refresh, home, nth=30)
    assert published(home).items() < published(clean / "refreshed").items()
    assert Lake(Settings(home=home).lake_path).watermark("features") is None
    refresh(home)
    assert files(home) == files(clean / "refreshed")


def test_a_refresh_killed_over_older_features_leaves_those_until_it_is_run_again(clean, tmp_path):
    home = Path(shutil.copytree(clean / "refreshed", tmp_path / "home"))
    killed(refresh, home, nth=10)
    assert published(home) == published(clean / "refreshed")
    refresh(home)
    assert published(home) == published(clean / "refreshed")
    assert files(home).keys() == files(clean / "refreshed").keys()


def test_no_row_stands_twice(clean):
    lake = Lake(Settings(home=clean / "refreshed").lake_path)
    for name, table in TABLES.items():
        if lake.exists(name):
            rows = lake.read(name, columns=list(table.key))
            assert rows.group_by(list(table.key)).aggregate([]).num_rows == rows.num_rows, name
