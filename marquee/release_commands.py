"""`marquee release`: what is registered, what two differ in, whether one is whole; the champion moved or moved back."""

import getpass
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from marquee import console, release_pages
from marquee.data_commands import Json
from pipelines.core import settings as settings_module
from pipelines.core.errors import ReleaseError, RequestError
from pipelines.core.settings import Settings

release_app = typer.Typer(no_args_is_help=True, help="Releases: content-hashed sets that move as one.")
Named = Annotated[
    str | None, typer.Argument(metavar="[PATH or ID]", help="A folder or a release; the champion by default.")
]
Name = Annotated[str, typer.Argument(help="A version, a release id, champion or challenger.", show_default=False)]
Reason = Annotated[str | None, typer.Option(help="Why, for whoever reads the ledger.", show_default=False)]
By = Annotated[
    str | None, typer.Option("--by", help="Who decides; you, by your login, if not given.", show_default=False)
]


def register(front: typer.Typer) -> None:
    """Add this module's commands."""
    front.add_typer(release_app, name="release")


@release_app.command("list")
def list_(as_json: Json = False) -> None:
    """Every registered release, the newest first: its verdict, aliases, days learnt from and tested on."""
    from pipelines.adapters.model_registry import ModelRegistry
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


@release_app.command()
def show(name: Name, as_json: Json = False) -> None:
    """What a release is made of, its figures with their intervals, and what the gate said of it and why."""
    held = _opened(settings_module.load(), name)
    if as_json:
        console.result(release_pages.told(held))
    else:
        release_pages.show(held)


@release_app.command()
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


@release_app.command()
def weigh(
    challenger: Name,
    champion: Annotated[str, typer.Argument(help="What it is compared with.")] = "champion",
    first: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="The first day.")] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="The last day.")] = None,
    as_json: Json = False,
) -> None:
    """What a release would have earned beyond another in the exploration slots of past days, by logged propensities.

    The days that the challenger was tested on, where none are given.
    """
    from pipelines import counterfactual
    from pipelines.released import load_release

    settings = settings_module.load()
    with _folder(settings, challenger) as one, _folder(settings, champion) as other:
        sides = load_release(one), load_release(other)
        tested = sides[0].manifest.settings["window"]
        days = [
            chosen.date() if chosen else date.fromisoformat(tested[name])
            for chosen, name in ((first, "test_from"), (last, "test_to"))
        ]
        found = counterfactual.weigh(settings, *sides, *days)
    if as_json:
        console.result(found.as_dict())
    else:
        console.line(f"{days[0]} to {days[1]}\n{found.describe()}")


@release_app.command()
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


@release_app.command()
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


@release_app.command()
def verify(release: Named = None, as_json: Json = False) -> None:
    """Check every file against the manifest, load every part, and refuse a set whose members disagree (exit code 1)."""
    from pipelines.core.release import members
    from pipelines.released import load_release

    with _folder(settings_module.load(), release) as folder:
        manifest = load_release(folder).manifest
    parts = {part: len(files) for part, files in members(manifest).items()}
    if as_json:
        console.result(manifest.model_dump(mode="json") | {"release_id": manifest.release_id, "members": parts})
        return
    console.line(f"release {manifest.release_id} is whole: {len(manifest.files)} files, as they were sealed")
    told = [
        ("ranker", manifest.ranker),
        ("generators", ", ".join(manifest.generators)),
        ("features", f"{manifest.feature_service} {manifest.feature_fingerprint}"),
        ("trained", f"{manifest.dataset}, {manifest.trained_from} to {manifest.watermark}, seed {manifest.seed}"),
        ("made by", f"git {manifest.git_commit[:12]}, lock {manifest.lock_hash[:12]}"),
        ("members", ", ".join(f"{part} {count}" for part, count in parts.items())),
    ]
    console.table("Release", ("", ""), told)


def _found(settings: Settings, name: str) -> Any:
    from pipelines.adapters.model_registry import ModelRegistry
    from pipelines.promotion import shelf

    return shelf.find(ModelRegistry(settings), name)


def _opened(settings: Settings, name: str) -> Any:
    from pipelines.adapters.model_registry import ModelRegistry
    from pipelines.promotion import shelf

    return shelf.opened(ModelRegistry(settings), _found(settings, name))


@contextmanager
def _folder(settings: Settings, release: str | None) -> Iterator[Path]:
    """The folder that was named, or the release's files as the registry has them."""
    if release is not None and Path(release).is_dir():
        yield Path(release)
        return
    from pipelines.adapters.model_registry import ModelRegistry
    from pipelines.promotion import moves

    registry = ModelRegistry(settings)
    if release is None:
        champion = moves.champion(settings)
        if champion is None:
            raise ReleaseError("no release is champion: name a folder or a release")
        version: int | None = champion.version
    else:
        version = registry.version_of(release)
    if version is None:
        held = ", ".join(r.release_id for r in registry.releases()[:5]) or "none"
        raise RequestError(f"{release} is neither a folder nor a registered release: the newest are {held}")
    with tempfile.TemporaryDirectory(prefix="marquee-release-") as into:
        yield registry.download(version, Path(into))
