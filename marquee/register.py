"""stack.json: which servers were started, as which process, on which port."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from marquee import processes
from marquee.processes import Process
from pipelines.core.errors import StackError


@dataclass(frozen=True)
class Running:
    """One server as it was started."""

    name: str
    port: int
    process: Process


class Register:
    """Written after every start and stop, so that a command that was killed leaves nothing unknown behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def known(self) -> dict[str, Running]:
        """Every server that was started and not stopped, in the order of starting, alive or not."""
        return {
            name: Running(name, stored["port"], Process(**stored["process"]))
            for name, stored in self._read()["servers"].items()
        }

    def running(self) -> dict[str, Running]:
        """The known ones whose leader is alive."""
        return {name: running for name, running in self.known().items() if processes.alive(running.process)}

    def ports(self) -> dict[str, int]:
        """The port of every server and inner listener, chosen when the first one started."""
        ports: dict[str, int] = self._read()["ports"]
        return ports

    def note(self, running: Running, ports: dict[str, int]) -> None:
        state = self._read()
        state["ports"] = ports
        state["servers"][running.name] = asdict(running)
        self._write(state)

    def forget(self, name: str) -> None:
        state = self._read()
        state["servers"].pop(name, None)
        if state["servers"]:
            self._write(state)
        else:
            self.path.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any]:
        if not self.path.exists():
            return {"ports": {}, "servers": {}}
        try:
            state: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        except ValueError as exc:
            raise StackError(f"{self.path} is not readable: end the servers by hand and remove it") from exc
        return state

    def _write(self, state: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        staged = self.path.with_suffix(".tmp")
        staged.write_text(json.dumps(state, indent=1), encoding="utf-8")
        staged.replace(self.path)
