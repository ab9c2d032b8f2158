"""A rehearsal: the same code on a copy of the lake that costs no disk, so that what it would publish can be counted.

The copy is made of hard links. A lake's files are never changed in place, only replaced, so the lake itself stays as it
was, and a file that was replaced is told by being another one.

    <home>/rehearsals/<name>/lake/...
"""

import filecmp
import os
import shutil
import uuid
from collections import Counter
from pathlib import Path

from pydantic import SecretStr

from pipelines.core import durations
from pipelines.core.settings import Settings

FOLDER = "rehearsals"
ABANDONED_SECONDS = 86_400
"""A rehearsal that was killed is removed by the next one after so long."""


def begin(settings: Settings) -> Path:
    """The home of a new rehearsal."""
    home = settings.root / FOLDER / uuid.uuid4().hex
    home.mkdir(parents=True)
    for other in home.parent.iterdir():
        if home.stat().st_mtime - other.stat().st_mtime > ABANDONED_SECONDS:
            end(other)
    if settings.lake_path.exists():
        shutil.copytree(settings.lake_path, home / "lake", copy_function=_link, ignore=_in_progress)
    return home


def inside(settings: Settings, home: Path) -> Settings:
    """The settings of the rehearsal: its own home and online store; events are read where they are."""
    held = settings.event_store_url or (settings.root / "events.db").exists()
    own = {"home": home, "redis_url": None, "feast_registry_url": None, "mlflow_url": None}
    return settings.model_copy(
        update=own | ({"event_store_url": SecretStr(settings.event_store_address)} if held else {})
    )


def outcome(settings: Settings, home: Path) -> dict[str, dict[str, int]]:
    """What would be published: table -> partitions that are ``new``, ``changed`` or written again the ``same``."""
    found: dict[str, Counter[str]] = {}
    rehearsed = inside(settings, home).lake_path
    for file in sorted(rehearsed.rglob("*.parquet")):
        place = file.relative_to(rehearsed)
        before = settings.lake_path / place
        table = "/".join(part for part in place.parent.parts if not part.startswith("day="))
        if table != durations.TABLE and not (before.exists() and before.samefile(file)):
            found.setdefault(table, Counter())[_verdict(before, file)] += 1
    return {table: dict(counts) for table, counts in found.items()}


def end(home: Path) -> None:
    """Remove the rehearsal."""
    shutil.rmtree(home, ignore_errors=True)


def _verdict(before: Path, after: Path) -> str:
    if not before.exists():
        return "new"
    return "same" if filecmp.cmp(before, after, shallow=False) else "changed"


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # A file system without hard links: the rehearsal then costs the lake's size.
        shutil.copy2(source, target)


def _in_progress(_folder: str, names: list[str]) -> list[str]:
    """Locks, half-written files and staging folders are of the lake's own writers."""
    return [name for name in names if name[0] in "._"]
