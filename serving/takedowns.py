"""What may be on no page any more: asked of the event store every few seconds, whoever decided it."""

import logging
import threading

from pipelines.adapters.event_store import EventStore
from pipelines.core.errors import StackError

log = logging.getLogger(__name__)


class Takedowns:
    """``media`` is what was taken down when the event store last answered.

    It has a thread of its own: loading a release may take longer than a takedown may wait.
    """

    def __init__(self, store: EventStore, *, poll_seconds: float) -> None:
        self._store, self._poll_seconds = store, poll_seconds
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.media: frozenset[str] = frozenset()

    def start(self) -> None:
        """Ask once, so that no page is given before it is known, and keep asking in the background.

        Raises:
            StackError: the event store does not answer, and nobody knows what may be shown.
        """
        self.refresh()
        self._thread = threading.Thread(target=self._watch, name="takedowns", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop asking."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=10)

    def refresh(self) -> None:
        """Ask now."""
        self.media = frozenset(row["media_id"] for row in self._store.takedowns())

    def _watch(self) -> None:
        while not self._stop.wait(self._poll_seconds):
            try:
                self.refresh()
            except StackError as exc:
                log.error("takedowns stay those of the last answer", exc_info=exc)
