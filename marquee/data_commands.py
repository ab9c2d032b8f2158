"""`marquee import`, `world`: data in, in this process."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from marquee import console
from pipelines.core import settings as settings_module
from pipelines.core.settings import Settings

WORLD_FILE = "world.json"


class SourceName(StrEnum):
    """The layouts that can be imported."""

    kuairand = "kuairand"
    movielens = "movielens"
    tables = "tables"


class Difficulty(StrEnum):
    """How hard the world is to learn."""

    normal = "normal"
    hard = "hard"


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on stdout.")]
Folder = Annotated[Path, typer.Option("--path", help="The folder that holds the data set.", show_default=False)]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], show_default=False)]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("import")(import_)
    app.command()(world)


def import_(source: SourceName, path: Folder, as_json: Json = False) -> None:
    """Bring a data set into the lake (MARQUEE_HOME/lake). Doing it again changes nothing."""
    report = import_folder(settings_module.load(), source, path)
    if as_json:
        console.result(report)
        return
    rows = [
        (name, t["rows_in"], t["published"], t["duplicates"], t["quarantined"], _reasons(t["reasons"]))
        for name, t in report["tables"].items()
    ]
    columns = ("table", "rows in", "published", "duplicates", "quarantined", "why")
    console.table(f"Imported {source} from {path}", columns, rows)


def world(
    to: Annotated[Path, typer.Option(help="The folder to write.", show_default=False)],
    seed: Annotated[int, typer.Option(min=0)] = 7,
    members: Annotated[int, typer.Option(min=20)] = 2000,
    days: Annotated[int, typer.Option(min=1)] = 56,
    difficulty: Difficulty = Difficulty.normal,
    as_json: Json = False,
) -> None:
    """Write a synthetic streaming service with known truth as canonical tables."""
    report = make_world(to, seed=seed, members=members, days=days, difficulty=difficulty)
    if as_json:
        console.result(report)
        return
    console.table(f"World {report['fingerprint'][:12]} in {to}", ("table", "rows"), list(report["rows"].items()))


def import_folder(settings: Settings, source: str, path: Path) -> dict[str, Any]:
    """Import a folder with a progress bar; a world's description is kept beside its tables."""
    from pipelines.core.lake import Lake
    from pipelines.ingestion import job
    from pipelines.sources import SOURCES

    found = SOURCES[source](path)
    simulated = (path / WORLD_FILE).exists()
    with console.progress("importing", found.total_bytes, unit="bytes") as advance:
        report = job.ingest(
            Lake(settings.lake_path),
            found.dataset,
            found.batches(),
            on_progress=lambda table, _rows: advance(found.bytes_read, table),
            until=None if simulated else datetime.now(UTC),  # A world has a calendar of its own.
        )
    if simulated:
        shutil.copyfile(path / WORLD_FILE, settings.lake_path / WORLD_FILE)
    return report.as_dict()


def make_world(to: Path, *, seed: int, members: int, days: int, difficulty: str) -> dict[str, Any]:
    """Simulate a world with a progress bar."""
    from pipelines.simulation.config import WorldConfig
    from pipelines.simulation.world import simulate

    config = WorldConfig.model_validate({"seed": seed, "members": members, "days": days, "difficulty": str(difficulty)})
    with console.progress("simulating", days, unit="days") as advance:
        return simulate(config, to, lambda done, _total: advance(done, "")).as_dict()


@contextmanager
def empty_home(settings: Settings, home: Path | None, purpose: str) -> Iterator[Settings]:
    """The same settings with a home of their own, thrown away afterwards unless it was named."""
    if home is not None:
        yield settings.model_copy(update={"home": home})
        return
    began = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    settings.root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{purpose}-{began}-", dir=settings.root) as folder:
        yield settings.model_copy(update={"home": Path(folder)})


def _reasons(counts: dict[str, int]) -> str:
    return "; ".join(f"{reason}: {count:,}" for reason, count in counts.items())
