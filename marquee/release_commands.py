"""`marquee release`: what is registered, what it is made of, what two differ in; the champion moved, or moved back."""

import getpass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from marquee import console, release_pages
from pipelines.core import settings as settings_module
from pipelines.core.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on stdout.")]
Name = Annotated[str, typer.Argument(help="A version, a release id, champion or challenger.", show_default=False)]
Reason = Annotated[str | None, typer.Option(help="Why, for whoever reads the ledger.", show_default=False)]
By = Annotated[
    str | None, typer.Option("--by", help="Who decides; you, by your login, if not given.", show_default=False)
]

commands = typer.Typer(no_args_is_help=True, help="What is registered, and which release serves.")


def register(app: typer.Typer) -> None:
    """Add the group `release`."""
    app.add_typer(commands, name="release")


@commands.command("list")
def list_(as_json: Json = False) -> None:
    """Every registered release, the newest first: its verdict, aliases, days learnt from and tested on."""
    from pipelines.adapters.model_registry import ModelRegistry
    from pipelines.core.errors import ReleaseError
    from pipelines.promotion import shelf

    registry, rows = ModelRegistry(settings_module.load()), list[dict[str, Any]]()
    for listed in registry.listed():
        try:
            rows.append(release_pages.line(listed, shelf.opened(registry, listed)))
        except ReleaseError as exc:
            rows.append(release_pages.line(listed, None) | {"problem": str(exc)})
    if as_json:
        console.result({"releases": rows})
    else:
        release_pages.show_list(rows)


@commands.command()
def show(name: Name, as_json: Json = False) -> None:
    """What a release is made of, its figures with their intervals, and what the gate said of it and why."""
    held = _opened(settings_module.load(), name)
    if as_json:
        console.result(release_pages.told(held))
    else:
        release_pages.show(held)


@commands.command()
def diff(left: Name, right: Name, as_json: Json = False) -> None:
    """What two releases differ in: generators, ranker, features, data, settings, code; and their figures."""
    from pipelines.promotion.difference import differences

    settings = settings_module.load()
    a, b = _opened(settings, left), _opened(settings, right)
    found = differences(a, b)
    if as_json:
        sides = {"left": a.listed.release_id, "right": b.listed.release_id}
        console.result(
            {**sides, "differences": [one._asdict() for one in found], "figures": release_pages.beside(a, b)}
        )
    else:
        release_pages.show_differences(a, b, found)


@commands.command()
def promote(
    name: Name,
    approve: Annotated[bool, typer.Option("--approve", help="Approve it first, whatever the gate said.")] = False,
    reason: Reason = None,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Make a release champion: by its promote verdict, an approval that it has, or yours, which needs a reason."""
    from pipelines.promotion import moves

    settings, at, actor = settings_module.load(), datetime.now(UTC), by or getpass.getuser()
    release_id = _found(settings, name).release_id
    if approve:
        moves.approve(settings, release_id, at=at, actor=actor, reason=reason or "")
    moved = moves.promote(settings, release_id, at=at, actor=actor, reason=reason)
    release_pages.show_move(moved.as_dict(), as_json)


@commands.command()
def rollback(
    to: Annotated[str | None, typer.Argument(help="A version or release id that has served.")] = None,
    reason: Reason = None,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Go back to the release that served before the champion, or to the one named; the whole set moves at once."""
    from pipelines.promotion import moves

    settings, at, actor = settings_module.load(), datetime.now(UTC), by or getpass.getuser()
    target = _found(settings, to).release_id if to else None
    moved = moves.roll_back(settings, to=target, at=at, actor=actor, reason=reason or "")
    release_pages.show_move(moved.as_dict(), as_json)


def _found(settings: Settings, name: str) -> Any:
    from pipelines.adapters.model_registry import ModelRegistry
    from pipelines.promotion import shelf

    return shelf.find(ModelRegistry(settings), name)


def _opened(settings: Settings, name: str) -> Any:
    from pipelines.adapters.model_registry import ModelRegistry
    from pipelines.promotion import shelf

    return shelf.opened(ModelRegistry(settings), _found(settings, name))
