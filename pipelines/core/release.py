"""A release is one thing: a folder of files under one manifest whose hash is the release's id.

Serving, the gate and rollback handle the folder whole: a file that was changed, added or lost makes ``verify`` refuse.
"""

import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipelines.core.config import Config
from pipelines.core.errors import ReleaseError

MANIFEST = "manifest.json"


class Manifest(Config):
    """What a release is made of and what it was made from. ``files`` maps each path to its sha256."""

    files: dict[str, str]
    generators: tuple[str, ...]
    ranker: str
    feature_service: str
    feature_fingerprint: str
    dataset: str
    time_zone: str
    watermark: date
    """The last day that any part was fitted on or calibrated with."""
    trained_from: date
    seed: int
    settings: dict[str, Any]
    metrics: dict[str, Any]
    git_commit: str
    lock_hash: str

    @property
    def release_id(self) -> str:
        """Twelve hex digits over the whole manifest: equal content, equal id."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]


def digest(path: Path) -> str:
    """The sha256 of a file, read in pieces."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def hashes(folder: Path) -> dict[str, str]:
    """Every file below ``folder`` but the manifest, by relative path."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)
    return {p.relative_to(folder).as_posix(): digest(p) for p in paths}


def write(folder: Path, **content: Any) -> Manifest:
    """Seal the files in ``folder`` under a manifest, and return it."""
    manifest = Manifest(files=hashes(folder), **content)
    (folder / MANIFEST).write_text(json.dumps(manifest.model_dump(mode="json"), indent=2), encoding="utf-8")
    return manifest


def members(manifest: Manifest) -> dict[str, list[str]]:
    """The files of a release by what they belong to: the folder (of a generator, its own), else the file itself."""
    found: dict[str, list[str]] = {}
    for name in sorted(manifest.files):
        parts = name.split("/")
        depth = 2 if parts[0] == "generators" and len(parts) > 2 else 1
        found.setdefault("/".join(parts[:depth]), []).append(name)
    return found


def verify(folder: Path) -> Manifest:
    """Read the manifest and check every file against it.

    Raises:
        ReleaseError: naming each file that is missing, added or changed.
    """
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise ReleaseError(f"{folder} holds no {MANIFEST}: it is not a release") from exc
    except (ValidationError, UnicodeDecodeError) as exc:
        raise ReleaseError(f"{folder / MANIFEST} cannot be read: take the release from the registry again") from exc
    found = hashes(folder)
    wrong = [
        *(f"{name} is missing" for name in sorted(manifest.files.keys() - found.keys())),
        *(f"{name} was added" for name in sorted(found.keys() - manifest.files.keys())),
        *(f"{name} was changed" for name in sorted(found) if manifest.files.get(name, found[name]) != found[name]),
    ]
    if wrong:
        raise ReleaseError(
            f"release {manifest.release_id} is not whole: {', '.join(wrong)}; take it from the registry again"
        )
    return manifest
