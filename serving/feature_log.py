"""A share of pages leaves the feature vectors behind that they were ranked by, for `marquee skew`."""

import hashlib
import logging
import queue
import threading
from typing import Any

from pipelines.adapters.event_store import EventStore
from pipelines.features import vectors
from pipelines.page import PageRequest
from serving.recommender import Recommendation

log = logging.getLogger(__name__)
MOST = 1000
"""Pages that wait to be written; more than these are dropped, and counted."""
BATCH = 50

Waiting = tuple[PageRequest, Recommendation]


def chosen(request_id: str, share: float) -> bool:
    """Whether a request is among the share that is logged: by its id alone, so that every process says the same."""
    drawn = int.from_bytes(hashlib.blake2b(request_id.encode(), digest_size=8).digest()) / 2**64
    return drawn < share


class FeatureLog:
    """Takes pages without delay and writes them in a thread, from the same inputs by the same pure functions."""

    def __init__(self, store: EventStore, share: float, most: int = MOST) -> None:
        self._store, self._share = store, share
        self._waiting: queue.Queue[Waiting | None] = queue.Queue(most)
        self._thread: threading.Thread | None = None
        self.written = self.dropped = 0

    def start(self) -> None:
        """Write in the background."""
        self._thread = threading.Thread(target=self._work, name="feature-log", daemon=True)
        self._thread.start()

    def close(self, seconds: float = 5.0) -> None:
        """Write what waits, and stop."""
        if self._thread:
            self._waiting.put(None)
            self._thread.join(timeout=seconds)

    def offer(self, request: PageRequest, recommended: Recommendation) -> None:
        """Log this page if it is chosen and a ranker made it; never wait."""
        if recommended.user_row is None or not recommended.page.items or not chosen(request.request_id, self._share):
            return
        try:
            self._waiting.put_nowait((request, recommended))
        except queue.Full:
            self.dropped += 1

    def _work(self) -> None:
        while True:
            taken = [self._waiting.get()]
            while len(taken) < BATCH and not self._waiting.empty():
                taken.append(self._waiting.get())
            pages = [one for one in taken if one is not None]
            try:
                self._store.record_served([row(*page) for page in pages])
                self.written += len(pages)
            except Exception as exc:
                self.dropped += len(pages)
                log.error("the feature vectors of %d pages were not logged", len(pages), exc_info=exc)
            if None in taken:
                return

    def state(self) -> dict[str, int]:
        """For whoever watches: pages logged, and pages that should have been and were not."""
        return {"written": self.written, "dropped": self.dropped}


def row(request: PageRequest, recommended: Recommendation) -> dict[str, Any]:
    """The row of table served_features: every feature of the titles on the page, as they were before encoding."""
    page, live = recommended.page, recommended.live
    media_ids = [item.media_id for item in page.items]
    used = live.pager.served([live.rows[media] for media in media_ids], request, recommended.user_row or {})
    return {
        "request_id": request.request_id,
        "user_id": request.user_id,
        "requested_at": request.at,
        "release_id": page.release_id,
        "snapshot_version": page.snapshot_version,
        "device": request.device,
        "country": request.country,
        "time_zone": request.time_zone,
        "surface": request.surface,
        "media_ids": media_ids,
        "features": vectors.pack(used),
    }
