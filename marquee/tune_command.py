"""`marquee tune`: settings of a ranker, searched on the days before one."""

import json
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from marquee import console
from marquee.data_commands import Folder, Json, SourceName, empty_home
from pipelines.core import settings as settings_module


class Aim(StrEnum):
    """What a search makes better."""

    log_loss = "log_loss"
    auc_gauc = "auc_gauc"


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(tune)


def tune(
    source: SourceName,
    path: Folder,
    until: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Look at no day from this one on.")],
    method: Annotated[str, typer.Option(help="The ranker, as retrain names it.")] = "gbdt",
    trials: Annotated[int, typer.Option(min=1, help="The method's own settings are the first.")] = 30,
    minutes: Annotated[float, typer.Option(min=0.1, help="Begin no trial after so long.")] = 60.0,
    objective: Annotated[Aim, typer.Option(help="The mean over folds that is made better.")] = Aim.log_loss,
    folds: Annotated[int, typer.Option(min=2, help="Tests, each trained before.")] = 3,
    test_days: Annotated[int, typer.Option(min=1, help="Days of each test.")] = 2,
    seed: Annotated[int, typer.Option(min=0)] = 7,
    to: Annotated[Path | None, typer.Option(help="A JSON file for the settings that were best.")] = None,
    home: Annotated[
        Path | None, typer.Option(help="An empty folder to keep everything in; thrown away by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Search a ranker's settings by time-series cross-validation on past days."""
    from pipelines import tuning
    from pipelines.ranking.search import SearchConfig

    config = SearchConfig(trials=trials, minutes=minutes, objective=objective.value, folds=folds, test_days=test_days)
    with empty_home(settings_module.load(), home, "tune") as settings:
        found = tuning.run(
            source.value,
            path,
            settings=settings,
            until=until.date(),
            method=method,
            config=config,
            seed=seed,
            say=console.say,
        )
    if to is not None:
        to.write_text(json.dumps(found["options"], indent=2), encoding="utf-8")
    if as_json:
        console.result(found)
        return
    rows = [
        (n, f"{trial['value']:.5f}", f"{trial['seconds']:.0f}", json.dumps(trial["options"]))
        for n, trial in enumerate(found["trials"], start=1)
    ]
    console.table(
        f"Settings of {method} on {source} before {until.date()}", ("trial", objective, "s", "settings"), rows
    )
    console.line(
        f"best: {found['value']:.5f}, its own settings {found['own_value']:.5f}; {json.dumps(found['options'])}"
    )
