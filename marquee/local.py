"""The embedded stack: Airflow, MLflow, Evidently UI and the API as processes of this machine, state in one folder."""

import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from marquee import processes, servers
from marquee.register import Register, Running
from marquee.servers import SERVERS, Server
from pipelines.core.errors import RequestError, StackError

Say = Callable[[str], None]
START_SECONDS = 240.0
DEMO, GATE_DEMO = DEMOS = "demo", "demo-gate"
"""The folders in the home folder where each demo keeps a stack of its own."""


@dataclass(frozen=True)
class Status:
    """What there is to say of one server: ``up``, ``starting`` (alive, not well yet) or ``dead``."""

    name: str
    state: str
    url: str
    pid: int
    log: str


class Stack:
    """The servers whose state lies under ``home``. ``say`` receives one line a step."""

    def __init__(self, home: Path, say: Say = print) -> None:
        self.home = home.expanduser().resolve()
        self.say = say
        self._register = Register(self.home / "stack.json")

    def up(self, only: Sequence[str] = (), ports: Mapping[str, int] | None = None) -> list[Status]:
        """Start what is not up yet and wait until it is well. What this call started is stopped again if it fails.

        Raises:
            StackError: a named port is in use, or a server died or did not become well; with the end of its log.
        """
        wanted = [_server(name) for name in only] or list(SERVERS.values())
        with self._alone():
            self._forget_dead()
            running = self._register.running()
            missing = [s for s in wanted if s.name not in running]
            for server in wanted:
                if server.name in running:
                    self.say(f"{server.name} is already up at {servers.url(running[server.name].port)}")
            if missing:
                self._start_all(missing, self._choose_ports(ports or {}))
        return self.status()

    def down(self) -> list[int]:
        """Stop everything and check that no process is left. Returns the pids that had to be killed."""
        if not self._register.known():
            self.say(f"nothing is up in {self.home}")
            return []
        with self._alone():
            killed = []
            for name in reversed(self._register.known()):
                killed += self._stop(name)
                self._register.forget(name)
        return killed

    def status(self) -> list[Status]:
        """Every server that was started here, in the order they started."""
        return [self._status_of(running) for running in self._register.known().values()]

    def url(self, name: str) -> str:
        """Where a server listens; StackError when it is not up."""
        running = self._register.running().get(name)
        if running is None:
            raise StackError(f"{name} is not up in {self.home}: run `marquee up`")
        return servers.url(running.port)

    def log(self, name: str) -> Path:
        return self.home / "logs" / f"{name}.log"

    def _start_all(self, missing: list[Server], ports: dict[str, int]) -> None:
        if servers.make_logins(self.home):
            logins = ", ".join(f"{name} / {password}" for name, password in servers.logins(self.home).items())
            self.say(f"Airflow logins, kept in {self.home}/airflow/logins.json: {logins}")
        names = {server.name for server in missing}
        first = [server for server in missing if server.needs not in names]
        started: list[str] = []
        try:
            for group in (first, [server for server in missing if server not in first]):
                for server in group:
                    self._start(server, ports, started)
                for server in sorted(group, key=lambda server: server.patience_seconds):
                    self._await(server, ports[server.name])
        except BaseException:
            for name in reversed(started):
                self._stop(name)
                self._register.forget(name)
            raise

    def _start(self, server: Server, ports: dict[str, int], started: list[str]) -> None:
        for folder in ("airflow", "mlflow/artifacts", "evidently", "logs"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        process = processes.start(
            server.command(self.home, ports[server.name]),
            servers.environment(self.home, ports, os.environ),
            cwd=self.home,
            log=self.log(server.name),
            mark=secrets.token_hex(8),
        )
        started.append(server.name)
        self._register.note(Running(server.name, ports[server.name], process), ports)

    def _await(self, server: Server, port: int) -> None:
        """Wait until the server says it is well; StackError when it dies or takes too long."""
        process = self._register.known()[server.name].process
        while (seconds := time.time() - process.created) < START_SECONDS:
            if not processes.alive(process):
                raise StackError(f"{server.name} stopped while starting; {self._log_end(server.name)}")
            with suppress(StackError, KeyError, TypeError):
                if server.healthy(servers.url(port)):
                    self.say(f"{server.name} is up at {servers.url(port)} ({seconds:.0f} s)")
                    return
            time.sleep(0.25)
        raise StackError(f"{server.name} was not well after {START_SECONDS:.0f} s; {self._log_end(server.name)}")

    def _stop(self, name: str) -> list[int]:
        running = self._register.known()[name]
        began = time.monotonic()
        killed = processes.stop(running.process, SERVERS[name].stop, SERVERS[name].patience_seconds)
        manner = f"; had to kill {killed}" if killed else ""
        self.say(f"{name} is down ({time.monotonic() - began:.0f} s{manner})")
        return killed

    def _forget_dead(self) -> None:
        """Clear away servers that died, with whatever children they left, so that they can be started again."""
        for name, running in self._register.known().items():
            if not processes.alive(running.process):
                left = processes.family(running.process)
                self.say(f"{name} had died{f' and left {len(left)} processes' if left else ''}: starting it again")
                processes.stop(running.process, SERVERS[name].stop, 5.0)
                self._register.forget(name)

    def _choose_ports(self, named: Mapping[str, int]) -> dict[str, int]:
        """A port for every server. While anything is up the ports stay, because the servers know each other by them."""
        if self._register.known():
            ports = self._register.ports()
            moved = [name for name, port in named.items() if ports[_server(name).name] != port]
            if moved:
                raise StackError(f"the stack is up with other ports for {', '.join(moved)}: run `marquee down` first")
            return self._check_kept(ports)
        chosen: dict[str, int] = {}
        for name in sorted(SERVERS, key=lambda name: name not in named):
            preferred = named.get(name, SERVERS[name].port)
            chosen[name] = servers.choose_port(name, preferred, set(chosen.values()), named=name in named)
        for name, preferred in servers.INNER_PORTS.items():
            chosen[name] = servers.choose_port(name, preferred, set(chosen.values()), named=False)
        for name in named:
            _server(name)
        return chosen

    def _check_kept(self, ports: dict[str, int]) -> dict[str, int]:
        for name in SERVERS:
            if name not in self._register.running() and not servers.is_free(ports[name]):
                raise StackError(
                    f"port {ports[name]}, which {name} had, is in use by another program: "
                    "run `marquee down`, then `marquee up`"
                )
        return ports

    def _status_of(self, running: Running) -> Status:
        where = servers.url(running.port)
        state = "dead"
        if processes.alive(running.process):
            state = "starting"
            with suppress(StackError, KeyError, TypeError):
                state = "up" if SERVERS[running.name].healthy(where) else state
        return Status(running.name, state, where, running.process.pid, str(self.log(running.name)))

    def _log_end(self, name: str, lines: int = 15) -> str:
        path = self.log(name)
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        return f"the end of {path}:\n" + "\n".join(text.splitlines()[-lines:])

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two commands must not start or stop the same stack at once."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "stack.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                raise StackError(f"another command is starting or stopping the stack in {self.home}: wait") from exc
            yield


def _server(name: str) -> Server:
    if name not in SERVERS:
        raise RequestError(f"no server is called {name!r}: choose from {', '.join(SERVERS)}")
    return SERVERS[name]
