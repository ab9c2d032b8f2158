"""Spark needs Java: without it these tests skip, saying so; with it and without pyspark they fail with the remedy."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.features import job
from pipelines.ingestion import job as ingestion
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.world import simulate
from pipelines.sources import SOURCES

NO_JAVA = "there is no Java: Spark needs 17 or newer (apt-get install openjdk-17-jre)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in here:
        item.add_marker(pytest.mark.spark)
        if not _java():
            item.add_marker(pytest.mark.skip(reason=NO_JAVA))


def _java() -> bool:
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java") is not None or bool(home and (Path(home) / "bin" / "java").exists())


@pytest.fixture(scope="session")
def spark():
    """An Ibis backend on one Spark session of two threads for all tests."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    try:
        from pipelines.features import spark as engine

        backend = engine.connect()
    except ImportError as exc:
        pytest.fail(f"there is Java, and no pyspark ({exc}): run `make test-spark`, which installs the extra spark")
    yield backend
    backend._session.stop()


@pytest.fixture(scope="session")
def settings(tmp_path_factory) -> Settings:
    """The lake of a world of twelve days, its features computed by DuckDB."""
    folder = tmp_path_factory.mktemp("spark")
    simulate(WorldConfig(seed=5, members=60, days=12), folder / "world")
    found = Settings(home=folder / "home")
    source = SOURCES["tables"](folder / "world")
    lake = Lake(found.lake_path)
    ingestion.ingest(lake, source.dataset, source.batches())
    days = lake.days("watches")
    job.refresh(found, days[0], days[-1])
    return found
