"""A release in memory: verified against its manifest, every part loaded, or not at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.candidates import job as candidates
from pipelines.core import release
from pipelines.core.contracts import FittedGenerator, FittedRanker
from pipelines.core.errors import ReleaseError
from pipelines.core.release import Manifest
from pipelines.ranking import job as ranking


@dataclass(frozen=True)
class LoadedRelease:
    """A release in memory, all of one manifest."""

    manifest: Manifest
    generators: Mapping[str, FittedGenerator]
    ranker: FittedRanker

    @property
    def release_id(self) -> str:
        return self.manifest.release_id


def load_release(folder: Path) -> LoadedRelease:
    """Verify the folder against its manifest, then load every part; ReleaseError when anything disagrees."""
    manifest = release.verify(folder)
    loaded = LoadedRelease(manifest, candidates.load(folder), ranking.load(folder))
    if set(loaded.generators) != set(manifest.generators):
        raise ReleaseError(f"release {manifest.release_id} names generators {manifest.generators}: it holds others")
    method = ranking.method_of(folder)
    if method != manifest.ranker:
        raise ReleaseError(f"release {manifest.release_id} names the ranker {manifest.ranker}: it holds {method}")
    return loaded
