"""`marquee import`, `world`, `backtest`: data in, figures out, in this process."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
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
    for command in (world, backtest):
        app.command()(command)


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


def backtest(
    source: SourceName,
    path: Folder,
    test_from: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Train before it, score from it on.")],
    test_to: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The last day scored; the data's last by default.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 7,
    home: Annotated[
        Path | None, typer.Option(help="An empty folder to keep everything in; thrown away by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train on everything before a day and score the days from it on, in past time."""
    from pipelines import backtest as backtests

    with empty_home(settings_module.load(), home, "backtest") as settings:
        figures = backtests.run(
            source.value,
            path,
            settings=settings,
            test_from=test_from.date(),
            test_to=_date(test_to),
            seed=seed,
            say=console.say,
        )
    if as_json:
        console.result(figures)
    else:
        console.table(f"Backtest of {source} from {test_from.date()} on", ("figure", "value"), _figures(figures))


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


def _figures(value: Any, name: str = "") -> list[tuple[str, str]]:
    """The figures of a nested report as lines, ``ranker.auc  0.8610 (0.8580 to 0.8640)``, and its outermost words."""
    if isinstance(value, dict) and set(value) == {"value", "low", "high"}:
        return [(name, "{value:.4f} ({low:.4f} to {high:.4f})".format(**value))]
    if isinstance(value, dict):
        return [line for key, part in value.items() for line in _figures(part, f"{name}.{key}".lstrip("."))]
    return [] if "." in name else [(name, str(value))]


def _reasons(counts: dict[str, int]) -> str:
    return "; ".join(f"{reason}: {count:,}" for reason, count in counts.items())


def _date(moment: datetime | None) -> date | None:
    return moment.date() if moment else None
