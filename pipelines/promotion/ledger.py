"""The ledger: who released what, what the gate said, which alias moved. Lines of JSON, only ever added.

Each line carries the hash of the line before it, so that a line that is changed, lost or moved shows in ``read``.
"""

import fcntl
import hashlib
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from pipelines.core.config import Config
from pipelines.core.errors import ReleaseError, SettingsError

FILE = "ledger.jsonl"
FIRST = "0" * 64


class Entry(Config):
    """One line. ``hash`` covers everything else in it, ``previous`` included."""

    sequence: int
    at: datetime
    event: str
    actor: str
    release_id: str
    version: int
    facts: dict[str, Any]
    previous: str
    hash: str = ""

    def digest(self) -> str:
        return hashlib.sha256(self.model_dump_json(exclude={"hash"}).encode()).hexdigest()


class Ledger:
    """The ledger at ``path``; the file appears with its first line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(
        self, event: str, *, at: datetime, actor: str, release_id: str, version: int, facts: Mapping[str, Any]
    ) -> Entry:
        """Add one line and wait until the disk holds it. Writers take turns; a line cut off by a kill is dropped."""
        if at.tzinfo is None:
            raise SettingsError(f"the time {at} has no zone: give a time in UTC")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            entries = self._parse(_whole_lines(handle))
            previous = entries[-1].hash if entries else FIRST
            about = {"event": event, "actor": actor, "release_id": release_id, "version": version, "facts": dict(facts)}
            entry = Entry(sequence=len(entries), at=at, previous=previous, **about)
            entry = entry.model_copy(update={"hash": entry.digest()})
            handle.write(entry.model_dump_json().encode() + b"\n")
            handle.flush()
            os.fsync(handle.fileno())
        return entry

    def read(self) -> list[Entry]:
        """Every line, the oldest first.

        Raises:
            ReleaseError: naming the first line that does not follow from the one before it.
        """
        if not self.path.exists():
            return []
        return self._parse(self.path.read_bytes().rpartition(b"\n")[0])

    def _parse(self, text: bytes) -> list[Entry]:
        entries: list[Entry] = []
        for number, line in enumerate(text.splitlines()):
            try:
                entry = Entry.model_validate_json(line)
            except ValueError as exc:
                raise ReleaseError(self._broken(number)) from exc
            before = entries[-1].hash if entries else FIRST
            if (entry.sequence, entry.previous, entry.hash) != (number, before, entry.digest()):
                raise ReleaseError(self._broken(number))
            entries.append(entry)
        return entries

    def _broken(self, number: int) -> str:
        return (
            f"{self.path} line {number + 1} does not follow from the line before it: the ledger was changed; "
            "restore it from a backup before releasing anything"
        )


def _whole_lines(handle: IO[bytes]) -> bytes:
    """The finished lines; what a killed writer left after them is cut off."""
    handle.seek(0)
    whole, newline, rest = handle.read().rpartition(b"\n")
    if rest:
        handle.truncate(len(whole) + len(newline))
    return whole


def last(entries: list[Entry], release_id: str) -> Entry | None:
    """The latest line on a release."""
    return next((e for e in reversed(entries) if e.release_id == release_id), None)


def at_home(root: Path) -> Ledger:
    """The ledger of a Marquee home."""
    return Ledger(root / FILE)
