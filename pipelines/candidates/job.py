"""The stage's tasks: read, fit, save."""

from pathlib import Path

from pipelines.candidates import FITTED, GENERATORS
from pipelines.candidates.interactions import interactions
from pipelines.core import days
from pipelines.core.contracts import FittedGenerator
from pipelines.core.errors import ReleaseError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.window import Window

FOLDER = "generators"


def fit(settings: Settings, window: Window, *, into: Path, seed: int) -> list[str]:
    """Fit every registered generator on what was known when the test begins, save it below ``into``, name them all."""
    lake = Lake(settings.lake_path)
    as_of = days.start(window.test_from, lake.dataset.time_zone)
    known = interactions(lake, as_of)
    for name, method in GENERATORS.items():
        folder = into / FOLDER / name
        folder.mkdir(parents=True, exist_ok=True)
        method().fit(known, as_of=as_of, seed=seed).save(folder)
    return list(GENERATORS)


def load(release: Path) -> dict[str, FittedGenerator]:
    """The generators of a release, by name; ReleaseError names one that this version does not know."""
    found = {}
    for folder in sorted((release / FOLDER).iterdir()):
        if folder.name not in FITTED:
            raise ReleaseError(f"{release} holds generator {folder.name!r}, which is not one of {', '.join(FITTED)}")
        found[folder.name] = FITTED[folder.name].load(folder)
    return found
