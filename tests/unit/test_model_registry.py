"""The registry on a real MLflow, embedded in a SQLite file."""

import shutil
import socket
import time
from datetime import date
from pathlib import Path

import pytest

from pipelines.adapters.model_registry import MODEL, ModelRegistry
from pipelines.core import release
from pipelines.core.errors import ReleaseError
from pipelines.core.settings import Settings

pytestmark = [
    # MLflow 3.17 maps its tables with a loader strategy that SQLAlchemy 2.1 deprecates.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
    # MLflow keeps one engine a database file for the life of the process.
    pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning"),
]


def seal(folder, seed):
    (folder / "generators" / "als").mkdir(parents=True)
    (folder / "generators" / "als" / "factors.npz").write_bytes(b"factors")
    return release.write(
        folder,
        generators=("als", "popularity"),
        ranker="gbdt",
        feature_service="ranking",
        feature_fingerprint="f",
        dataset="tiny",
        time_zone="UTC",
        watermark=date(2022, 4, 28),
        trained_from=date(2022, 4, 1),
        seed=seed,
        settings={},
        metrics={},
        git_commit="c",
        lock_hash="l",
    )


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    template = tmp_path_factory.getbasetemp() / "mlflow-template.db"  # MLflow takes seconds to create its tables
    if template.exists():
        (settings.root / "mlflow").mkdir()
        shutil.copy(template, settings.root / "mlflow" / "mlflow.db")
    else:
        ModelRegistry(settings).champion()
        shutil.copy(settings.root / "mlflow" / "mlflow.db", template)
    return settings


@pytest.fixture(scope="module")
def registry(settings):
    return ModelRegistry(settings)


@pytest.fixture(scope="module")
def registered(registry, tmp_path_factory):
    folder = tmp_path_factory.mktemp("staged") / "one"
    manifest = seal(folder, seed=1)
    assert registry.champion() is None
    version = registry.register(folder, manifest, {"page.ndcg@10": 0.25}, {"verdict": "promote"})
    return folder, manifest, version


def test_a_registered_release_bears_its_id_watermark_and_verdict(registry, registered):
    _, manifest, version = registered
    assert registry.tags(version) == {
        "release_id": manifest.release_id,
        "watermark": "2022-04-28",
        "verdict": "promote",
    }
    assert (version, manifest.release_id) in registry.releases()


def test_the_same_release_keeps_its_version(registry, registered):
    folder, manifest, version = registered
    assert registry.register(folder, manifest, {}) == version


def test_parts_are_registered_for_lineage(registry, registered):
    _, manifest, _ = registered
    names = {m.name: m.latest_versions[0].tags["release_id"] for m in registry._client.search_registered_models()}
    parts = {"marquee-generator-als", "marquee-generator-popularity", "marquee-ranker-gbdt"}
    assert parts <= names.keys()
    assert {names[part] for part in parts} == {manifest.release_id}


def test_metrics_stand_in_mlflow_by_their_names(registry, registered):
    _, _, version = registered
    run = registry._client.get_run(registry._client.get_model_version(MODEL, str(version)).run_id)
    assert run.data.metrics == {"page.ndcg_at_10": 0.25}
    assert run.info.status == "FINISHED"


def test_an_alias_names_a_release_and_moves(registry, registered, tmp_path):
    _, manifest, version = registered
    registry.set_alias("champion", version)
    assert registry.champion() == (version, manifest.release_id)
    other = seal(tmp_path / "two", seed=2)
    newer = registry.register(tmp_path / "two", other, {})
    registry.set_alias("champion", newer)
    assert registry.champion() == (newer, other.release_id)
    assert registry.alias("challenger") is None


def test_a_release_comes_back_whole(registry, registered, tmp_path):
    folder, manifest, version = registered
    fetched = registry.download(version, tmp_path)
    assert fetched == tmp_path / manifest.release_id
    assert release.verify(fetched) == manifest
    assert release.hashes(fetched) == release.hashes(folder)
    assert list(tmp_path.iterdir()) == [fetched]


def test_a_spoilt_local_copy_is_fetched_again(registry, registered, tmp_path):
    _, manifest, version = registered
    fetched = registry.download(version, tmp_path)
    (fetched / "generators" / "als" / "factors.npz").write_bytes(b"spoilt")
    assert release.verify(registry.download(version, tmp_path)) == manifest


def test_a_release_that_was_changed_in_the_registry_is_refused(registry, settings, tmp_path):
    manifest = seal(tmp_path / "three", seed=3)
    version = registry.register(tmp_path / "three", manifest, {})
    (stored,) = [
        path
        for path in (settings.root / "mlflow" / "artifacts").rglob("manifest.json")
        if release.verify(path.parent) == manifest
    ]
    (stored.parent / "generators" / "als" / "factors.npz").write_bytes(b"changed")
    with pytest.raises(ReleaseError, match=r"is not whole: generators/als/factors\.npz was changed"):
        registry.download(version, tmp_path / "fetched")
    assert list((tmp_path / "fetched").iterdir()) == []


def test_a_report_is_kept_beside_the_release_and_does_not_change_it(registry, registered, tmp_path):
    _, manifest, version = registered
    (tmp_path / "drift.html").write_text("<p>drift</p>")
    registry.attach(version, tmp_path / "drift.html", "monitoring")
    run_id = registry._client.get_model_version(MODEL, str(version)).run_id
    assert [a.path for a in registry._client.list_artifacts(run_id, "monitoring")] == ["monitoring/drift.html"]
    assert release.verify(registry.download(version, tmp_path / "fetched")) == manifest


def test_an_unknown_version_is_named(registry, registered, tmp_path):
    with pytest.raises(ReleaseError, match="marquee-release has no version 99"):
        registry.set_alias("champion", 99)
    with pytest.raises(ReleaseError, match="marquee-release has no version 99"):
        registry.download(99, tmp_path)


def test_a_server_that_is_down_is_named_within_seconds(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://ada:secret@127.0.0.1:{free.getsockname()[1]}"
    began = time.monotonic()
    with pytest.raises(
        ReleaseError, match=r"MLflow at http://127\.0\.0\.1:\d+ could not answer.*MARQUEE_MLFLOW_URL"
    ) as e:
        ModelRegistry(Settings(home=tmp_path, mlflow_url=url)).champion()
    assert "secret" not in str(e.value)
    assert time.monotonic() - began < 10
    assert list(Path(tmp_path).iterdir()) == []
