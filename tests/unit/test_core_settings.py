"""Settings: embedded needs nothing, production refuses what is missing, and no message shows a secret."""

import os
from pathlib import Path

import pytest

from pipelines.core import settings
from pipelines.core.errors import SettingsError
from pipelines.core.settings import Settings

SERVERS = {
    "MARQUEE_EVENT_STORE_URL": "postgresql+psycopg://marquee:s3cret@db/events",
    "MARQUEE_MLFLOW_URL": "http://mlflow:5000",
    "MARQUEE_REDIS_URL": "redis://:s3cret@cache:6379/0",
    "MARQUEE_FEAST_REGISTRY_URL": "postgresql+psycopg://marquee:s3cret@db/feast",
    "MARQUEE_API_KEY": "s3cret",
}


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """No MARQUEE_ variable but those set here, in a folder without any file."""
    for name in [name for name in os.environ if name.startswith("MARQUEE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def test_embedded_needs_nothing_and_keeps_everything_in_one_folder(environment, tmp_path):
    found = settings.load()
    assert (found.profile, found.root) == ("embedded", tmp_path / "var")
    assert found.lake_path == tmp_path / "var" / "lake"
    assert found.event_store_address == f"sqlite:///{tmp_path}/var/events.db"
    assert found.mlflow_address == f"sqlite:///{tmp_path}/var/mlflow/mlflow.db"
    assert found.api_key_path == tmp_path / "var" / "api_key"
    assert not (tmp_path / "var").exists()


def test_a_home_is_absolute_so_that_other_processes_agree_on_it(environment, tmp_path):
    environment.setenv("MARQUEE_HOME", "elsewhere/../here")
    assert settings.load().root == tmp_path / "here"
    environment.setenv("MARQUEE_HOME", "~/marquee")
    assert settings.load().root == (Path.home() / "marquee").resolve()


def test_settings_are_read_when_asked_for(environment):
    before = settings.load()
    environment.setenv("MARQUEE_CHAMPION_POLL_SECONDS", "0.5")
    assert (before.champion_poll_seconds, settings.load().champion_poll_seconds) == (2.0, 0.5)


def test_production_names_every_server_that_is_missing(environment):
    environment.setenv("MARQUEE_PROFILE", "production")
    with pytest.raises(SettingsError) as refused:
        settings.load()
    assert all(name in str(refused.value) for name in SERVERS)
    assert "set them, or use profile embedded" in str(refused.value)


def test_production_takes_its_servers_by_url_alone(environment):
    for name, value in (SERVERS | {"MARQUEE_PROFILE": "production"}).items():
        environment.setenv(name, value)
    found = settings.load()
    assert found.event_store_address == SERVERS["MARQUEE_EVENT_STORE_URL"]
    assert found.mlflow_address == "http://mlflow:5000"


@pytest.mark.parametrize("missing", sorted(SERVERS))
def test_a_message_names_what_is_missing_and_shows_no_secret(environment, missing):
    for name, value in (SERVERS | {"MARQUEE_PROFILE": "production"}).items():
        environment.setenv(name, value)
    environment.delenv(missing)
    with pytest.raises(SettingsError, match=f"profile production needs {missing}:") as refused:
        settings.load()
    assert "s3cret" not in str(refused.value)


def test_settings_that_are_printed_show_no_secret(environment):
    for name, value in SERVERS.items():
        environment.setenv(name, value)
    assert "s3cret" not in repr(settings.load()) + str(settings.load())


def test_a_wrong_value_is_named_by_its_variable(environment):
    environment.setenv("MARQUEE_PROFILE", "staging")
    with pytest.raises(SettingsError, match="MARQUEE_PROFILE: Input should be 'embedded' or 'production'"):
        settings.load()
    environment.setenv("MARQUEE_PROFILE", "embedded")
    environment.setenv("MARQUEE_CHAMPION_POLL_SECONDS", "often")
    with pytest.raises(SettingsError, match=r"MARQUEE_CHAMPION_POLL_SECONDS: .* valid number"):
        settings.load()


def test_settings_cannot_be_changed_or_misspelt(environment):
    with pytest.raises(ValueError, match="frozen"):
        settings.load().home = Path("elsewhere")
    with pytest.raises(ValueError, match="homme"):
        Settings(homme="elsewhere")
