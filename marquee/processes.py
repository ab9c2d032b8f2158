"""Server processes that outlive the command that started them, and their whole families."""

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from pipelines.core.errors import StackError

MARK = "MARQUEE_STACK_MARK"
TICK_SECONDS = 0.1


@dataclass(frozen=True)
class Process:
    """A session leader that we started. ``created`` tells it from a later process with the same number."""

    pid: int
    created: float
    mark: str


def start(command: list[str], env: dict[str, str], *, cwd: Path, log: Path, mark: str) -> Process:
    """Run ``command`` in a session of its own, writing to ``log``; StackError when it cannot be run at all."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        try:
            child = subprocess.Popen(
                command,
                env={**env, MARK: mark},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as exc:
            raise StackError(f"{command[0]} cannot be started ({exc}): run `make setup`") from exc
    # The child outlives this command on purpose; without this Popen warns that it is still running.
    child.returncode = 0
    return Process(pid=child.pid, created=psutil.Process(child.pid).create_time(), mark=mark)


def alive(process: Process) -> bool:
    """Whether the leader itself still runs; a zombie does not."""
    found = _leader(process)
    return found is not None and found.status() != psutil.STATUS_ZOMBIE


def family(process: Process) -> list[psutil.Process]:
    """Every living process that came from ``process``: its session, its descendants, and whoever carries its mark.

    Three signs, because each has a hole: a child may leave the session, lose its parent, or overwrite its environment.
    """
    leader = _leader(process)
    descendants = {p.pid for p in leader.children(recursive=True)} if leader else set()
    reused = leader is None and psutil.pid_exists(process.pid)
    found = []
    for other in psutil.process_iter():
        try:
            ours = other.pid in descendants or (not reused and os.getsid(other.pid) == process.pid)
            if (ours or other.environ().get(MARK) == process.mark) and other.status() != psutil.STATUS_ZOMBIE:
                found.append(other)
        except (psutil.Error, OSError):
            continue
    return found


def stop(process: Process, how: signal.Signals, patience_seconds: float) -> list[int]:
    """Ask the leader to stop, wait for its family, and kill what stays. Returns the pids that had to be killed."""
    members = family(process)
    leader = _leader(process)
    for target in [leader] if leader else members:
        _send(target, how)
    left = _wait_gone(process, members, patience_seconds)
    for target in left:
        _send(target, signal.SIGKILL)
    stubborn = _wait_gone(process, left, 5.0)
    if stubborn:
        raise StackError(f"processes {[p.pid for p in stubborn]} cannot be killed: end them by hand")
    return [p.pid for p in left]


def _leader(process: Process) -> psutil.Process | None:
    try:
        found = psutil.Process(process.pid)
        return found if abs(found.create_time() - process.created) < 1.0 else None
    except psutil.Error:
        return None


def _wait_gone(process: Process, known: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Who of the family (as it was, or as it has become) is still there after at most ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        left = {p.pid: p for p in [*known, *family(process)] if _running(p)}
        if not left or time.monotonic() > deadline:
            return list(left.values())
        time.sleep(TICK_SECONDS)


def _running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _send(process: psutil.Process, how: signal.Signals) -> None:
    try:
        process.send_signal(how)
    except psutil.Error:
        return
