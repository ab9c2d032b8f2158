"""docker-compose.yml, the Dockerfile and .env.example agree with each other, with the schema and with the settings."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.core.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
VARIABLE = re.compile(r"(?<!\$)\$\{(?P<name>[A-Z_]+)(?P<rest>[^}]*)\}")


@pytest.fixture(scope="module")
def text() -> str:
    return (ROOT / "docker-compose.yml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def compose(text: str) -> dict[str, Any]:
    return dict(yaml.safe_load(text))


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return dict(compose["services"])


@pytest.fixture(scope="module")
def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text(encoding="utf-8")


def environment_of(service: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in service.get("environment", {}).items()}


def test_the_compose_file_follows_the_published_schema() -> None:
    tool = Path(sys.executable).with_name("check-jsonschema")
    command = [str(tool), "--builtin-schema", "vendor.compose-spec", str(ROOT / "docker-compose.yml")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_schema_check_refuses_a_misspelt_key(tmp_path: Path, compose: dict[str, Any]) -> None:
    wrong = {**compose, "services": {**compose["services"], "api": {"imagee": "marquee-api"}}}
    (tmp_path / "docker-compose.yml").write_text(yaml.safe_dump(wrong), encoding="utf-8")
    tool = Path(sys.executable).with_name("check-jsonschema")
    command = [str(tool), "--builtin-schema", "vendor.compose-spec", str(tmp_path / "docker-compose.yml")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 1
    assert "imagee" in checked.stdout


def test_it_holds_the_real_parts(services: dict[str, Any]) -> None:
    parts = {"postgres", "redis", "mlflow", "evidently", "api"}
    airflow = {"airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"}
    assert parts | airflow <= services.keys()


def test_every_variable_is_explained_in_the_example_and_every_one_there_is_used(text: str) -> None:
    used = {match["name"] for match in VARIABLE.finditer(text)}
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert used == set(re.findall(r"^([A-Z_]+)=", example, flags=re.MULTILINE))


def test_a_variable_without_a_default_says_what_to_set(text: str) -> None:
    for match in VARIABLE.finditer(text):
        name, rest = match["name"], match["rest"]
        assert rest.startswith(":-") or rest == f":?set {name} in .env", match[0]


def test_no_secret_has_a_value_in_the_repository(text: str) -> None:
    secret = re.compile(r"(PASSWORD|SECRET|KEY)")
    assert all(m["rest"].startswith(":?") for m in VARIABLE.finditer(text) if secret.search(m["name"]))
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    values = dict(re.findall(r"^([A-Z_]+)=(.*)$", example, flags=re.MULTILINE))
    assert not [name for name, value in values.items() if secret.search(name) and value]


def test_every_image_has_a_version(services: dict[str, Any], dockerfile: str) -> None:
    images = [service["image"] for service in services.values()]
    images += re.findall(r"^FROM (\S+:\S+)", dockerfile, flags=re.MULTILINE)
    assert [image for image in images if not re.search(r":\d+\.\d+", image)] == []


def test_every_build_target_is_a_stage_of_the_dockerfile(services: dict[str, Any], dockerfile: str) -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", dockerfile, flags=re.MULTILINE))
    assert {s["build"]["target"] for s in services.values() if "build" in s} == {"platform", "api"} <= stages


def test_who_waits_for_health_waits_for_a_service_that_has_a_healthcheck(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for other, wanted in service.get("depends_on", {}).items():
            assert other in services, f"{name} waits for {other}, which is not there"
            if wanted["condition"] == "service_healthy":
                assert "healthcheck" in services[other], f"{name} waits for the health of {other}"


def test_every_server_has_a_healthcheck(services: dict[str, Any]) -> None:
    assert {name for name, service in services.items() if "healthcheck" not in service} == {"airflow-migrate"}


def test_every_volume_that_is_mounted_is_declared(compose: dict[str, Any], services: dict[str, Any]) -> None:
    mounted = {mount.split(":")[0] for service in services.values() for mount in service.get("volumes", [])}
    assert mounted == set(compose["volumes"])


def test_ports_are_open_to_this_machine_only(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert len(ports) == 4
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_each_server_has_a_database_of_its_own_and_each_is_created(compose: dict[str, Any], text: str) -> None:
    created = set(re.findall(r"CREATE DATABASE (\w+);", compose["configs"]["databases"]["content"]))
    assert created == set(re.findall(r"@postgres:5432/(\w+)", text)) == {"airflow", "mlflow", "feast", "events"}


@pytest.mark.parametrize("name", ["api", "airflow-scheduler"])
def test_the_environment_is_a_whole_production_profile(
    name: str, services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = {key: value for key, value in environment_of(services[name]).items() if key.startswith("MARQUEE_")}
    known = {f"MARQUEE_{field.upper()}" for field in Settings.model_fields}
    assert ours.keys() <= known
    for key, value in ours.items():
        monkeypatch.setenv(key, VARIABLE.sub("secret", value))
    settings = Settings()
    assert settings.profile == "production"
    assert settings.event_store_address == "postgresql+psycopg://marquee:secret@postgres:5432/events"


def test_the_api_image_installs_neither_airflow_nor_torch(dockerfile: str) -> None:
    stages = dict(re.findall(r"^FROM base AS (\w+)\n(.*?)(?=^FROM|\Z)", dockerfile, flags=re.MULTILINE | re.DOTALL))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {stage: set(re.findall(r"--extra (\w+)", body)) for stage, body in stages.items()}
    assert extras["api"] == {"production"}
    assert extras["api"] < extras["platform"] <= project["optional-dependencies"].keys()
    installed = [*project["dependencies"], *project["optional-dependencies"]["production"]]
    assert not [line for line in installed if line.startswith(("apache-airflow", "torch"))]


def test_images_and_set_up_use_the_same_uv(dockerfile: str) -> None:
    script = (ROOT / "marquee" / "setup.sh").read_text(encoding="utf-8")
    assert re.findall(r"uv==([\d.]+)", dockerfile) == re.findall(r"^UV_VERSION=([\d.]+)$", script, flags=re.MULTILINE)


def test_only_airflow_can_sign_a_promotion_and_the_api_can_verify_it(services: dict[str, Any]) -> None:
    private = {
        name: {k for k in environment_of(of) if re.fullmatch(r"MARQUEE_[A-Z]+ER_KEY", k)}
        for name, of in services.items()
    }
    assert private["api"] == {"MARQUEE_SERVER_KEY"}
    assert private["airflow-scheduler"] == {"MARQUEE_TRAINER_KEY", "MARQUEE_PROMOTER_KEY"}
    assert {name for name, held in private.items() if "MARQUEE_PROMOTER_KEY" in held} == {
        name for name in services if name.startswith("airflow-")
    }
    for name in ("api", "airflow-scheduler"):
        assert "MARQUEE_PROMOTER_PUBLIC_KEY" in environment_of(services[name])
