"""`marquee release`: look at releases, and whether one is whole."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from marquee import console
from marquee.data_commands import Json
from pipelines.core import settings as settings_module
from pipelines.core.errors import ReleaseError, RequestError
from pipelines.core.settings import Settings

release_app = typer.Typer(no_args_is_help=True, help="Releases: content-hashed sets that move as one.")
Named = Annotated[
    str | None, typer.Argument(metavar="[PATH or ID]", help="A folder or a release; the champion by default.")
]


def register(front: typer.Typer) -> None:
    """Add this module's commands."""
    front.add_typer(release_app, name="release")


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
