"""What people decided about titles: asked of the event store every few seconds, whoever decided it."""

import logging
import threading

from pipelines.adapters.event_store import EventStore
from pipelines.core.errors import StackError
from pipelines.rerank.pins import Pin

log = logging.getLogger(__name__)


class Decisions:
    """``down`` is what was taken down and may be on no page, ``pins`` what was pinned or boosted, when the event store
    last answered; a pin that is over by the moment of a page is the page's to leave out.

    It has a thread of its own: loading a release may take longer than a takedown may wait.
    """

    def __init__(self, store: EventStore, *, poll_seconds: float) -> None:
        self._store, self._poll_seconds = store, poll_seconds
        self._stop, self._asking = threading.Event(), threading.Lock()
        self._thread: threading.Thread | None = None
        self.down: frozenset[str] = frozenset()
        self.pins: tuple[Pin, ...] = ()

    def start(self) -> None:
        """Ask once, so that no page is given before it is known, and keep asking in the background.

        Raises:
            StackError: the event store does not answer, and nobody knows what may be shown.
        """
        self.refresh()
        self._thread = threading.Thread(target=self._watch, name="decisions", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop asking."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=10)

    def refresh(self) -> None:
        """Ask now; one at a time, or an older answer could take a later one's place."""
        with self._asking:
            self.down = frozenset(row["media_id"] for row in self._store.takedowns())
            self.pins = tuple(Pin(**{k: v for k, v in row.items() if k != "decided_at"}) for row in self._store.pins())

    def _watch(self) -> None:
        while not self._stop.wait(self._poll_seconds):
            try:
                self.refresh()
            except StackError as exc:
                log.error("takedowns and pins stay those of the last answer", exc_info=exc)
