"""Opening Feast: imported at a fifth of its price, configured from our settings, its definitions loaded by path."""

import contextlib
import importlib
import io
import os
import string
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from pipelines.core.errors import FeatureError, SettingsError
from pipelines.core.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2] / "feature_repo"
MODULES = ("entities", "sources", "views", "services")


def import_feast() -> Any:
    """The feast module, without its runtime type checks and without torch: 1.3 s of CPU to import, not 5.5 s.

    Feast decorates its classes with typeguard.typechecked, which recompiles each (about half of the time), and imports
    torch for embeddings, which we never ask it for. Python -O would skip the first. Both are set back at once, and so
    are the warning filters that it changes.
    """
    if "feast" in sys.modules:
        return sys.modules["feast"]
    os.environ.setdefault("FEAST_USAGE", "False")
    with warnings.catch_warnings(), _without_typeguard(), _without_torch():
        return importlib.import_module("feast")


@contextlib.contextmanager
def _without_typeguard() -> Iterator[None]:
    import typeguard

    real = typeguard.typechecked

    def unchecked(target: Any = None, **_: Any) -> Any:
        return target if target is not None else lambda inner: inner

    typeguard.typechecked = unchecked
    try:
        yield
    finally:
        typeguard.typechecked = real


@contextlib.contextmanager
def _without_torch() -> Iterator[None]:
    if "torch" in sys.modules:
        yield
        return
    sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["torch"]


def configuration(settings: Settings) -> Any:
    """Feast's RepoConfig: the embedded profile's file, and each server that has a URL as the production profile has it.

    Raises:
        SettingsError: a URL cannot be read.
    """
    import_feast()
    from feast.repo_config import RepoConfig

    chosen = _profile(REPOSITORY / "feature_store.yaml", settings)
    production = _profile(REPOSITORY / "profiles" / "production.yaml", settings)
    if settings.feast_registry_url:
        chosen["registry"] = production["registry"]
    if settings.redis_url:
        chosen["online_store"] = production["online_store"]
    (settings.root / "feast").mkdir(parents=True, exist_ok=True)
    return RepoConfig(repo_path=settings.root / "feast", **chosen)


def _profile(path: Path, settings: Settings) -> dict[str, Any]:
    values = {
        "MARQUEE_HOME": str(settings.root),
        "MARQUEE_FEAST_REGISTRY_URL": settings.feast_registry_url.get_secret_value()
        if settings.feast_registry_url
        else "",
        "MARQUEE_REDIS_ADDRESS": redis_address(settings.redis_url.get_secret_value()) if settings.redis_url else "",
    }
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as exc:
        raise SettingsError(f"{path} is missing: run from a checkout of Marquee, or its image") from exc
    profile = yaml.safe_load(string.Template(text).substitute(values))
    return dict(profile)


def redis_address(url: str) -> str:
    """Feast's spelling of a Redis URL: ``redis://:secret@host:6379/1`` is ``host:6379,db=1,password=secret``."""
    parts = urlsplit(url)
    if parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise SettingsError("MARQUEE_REDIS_URL is no Redis URL: write redis://host:6379/0 or rediss://:password@host")
    options = {
        "db": parts.path.strip("/") or None,
        "username": parts.username or None,
        "password": parts.password,
        "ssl": "true" if parts.scheme == "rediss" else None,
    }
    given = [f"{name}={value}" for name, value in options.items() if value]
    return ",".join([f"{parts.hostname}:{parts.port or 6379}", *given])


def definitions(settings: Settings) -> Any:
    """What feature_repo declares for this lake, as Feast's RepoContents; it reads settings from the environment.

    The modules are executed afresh, since they speak of one lake, and leave nothing in sys.modules.
    """
    import_feast()
    from feast.repo_operations import RepoContents

    with _environment(MARQUEE_HOME=str(settings.root)), _on_path(REPOSITORY):
        modules = [importlib.import_module(name) for name in MODULES]
    found = {kind: _instances(modules, kind) for kind in _kinds()}
    return RepoContents(
        projects=[],
        data_sources=found["data_sources"],
        entities=found["entities"],
        feature_views=found["feature_views"],
        feature_services=found["feature_services"],
        on_demand_feature_views=found["on_demand_feature_views"],
        stream_feature_views=[],
        label_views=[],
        permissions=[],
    )


def _kinds() -> dict[str, type]:
    import feast
    from feast.data_source import DataSource

    return {
        "data_sources": DataSource,
        "entities": feast.Entity,
        "feature_views": feast.FeatureView,
        "feature_services": feast.FeatureService,
        "on_demand_feature_views": feast.OnDemandFeatureView,
    }


def _instances(modules: list[Any], kind: str) -> list[Any]:
    wanted = _kinds()[kind]
    return list({id(v): v for m in modules for v in vars(m).values() if isinstance(v, wanted)}.values())


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _on_path(folder: Path) -> Iterator[None]:
    shadowed = {name: sys.modules.pop(name) for name in MODULES if name in sys.modules}
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in MODULES:
            sys.modules.pop(name, None)
        sys.modules.update(shadowed)


def apply(store: Any, contents: Any) -> None:
    """Make the registry say what ``contents`` say, removals included; FeatureError when Feast refuses a definition."""
    from feast.project import Project
    from feast.repo_operations import apply_total_with_repo_instance

    contents.projects.append(Project(name=store.project, description="Marquee"))
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "On demand feature view is an experimental feature", RuntimeWarning)
            apply_total_with_repo_instance(store, store.project, store.registry, contents, skip_source_validation=True)
    except ValueError as exc:
        raise FeatureError(f"Feast refuses the feature definitions: {exc}") from exc
