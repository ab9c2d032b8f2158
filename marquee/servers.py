"""The four servers of the embedded stack: what is run, where it listens, how it is asked whether it is well."""

import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from marquee import rest
from pipelines.core.errors import StackError

REPOSITORY = Path(__file__).resolve().parents[1]
HOST = "127.0.0.1"
LOGINS = ("admin", "viewer")


@dataclass(frozen=True)
class Server:
    """``command(home, port)`` is run; the server is up once ``healthy(url)`` says so; ``stop`` is its polite signal."""

    name: str
    port: int
    command: Callable[[Path, int], list[str]]
    healthy: Callable[[str], bool]
    stop: signal.Signals = signal.SIGTERM
    patience_seconds: float = 15.0
    needs: str | None = None


def _program(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _mlflow(home: Path, port: int) -> list[str]:
    places = ["--backend-store-uri", f"sqlite:///{home}/mlflow/mlflow.db"]
    places += ["--artifacts-destination", str(home / "mlflow" / "artifacts")]
    return [_program("mlflow"), "server", *places, "--host", HOST, "--port", str(port), "--workers", "1"]


def _evidently(home: Path, port: int) -> list[str]:
    return [_program("evidently"), "ui", "--workspace", str(home / "evidently"), "--host", HOST, "--port", str(port)]


def _api(_home: Path, port: int) -> list[str]:
    app = ["serving.app:create_app", "--factory"]
    return [sys.executable, "-m", "uvicorn", *app, "--host", HOST, "--port", str(port), "--no-access-log"]


def _airflow_healthy(url: str) -> bool:
    parts = rest.get(f"{url}/api/v2/monitor/health", timeout=5.0)
    return all(parts[part]["status"] == "healthy" for part in ("metadatabase", "scheduler", "dag_processor"))


def _api_healthy(url: str) -> bool:
    """It answers, and has loaded the champion or knows why it has none."""
    return rest.get(f"{url}/healthz", timeout=5.0)["loading"] is False


SERVERS = {
    server.name: server
    for server in (
        # Airflow ends its own children on SIGINT only; SIGTERM would leave them behind.
        Server(
            "airflow",
            8080,
            lambda _home, _port: [_program("airflow"), "standalone"],
            _airflow_healthy,
            stop=signal.SIGINT,
            patience_seconds=30.0,
        ),
        Server("mlflow", 5000, _mlflow, lambda url: rest.answers(f"{url}/health")),
        Server("evidently", 8001, _evidently, lambda url: rest.answers(f"{url}/api/version")),
        Server("api", 8000, _api, _api_healthy, needs="mlflow"),
    )
}


def url(port: int) -> str:
    """The address of a server of this stack."""
    return f"http://{HOST}:{port}"


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def choose_port(server: str, preferred: int, taken: set[int], *, named: bool) -> int:
    """The preferred port or the next free one; StackError when a port asked for by name is in use."""
    if named and (preferred in taken or not is_free(preferred)):
        raise StackError(
            f"port {preferred} for {server} is in use: stop what listens there, "
            f"name another with --port {server}=N, or leave --port out and a free one is chosen"
        )
    for port in range(preferred, min(preferred + 1000, 65536)):
        if port not in taken and is_free(port):
            return port
    raise StackError(f"no free port from {preferred} on for {server}: name one with --port {server}=N")


def make_logins(home: Path) -> bool:
    """Write Airflow's logins once, readable by their owner only. True when they are new."""
    path = home / "airflow" / "logins.json"
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        json.dump({name: secrets.token_urlsafe(12) for name in LOGINS}, stream)
    return True


def logins(home: Path) -> dict[str, str]:
    """Airflow's user names and passwords."""
    found: dict[str, str] = json.loads((home / "airflow" / "logins.json").read_text(encoding="utf-8"))
    return found


def environment(home: Path, ports: Mapping[str, int], inherited: Mapping[str, str]) -> dict[str, str]:
    """What every server gets, so that all of them agree on where the others are.

    Airflow settings of the caller's shell are left out: they could point at another database.
    """
    kept = {name: value for name, value in inherited.items() if not name.startswith("AIRFLOW")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    addresses = {f"MARQUEE_{name.upper()}_URL": url(ports[name]) for name in ("mlflow", "evidently", "api")}
    return {
        **kept,
        **addresses,
        **_airflow_environment(home, ports),
        "MARQUEE_HOME": str(home),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), inherited.get("PATH", os.defpath)]),
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONUNBUFFERED": "1",
        # A BLAS with threads of its own spins on the cores that the servers and tasks share.
        "OPENBLAS_NUM_THREADS": "1",
        "DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "GIT_PYTHON_REFRESH": "quiet",
        "NO_PROXY": ",".join(filter(None, [inherited.get("NO_PROXY"), HOST, "localhost"])),
    }


def _airflow_environment(home: Path, ports: Mapping[str, int]) -> dict[str, str]:
    address = url(ports["airflow"])
    settings = {
        "API__HOST": HOST,
        "API__PORT": str(ports["airflow"]),
        "API__BASE_URL": address,
        "CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": str(max(2, min(4, os.cpu_count() or 2))),
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{name}" for name in LOGINS),
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "airflow" / "logins.json"),
        "DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow/airflow.db",
        "LOGGING__BASE_LOG_FOLDER": str(home / "logs" / "tasks"),
        "LOGGING__WORKER_LOG_SERVER_PORT": str(ports["airflow-worker-log"]),
        "LOGGING__TRIGGER_LOG_SERVER_PORT": str(ports["airflow-triggerer-log"]),
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
    }
    return {"AIRFLOW_HOME": str(home / "airflow"), **{f"AIRFLOW__{key}": value for key, value in settings.items()}}


# Airflow's own listeners, which no person visits.
INNER_PORTS = {"airflow-worker-log": 8793, "airflow-triggerer-log": 8794}
