"""What is registered, for a person to look at: a release by any of its names, its manifest, what the gate said."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from pipelines.adapters.model_registry import CHALLENGER, CHAMPION, FOLDER, ListedRelease, ModelRegistry
from pipelines.core.errors import ReleaseError, RequestError
from pipelines.core.release import MANIFEST, Manifest

REFERENCE, TRAINING_REPORT, VERDICT = "monitoring/reference.json", "training_set.json", "evidence/verdict.json"


@dataclass(frozen=True)
class Registered:
    """A release as registered. ``verdict`` is empty where the gate said nothing of it; ``features``: by name."""

    listed: ListedRelease
    manifest: Manifest
    verdict: Mapping[str, Any]
    features: frozenset[str]

    @property
    def test_window(self) -> tuple[str, str] | None:
        """The days that it was judged on, None where the manifest does not say."""
        window = self.manifest.settings.get("window")
        return (window["test_from"], window["test_to"]) if window else None


def find(registry: ModelRegistry, name: str) -> ListedRelease:
    """The release that ``name`` names: an alias, a version's number, or a release id.

    Raises:
        RequestError: where nothing is called so, with what there is.
    """
    listed = registry.listed()
    for one in listed:
        if name in (*one.aliases, str(one.version), one.release_id):
            return one
    known = ", ".join(f"{one.version} ({one.release_id})" for one in listed[:10]) or "none: run the retrain DAG"
    raise RequestError(
        f"no release is called {name!r}: give a version, a release id, {CHAMPION} or {CHALLENGER}; there is {known}"
    )


def opened(registry: ModelRegistry, listed: ListedRelease) -> Registered:
    """Its manifest, verdict and features, without fetching the models.

    Raises:
        ReleaseError: where the manifest is missing, unreadable, or of another release than the version is tagged.
    """
    version = listed.version
    try:
        manifest = Manifest.model_validate_json(registry.document(version, f"{FOLDER}/{MANIFEST}"))
    except ValidationError as exc:
        raise ReleaseError(f"the manifest of version {version} cannot be read: register the release again") from exc
    if manifest.release_id != listed.release_id:
        raise ReleaseError(
            f"version {version} is tagged {listed.release_id} and its manifest is of {manifest.release_id}: "
            "it was changed; register the release again"
        )
    features = _json(registry, version, f"{FOLDER}/{REFERENCE}") if REFERENCE in manifest.files else {}
    verdict = _json(registry, version, VERDICT) if "verdict" in listed.tags else {}
    return Registered(listed, manifest, verdict, frozenset(features))


def _json(registry: ModelRegistry, version: int, path: str) -> dict[str, Any]:
    """Empty where the file is not there or holds no JSON: what is shown beside a release never hides the release."""
    try:
        found = json.loads(registry.document(version, path))
    except (ReleaseError, ValueError):
        return {}
    return dict(found)
