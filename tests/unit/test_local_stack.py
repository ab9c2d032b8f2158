"""The embedded stack with small servers of our own in the place of the real ones: starting, repairing, stopping."""

import json
import os
import signal
import socket
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from marquee import local, processes, rest, servers
from marquee.local import Stack
from marquee.servers import Server
from pipelines.core.errors import RequestError, StackError

# A server with a child of its own. The child ignores SIGTERM and leaves the session, as the rudest real ones do.
SERVE = """
import http.server, os, subprocess, sys
deaf = "import os, signal, time; os.setsid(); signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", deaf])
print("child", child.pid, flush=True)
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["MARQUEE_HOME"].encode())
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""
DIE = "import sys; print('no such table: dag'); sys.exit(3)"


def server(name: str, port: int, code: str = SERVE, needs: str | None = None) -> Server:
    return Server(
        name,
        port,
        lambda _home, chosen: [sys.executable, "-c", code, str(chosen)],
        lambda url: rest.answers(url),
        patience_seconds=0.5,
        needs=needs,
    )


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """A stack whose mlflow and api are small; airflow and evidently exist by name only."""
    four = [server("airflow", 18080), server("mlflow", 15000), server("evidently", 18001)]
    four.append(server("api", 18000, needs="mlflow"))
    monkeypatch.setattr(local, "SERVERS", {s.name: s for s in four})
    lines: list[str] = []
    stack = Stack(tmp_path / "var", say=lines.append)
    stack.lines = lines  # type: ignore[attr-defined]
    yield stack
    stack.down()


def said(stack: Stack) -> str:
    return "\n".join(stack.lines)  # type: ignore[attr-defined]


def living(mark: str) -> list[int]:
    return [p.pid for p in psutil.process_iter() if _carries(p, mark)]


def _carries(process: psutil.Process, home: str) -> bool:
    try:
        return process.environ().get("MARQUEE_HOME") == home and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield int(holder.getsockname()[1])


def test_up_starts_what_was_asked_for_and_says_where_it_is(stack: Stack) -> None:
    found = stack.up(only=["mlflow", "api"])
    assert [(s.name, s.state) for s in found] == [("mlflow", "up"), ("api", "up")]
    assert all(s.url in said(stack) and rest.answers(s.url) for s in found)


def test_a_second_up_says_what_is_already_up_and_starts_nothing(stack: Stack) -> None:
    first = stack.up(only=["mlflow"])
    again = stack.up(only=["mlflow"])
    assert [s.pid for s in again] == [s.pid for s in first]
    assert f"mlflow is already up at {first[0].url}" in said(stack)


def test_down_leaves_no_process_behind_not_even_a_child_that_left_the_session(stack: Stack) -> None:
    stack.up(only=["mlflow", "api"])
    assert len(living(str(stack.home))) == 4
    killed = stack.down()
    assert living(str(stack.home)) == []
    assert len(killed) == 2, "both children ignore SIGTERM, so they had to be killed, and down says so"
    assert "had to kill" in said(stack)
    assert stack.status() == []


def test_down_without_anything_up_says_so(stack: Stack) -> None:
    assert stack.down() == []
    assert said(stack) == f"nothing is up in {stack.home}"


def test_a_server_that_died_is_started_again_at_its_port_and_its_children_are_cleared(stack: Stack) -> None:
    before = stack.up(only=["mlflow"])[0]
    os.kill(before.pid, signal.SIGKILL)
    _await_death(stack)
    assert stack.status()[0].state == "dead"
    after = stack.up(only=["mlflow"])[0]
    assert (after.state, after.url) == ("up", before.url)
    assert after.pid != before.pid
    assert "mlflow had died and left 1 processes: starting it again" in said(stack)
    assert len(living(str(stack.home))) == 2


def _await_death(stack: Stack) -> None:
    deadline = time.monotonic() + 5
    while stack.status()[0].state != "dead" and time.monotonic() < deadline:
        time.sleep(0.05)


def test_a_server_that_stops_while_starting_is_reported_with_the_end_of_its_log(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(local.SERVERS, "api", server("api", 18000, DIE, needs="mlflow"))
    with pytest.raises(StackError, match=r"(?s)api stopped while starting; the end of .*api\.log:.*no such table: dag"):
        stack.up(only=["mlflow", "api"])
    assert living(str(stack.home)) == [], "what this call started is stopped again"
    assert stack.status() == []


def test_a_port_asked_for_by_name_that_is_in_use_is_refused_with_a_remedy(stack: Stack, busy_port: int) -> None:
    with pytest.raises(StackError, match=f"port {busy_port} for mlflow is in use: .*--port mlflow=N"):
        stack.up(only=["mlflow"], ports={"mlflow": busy_port})
    assert stack.status() == []


def test_a_preferred_port_that_is_in_use_is_passed_over(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, busy_port: int
) -> None:
    monkeypatch.setitem(local.SERVERS, "mlflow", server("mlflow", busy_port))
    assert stack.up(only=["mlflow"])[0].url != servers.url(busy_port)


def test_an_unknown_server_is_named_with_the_choice(stack: Stack) -> None:
    with pytest.raises(RequestError, match="no server is called 'spark': choose from airflow, mlflow, evidently, api"):
        stack.up(only=["spark"])
    with pytest.raises(RequestError, match="no server is called 'spark'"):
        stack.up(ports={"spark": 7077})


def test_the_ports_stay_while_anything_is_up(stack: Stack) -> None:
    stack.up(only=["mlflow"])
    with pytest.raises(StackError, match="up with other ports for api: run `marquee down` first"):
        stack.up(ports={"api": 19999})


def test_a_reused_process_number_is_not_taken_for_ours() -> None:
    me = psutil.Process()
    stranger = processes.Process(pid=me.pid, created=me.create_time() - 3600, mark="0123456789abcdef")
    assert not processes.alive(stranger)
    assert processes.family(stranger) == []


def test_the_logins_are_made_once_for_their_owner_only(tmp_path: Path) -> None:
    assert servers.make_logins(tmp_path)
    logins = servers.logins(tmp_path)
    assert not servers.make_logins(tmp_path)
    assert servers.logins(tmp_path) == logins
    assert logins.keys() == {"admin", "viewer"}
    assert all(len(password) >= 16 for password in logins.values())
    assert stat.S_IMODE((tmp_path / "airflow" / "logins.json").stat().st_mode) == 0o600


PORTS = {"airflow": 1, "mlflow": 2, "evidently": 3, "api": 4, "airflow-worker-log": 5, "airflow-triggerer-log": 6}


def test_every_server_is_told_where_the_others_are(tmp_path: Path) -> None:
    told = servers.environment(tmp_path, PORTS, {"PATH": "/bin"})
    assert told["MARQUEE_HOME"] == str(tmp_path)
    assert told["MARQUEE_MLFLOW_URL"] == "http://127.0.0.1:2"
    assert told["MARQUEE_API_URL"] == "http://127.0.0.1:4"
    assert told["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:1/execution/"
    assert told["AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT"] == "5"
    assert told["PATH"].split(os.pathsep) == [str(Path(sys.executable).parent), "/bin"]


def test_airflow_settings_of_the_shell_do_not_leak_into_the_stack(tmp_path: Path) -> None:
    shell = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql://production", "AIRFLOW_HOME": "/srv", "HOME": "/h"}
    told = servers.environment(tmp_path, PORTS, {**shell, "PYTHONDONTWRITEBYTECODE": "1"})
    assert told["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == f"sqlite:///{tmp_path}/airflow/airflow.db"
    assert told["AIRFLOW_HOME"] == str(tmp_path / "airflow")
    assert told["HOME"] == "/h"
    assert "PYTHONDONTWRITEBYTECODE" not in told


def test_telemetry_is_off_in_every_server(tmp_path: Path) -> None:
    told = servers.environment(tmp_path, PORTS, {})
    assert (told["DO_NOT_TRACK"], told["MLFLOW_DISABLE_TELEMETRY"]) == ("1", "true")


def test_airflow_is_stopped_with_the_only_signal_that_ends_its_children() -> None:
    assert servers.SERVERS["airflow"].stop is signal.SIGINT
    assert {s.stop for name, s in servers.SERVERS.items() if name != "airflow"} == {signal.SIGTERM}


def test_a_torn_register_is_reported(stack: Stack) -> None:
    stack.home.mkdir(parents=True)
    path = stack.home / "stack.json"
    path.write_text('{"ports": {', encoding="utf-8")
    with pytest.raises(StackError, match=r"stack\.json is not readable"):
        stack.status()
    path.write_text(json.dumps({"ports": {}, "servers": {}}), encoding="utf-8")
