"""Airflow with a home of its own, asked in another process."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def airflow_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The Airflow that tests share."""
    return fresh_airflow(tmp_path_factory.mktemp("airflow"))


def fresh_airflow(home: Path) -> dict[str, str]:
    """Settings of an Airflow on a fresh SQLite database; nothing of the caller's Airflow or Marquee is left in it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "MARQUEE"))}
    own = {
        "CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "CORE__UNIT_TEST_MODE": "False",
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
    }
    environment = kept | {f"AIRFLOW__{name}": value for name, value in own.items()}
    environment |= {"AIRFLOW_HOME": str(home), "DO_NOT_TRACK": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
    _succeed([sys.executable, "-m", "airflow", "db", "migrate"], environment)
    return environment


@pytest.fixture(scope="session")
def ask_airflow(airflow_environment: dict[str, str]) -> Callable[..., Any]:
    """Ask ask_airflow.py with these arguments, MARQUEE_HOME at ``home``; its JSON answer."""

    def ask(*arguments: str, home: Path | None = None) -> Any:
        return answer_of("ask_airflow.py", *arguments, environment=airflow_environment, home=home)

    return ask


@pytest.fixture(scope="session")
def ask_own_airflow(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Ask a script of this folder in an Airflow of its own, which has seen nothing yet; its JSON answer."""

    def ask(script: str, *arguments: str, home: Path) -> Any:
        environment = fresh_airflow(tmp_path_factory.mktemp("own-airflow"))
        return answer_of(script, *arguments, environment=environment, home=home)

    return ask


def answer_of(script: str, *arguments: str, environment: dict[str, str], home: Path | None) -> Any:
    """The JSON that a script of this folder prints last."""
    more = {"MARQUEE_HOME": str(home)} if home else {}
    said = _succeed([sys.executable, str(Path(__file__).with_name(script)), *arguments], environment | more)
    return json.loads(said.rstrip().rpartition("\n")[2])


def _succeed(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=280
    )
    if done.returncode:
        pytest.fail(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}")
    return done.stdout
