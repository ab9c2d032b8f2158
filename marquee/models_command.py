"""`marquee models`: every registered method on a world, as tables; and the comparison of docs/models.md."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from marquee import console, data_commands, models_page
from marquee.data_commands import Difficulty, Json
from pipelines.core import settings as settings_module

PAGE = Path(__file__).resolve().parent.parent / "docs" / "models.md"


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(models)


def models(
    docs: Annotated[bool, typer.Option("--docs", help="Write the comparison into docs/models.md.")] = False,
    members: Annotated[int, typer.Option(min=20, help="Members of the world.")] = 1000,
    days: Annotated[int, typer.Option(min=4, help="Days of the world.")] = 49,
    test_days: Annotated[int, typer.Option(min=1, help="Its last days, which are scored.")] = 7,
    difficulty: Difficulty = Difficulty.normal,
    seed: Annotated[int, typer.Option(min=0)] = 11,
    home: Annotated[
        Path | None, typer.Option(help="An empty folder to keep everything in; thrown away by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """What each generator and each ranker is worth on a synthetic world, and what it costs."""
    asked = {"members": members, "days": days, "test_days": test_days, "difficulty": difficulty.value, "seed": seed}
    found = _measured(asked, home)
    command = "marquee models " + " ".join(f"--{name.replace('_', '-')} {value}" for name, value in asked.items())
    if docs:
        _write(found, command)
    if as_json:
        console.result(found)
    elif docs:
        console.line(f"written: {PAGE}")
    else:
        show(found, command)


def show(found: models_page.Found, command: str) -> None:
    """A table of the generators and one of the rankers."""
    for part in models_page.PARTS:
        headings = ("", *(column.heading for column in models_page.COLUMNS[part]))
        rows = [(name, *models_page.cells(part, of)) for name, of in found[part].items()]
        console.table(part.capitalize(), headings, rows)
    console.line(models_page.told(found, command))


def _measured(asked: dict[str, Any], home: Path | None) -> dict[str, Any]:
    from pipelines import methods
    from pipelines.simulation.config import WorldConfig

    given = dict(asked)
    test_days = given.pop("test_days")
    with data_commands.empty_home(settings_module.load(), home, "models") as settings:
        folder = settings.root / "world"
        console.say(f"making a world of {given['members']} members and {given['days']} days")
        data_commands.make_world(folder, **given)
        first = WorldConfig.model_validate(given).start
        test_from = first + timedelta(days=given["days"] - test_days)
        return methods.run(
            "tables", folder, settings=settings, test_from=test_from, seed=given["seed"], say=console.say
        )


def _write(found: models_page.Found, command: str) -> None:
    """The page, between its markers, and its pictures."""
    filled = models_page.filled(PAGE.read_text(encoding="utf-8"), found, command)
    for part, name in models_page.PICTURES.items():
        picture = PAGE.parent / name
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_text(models_page.chart(part, found), encoding="utf-8")
    PAGE.write_text(filled, encoding="utf-8")
