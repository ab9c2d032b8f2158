"""What members did lately, to the second: computed from events as they are heard, and pushed to the online store.

The event store is the truth. A member of whom something was heard waits here until a row made of it has reached the
online store; whoever asks for a page meanwhile gets that row from here, so members see what they did reflected at once.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Protocol

import pandas as pd

from pipelines.adapters.event_store import EventStore
from pipelines.core.errors import StackError
from pipelines.features import freshness, stream
from pipelines.features.catalogue import STORED
from pipelines.features.kept import Kept
from pipelines.features.sequence import Row, micros

log = logging.getLogger(__name__)
TABLES = ("watches", "searches")
BATCH = 500
"""Members a push."""
OLDEST = freshness.limit(stream.VIEW) // timedelta(microseconds=1)
"""The age up to which a row holds, in microseconds, here as in the online store."""
ABSENT: Row = {f.name: None for f in STORED if f.view == stream.VIEW}
NO_EVENTS = "what members did in the last moments is unknown: the snapshot holds no events, run refresh_features"


class Online(Protocol):
    """Where rows of view user_recent go: an older row never overwrites a newer one, an equally old one does."""

    def push_recent(self, rows: pd.DataFrame) -> None: ...


class RecentFeatures:
    """Rows of view user_recent for members of whom something was heard. ``start`` pushes them in a thread.

    kept: the events before the snapshot that serves, None while there is none. online: opens the online store.
    """

    def __init__(
        self,
        store: EventStore,
        kept: Callable[[], Kept | None],
        online: Callable[[], Online],
        *,
        retry_seconds: float = 0.5,
    ) -> None:
        self._store, self._kept, self._open, self._retry = store, kept, online, retry_seconds
        self._online: Online | None = None
        self._pending: dict[str, int] = {}
        self._heard = 0
        self._base: Kept | None = None
        self._lock = threading.Lock()
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self.pushed = self.failures = 0
        self.trouble: str | None = None

    def start(self) -> None:
        """Push in the background, beginning with everyone of whom something was heard since the snapshot's last day."""
        self._thread = threading.Thread(target=self._work, name="recent", daemon=True)
        self._thread.start()

    def close(self, seconds: float = 5.0) -> None:
        """Push what waits, once, and stop."""
        self._stop.set()
        self._wake.set()
        if self._thread:
            self._thread.join(timeout=seconds)

    def heard(self, user_ids: Sequence[str]) -> None:
        """Something of these members was recorded."""
        with self._lock:
            for user in user_ids:
                self._heard += 1
                self._pending.pop(user, None)
                self._pending[user] = self._heard
        self._wake.set()

    def _resume(self, user_ids: Sequence[str]) -> None:
        """An earlier process may have ended before it had pushed these: they wait behind everyone heard of since."""
        with self._lock:
            self._pending = {user: 0 for user in user_ids if user not in self._pending} | self._pending

    @property
    def waiting(self) -> int:
        """Members whose row has not reached the online store."""
        return len(self._pending)

    def row(self, user_id: str, at: datetime, *, missing: bool = False) -> Row | None:
        """The member's row as known before ``at``, where the online store's is older or (``missing``) did not come.

        None where the online store's holds, where nothing is known of the member, or where nobody can say.
        """
        if user_id not in self._pending and not missing:
            return None
        kept = self._kept()
        if kept is None:
            return None
        try:
            found = self._rows(kept, [user_id], at)
        except StackError as exc:
            log.error("the event store did not answer for a member's recent events", exc_info=exc)
            return None
        made, known = found.get(user_id, ({}, 0))
        return made if made and micros(at) - known <= OLDEST else None

    def as_at(self, user_id: str, at: datetime, *, missing: bool = False) -> Row | None:
        """The same for a page of another moment than now: the online store may know more than was known then."""
        found = self.row(user_id, at, missing=True)
        return ABSENT if found is None and self._kept() is not None else found

    def _rows(self, kept: Kept, user_ids: Sequence[str], at: datetime | None = None) -> dict[str, tuple[Row, int]]:
        told = [self._store.known_since(table, user_ids, kept.since) for table in TABLES]
        found = {}
        for user in user_ids:
            own = [[row for row in by.get(user, ()) if at is None or row["available_at"] < at] for by in told]
            made = kept.row(user, *own)
            if made:
                found[user] = made
        return found

    def _work(self) -> None:
        while True:
            last = self._stop.is_set()
            try:
                self._wake.clear()
                self.trouble = self._push_all()
            except Exception as exc:
                self._failed(exc)
            if last:
                return
            if self._pending and self.trouble:
                self._stop.wait(self._retry)
            else:
                self._wake.wait(self._retry)

    def _push_all(self) -> str | None:
        """Until nobody waits. Who is heard of again while their row is on its way waits for the next one."""
        kept = self._kept()
        if kept is None:
            return NO_EVENTS if self._pending else None
        if kept is not self._base:
            self._online = None
            self._resume(self._store.members_since(kept.since, TABLES))
            self._base = kept
        while self._pending:
            with self._lock:
                taken = dict(islice(reversed(self._pending.items()), BATCH))  # Who was heard of last comes first.
            self._push(self._rows(kept, list(taken)))
            with self._lock:
                for user, number in taken.items():
                    if self._pending.get(user) == number:
                        del self._pending[user]
        return None

    def _push(self, rows: dict[str, tuple[Row, int]]) -> None:
        if not rows:
            return
        self._online = self._online or self._open()
        stamped = [{"user_id": user, **row, "event_timestamp": known} for user, (row, known) in rows.items()]
        frame = pd.DataFrame(stamped)
        self._online.push_recent(
            frame.assign(event_timestamp=pd.to_datetime(frame["event_timestamp"], unit="us", utc=True))
        )
        self.pushed += len(rows)

    def _failed(self, error: Exception) -> None:
        self._online = None
        said = f"what members did in the last moments has not reached the feature store ({type(error).__name__})"
        if said != self.trouble:
            log.warning("%s; it is tried again", said, exc_info=error)
        self.trouble = said
        self.failures += 1  # Last: whoever sees that a push failed also sees why.

    def state(self) -> dict[str, Any]:
        """For whoever watches: members waiting, rows pushed, pushes failed, and what is wrong."""
        problem = self.trouble
        return {"waiting": self.waiting, "pushed": self.pushed, "failures": self.failures, "problem": problem}
