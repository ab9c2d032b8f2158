"""The model registry: releases as registered versions in MLflow, moved by alias.

A release is one version of ``marquee-release``: its folder lies under the artifact path ``release`` of a run in the
experiment ``marquee``. Its parts are registered too (``marquee-generator-als``, ``marquee-ranker-gbdt``), for lineage.
"""

import importlib
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pipelines.core import release
from pipelines.core.errors import ReleaseError
from pipelines.core.release import Manifest
from pipelines.core.settings import Settings

EXPERIMENT = "marquee"
MODEL = "marquee-release"
FOLDER = "release"
CHAMPION, CHALLENGER = "champion", "challenger"
LOCAL = {"127.0.0.1", "localhost", "::1", None}
ENVIRONMENT = {
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
"""Unless the environment says otherwise: no telemetry, nothing printed, a server that is down noticed in seconds."""


class RegisteredRelease(NamedTuple):
    """A version of ``marquee-release`` and the release that it is."""

    version: int
    release_id: str


class ModelRegistry:
    """MLflow at ``settings.mlflow_address``: a server, or a database itself. Nothing is reached until asked for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def register(
        self,
        folder: Path,
        manifest: Manifest,
        metrics: Mapping[str, float],
        tags: Mapping[str, str] | None = None,
        parts: Mapping[str, str] | None = None,
    ) -> int:
        """Store a sealed release folder and return its version; the same release again returns the version it has.

        metrics: name -> figure (MLflow allows no @, which becomes _at_). tags: put on run and version beside
        release_id and watermark. parts: what to register for lineage, such as ``generator-als`` -> its path in the
        folder; None registers every generator and the ranker of the manifest, by the whole folder.
        """
        with self._answering():
            found = self._find(MODEL, manifest.release_id)
            if found is not None:
                return found
            about = {"release_id": manifest.release_id, "watermark": manifest.watermark.isoformat(), **(tags or {})}
            run_id = self._log_run(folder, manifest, metrics, about)
            for name, path in (_parts(manifest) if parts is None else parts).items():
                self._add_version(f"marquee-{name}", f"{FOLDER}/{path}".rstrip("/"), run_id, about)
            return self._add_version(MODEL, FOLDER, run_id, about)

    def champion(self) -> RegisteredRelease | None:
        """The release that serves, None where none was promoted yet."""
        return self.alias(CHAMPION)

    def alias(self, alias: str) -> RegisteredRelease | None:
        """The release that an alias names, None where it names none."""
        with self._answering():
            version = self._aliases().get(alias)
            if version is None:
                return None
            held = self._client.get_model_version(MODEL, str(version))
        return RegisteredRelease(int(version), held.tags.get("release_id", ""))

    def set_alias(self, alias: str, version: int) -> None:
        """Move (or create) an alias."""
        with self._answering(version):
            self._client.get_model_version(MODEL, str(version))
            self._client.set_registered_model_alias(MODEL, alias, str(version))

    def releases(self) -> list[RegisteredRelease]:
        """Every registered release, the newest first."""
        with self._answering():
            found = self._client.search_model_versions(f"name = '{MODEL}'")
            held = (RegisteredRelease(int(v.version), v.tags.get("release_id", "")) for v in found)
            return sorted(held, reverse=True)

    def version_of(self, release_id: str) -> int | None:
        """The version that a release is, None where it is not registered."""
        with self._answering():
            return self._find(MODEL, release_id)

    def tags(self, version: int) -> dict[str, str]:
        """What stands on a version: release_id, watermark, verdict."""
        with self._answering(version):
            return dict(self._client.get_model_version(MODEL, str(version)).tags)

    def tag(self, version: int, tags: Mapping[str, str]) -> None:
        """Put tags on a version."""
        with self._answering(version):
            for key, value in tags.items():
                self._client.set_model_version_tag(MODEL, str(version), key, value)

    def describe(self, version: int, text: str) -> None:
        """Put a description (markdown) on a version, which MLflow's page shows."""
        with self._answering(version):
            self._client.update_model_version(MODEL, str(version), text)

    def attach(self, version: int, path: Path, artifact_path: str | None = None) -> None:
        """Store a file or a folder beside the release, in the version's run: a model card, a drift report."""
        with self._answering(version):
            run_id = self._client.get_model_version(MODEL, str(version)).run_id
            log = self._client.log_artifacts if path.is_dir() else self._client.log_artifact
            log(run_id, str(path), artifact_path)

    def download(self, version: int, into: Path) -> Path:
        """The release's folder ``into/<release_id>``, fetched if it is not there, and verified.

        Raises:
            ReleaseError: where the version is unknown, or what is stored is not the release it says it is.
        """
        with self._answering(version):
            held = self._client.get_model_version(MODEL, str(version))
        release_id = str(held.tags.get("release_id"))
        folder = into / release_id
        if folder.exists() and _is_whole(folder):
            return folder
        staged = into / f".{uuid.uuid4().hex}.tmp"
        staged.mkdir(parents=True)
        try:
            with self._answering(version):
                self._client.download_artifacts(held.run_id, FOLDER, str(staged))
            _must_be(staged / FOLDER, release_id, version)
            shutil.rmtree(folder, ignore_errors=True)
            (staged / FOLDER).rename(folder)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        return folder

    def _log_run(self, folder: Path, manifest: Manifest, metrics: Mapping[str, float], tags: Mapping[str, str]) -> str:
        from mlflow.entities import Metric, Param

        run = self._client.create_run(self._experiment(), run_name=manifest.release_id, tags=dict(tags))
        run_id: str = run.info.run_id
        figures = [Metric(name.replace("@", "_at_"), value, run.info.start_time, 0) for name, value in metrics.items()]
        said = {"ranker": manifest.ranker, "generators": ", ".join(manifest.generators), "dataset": manifest.dataset}
        said |= {"trained_from": str(manifest.trained_from), "seed": str(manifest.seed), "git": manifest.git_commit}
        self._client.log_batch(run_id, metrics=figures, params=[Param(key, value) for key, value in said.items()])
        self._client.log_artifacts(run_id, str(folder), FOLDER)
        self._client.set_terminated(run_id)
        return run_id

    def _add_version(self, name: str, path: str, run_id: str, tags: Mapping[str, str]) -> int:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(name)
        except MlflowException as exc:
            if exc.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        version = self._client.create_model_version(name, f"runs:/{run_id}/{path}", run_id, tags=dict(tags))
        return int(version.version)

    def _find(self, name: str, release_id: str) -> int | None:
        found = self._client.search_model_versions(f"name = '{name}' and tags.release_id = '{release_id}'")
        return min((int(v.version) for v in found), default=None)

    def _aliases(self) -> Mapping[str, str]:
        from mlflow.exceptions import MlflowException

        try:
            return dict(self._client.get_registered_model(MODEL).aliases)
        except MlflowException as exc:
            if exc.error_code == "RESOURCE_DOES_NOT_EXIST":
                return {}
            raise

    def _experiment(self) -> str:
        found = self._client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        return str(self._client.create_experiment(EXPERIMENT, artifact_location=self._artifacts()))

    def _artifacts(self) -> str | None:
        """On one machine the files lie in the home, with a server or without one; elsewhere the server decides."""
        address = urlsplit(self._settings.mlflow_address)
        remote = address.scheme in ("http", "https") and address.hostname not in LOCAL
        if remote or self._settings.profile == "production":
            return None
        return (self._settings.root / "mlflow" / "artifacts").as_uri()

    @cached_property
    def _client(self) -> Any:
        """MLflow's client; the first use of a database file creates its tables, which takes some seconds."""
        _quieten()
        _leave_feast_out()
        from mlflow import MlflowClient

        address = self._settings.mlflow_address
        if address.startswith("sqlite:"):
            (self._settings.root / "mlflow").mkdir(parents=True, exist_ok=True)
        return MlflowClient(tracking_uri=address, registry_uri=address)

    @contextmanager
    def _answering(self, version: int | None = None) -> Iterator[None]:
        """Say in our words what MLflow could not do, or that it has no such version."""
        _quieten()
        from mlflow.exceptions import MlflowException
        from requests import RequestException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (MlflowException, SQLAlchemyError, RequestException) as exc:
            if getattr(exc, "error_code", None) == "RESOURCE_DOES_NOT_EXIST" and version is not None:
                raise ReleaseError(f"{MODEL} has no version {version} (or its files are gone): {exc}") from exc
            address = self._settings.mlflow_address
            said = _first_line(exc).replace(address, _shown(address))[:200]
            raise ReleaseError(
                f"MLflow at {_shown(address)} could not answer ({said}): "
                "see that it runs (marquee up) and that MARQUEE_MLFLOW_URL names it"
            ) from exc


def _first_line(exc: Exception) -> str:
    return (str(exc).splitlines() or [type(exc).__name__])[0]


def _quieten() -> None:
    """MLflow reads the environment when it is imported and at each call."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def _leave_feast_out() -> None:
    """Feast registers a header provider with MLflow that imports all of Feast at the first call: 8 s for no header."""
    from mlflow.utils import plugins

    every = plugins.get_entry_points
    plugins.get_entry_points = lambda group: [e for e in every(group) if e.name != "feast"]
    try:
        importlib.import_module("mlflow.tracking.request_header.registry")
    finally:
        plugins.get_entry_points = every


def _parts(manifest: Manifest) -> dict[str, str]:
    return {**{f"generator-{name}": "" for name in manifest.generators}, f"ranker-{manifest.ranker}": ""}


def _is_whole(folder: Path) -> bool:
    try:
        return release.verify(folder).release_id == folder.name
    except ReleaseError:
        return False


def _must_be(folder: Path, release_id: str, version: int) -> None:
    found = release.verify(folder).release_id
    if found != release_id:
        raise ReleaseError(
            f"{MODEL} version {version} is tagged {release_id} and holds {found}: register the release again"
        )


def _shown(address: str) -> str:
    """The address without a user's name and password."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
