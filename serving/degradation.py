"""What a member gets when something is down: a page all the same, in bounded time, that says what it lacks."""

import logging
import math
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Protocol

from pipelines.core.contracts import History
from pipelines.page import Page, PageItem, Pager, PageRequest
from pipelines.rerank.trace import Trace

log = logging.getLogger(__name__)
POPULARITY = "popularity"
UserRow = Mapping[str, object]


class UserRows(Protocol):
    """Where a member's online features come from; an unknown member's are all None, and so are those too old at ``at``.

    ``stale``: view -> how many rows were too old, since it was opened. ``loaded_through``: the moment up to which the
    daily features of members are there; None where none are.
    """

    @property
    def stale(self) -> Mapping[str, int]: ...

    def user_row(self, user_id: str, at: datetime | None = None) -> UserRow: ...

    def loaded_through(self) -> datetime | None: ...

    def fingerprint(self) -> str: ...


class PatientRows:
    """Asks for a member's features within a deadline; after a failure nobody asks until ``open`` succeeded again."""

    def __init__(self, source: Callable[[], UserRows], *, seconds: float = 0.25, open_seconds: float = 30.0) -> None:
        self._make = source
        self._source: UserRows | None = None
        self._seconds, self._open_seconds = seconds, open_seconds
        self._workers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="user-rows")
        self._absent: UserRow = {}
        self.fingerprint: str | None = None
        self.trouble: str | None = "the feature store is not open yet"

    def open(self) -> None:
        """Open the source anew, as its definitions may have changed, and ask it once: the first question is slow."""
        try:
            opened = self._workers.submit(self._opened).result(self._open_seconds)
            self._source, self._absent, self.fingerprint = opened
            self.trouble = None
        except Exception as exc:
            self._failed(exc)

    @property
    def stale(self) -> Mapping[str, int]:
        """View -> how many rows were too old, since the source was opened last."""
        return self._source.stale if self._source else {}

    def row(self, user_id: str, at: datetime) -> tuple[UserRow, str | None]:
        """The member's features at ``at``; or every one absent, and what is wrong."""
        source = self._source
        if self.trouble or source is None:
            return self._absent, self.trouble
        try:
            return self._workers.submit(source.user_row, user_id, at).result(self._seconds), None
        except Exception as exc:
            return self._absent, self._failed(exc)

    def loaded_through(self) -> datetime | None:
        """How far the daily features of members reach; None where that cannot be told."""
        source = self._source
        if self.trouble or source is None:
            return None
        try:
            return self._workers.submit(source.loaded_through).result(self._seconds)
        except Exception as exc:
            self._failed(exc)
            return None

    def close(self) -> None:
        """Wait for nobody."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _opened(self) -> tuple[UserRows, UserRow, str]:
        source = self._make()
        return source, dict.fromkeys(source.user_row("")), source.fingerprint()

    def _failed(self, error: Exception) -> str:
        said = f"the feature store did not answer ({type(error).__name__})"
        if said != self.trouble:
            log.warning("%s; pages go without it until it does", said, exc_info=error)
        self.trouble = said
        return said


def popular_page(
    pager: Pager, request: PageRequest, user_row: UserRow, history: History, exclude: AbstractSet[str]
) -> Page:
    """What most members like, unscored: the page when the ranker fails. Every filter but the one on what was shown too
    often holds; pins and boosts do not.
    """
    liked, rows = pager.popular(history)
    reasons = pager.hindered(liked, rows, request, user_row, history, exclude)
    items = tuple(
        PageItem(
            media_id=str(pager.snapshot.ids[row]),
            title=pager.snapshot.titles[row],
            position=position,
            score=math.nan,
            policy=POPULARITY,
            propensity=1.0,
            reason="Popular now",
            generators=(POPULARITY,),
        )
        for position, row in enumerate(rows[reasons == 0][: request.k].tolist())
    )
    version = pager.snapshot.version
    return Page(request.request_id, pager.release.release_id, version, items, Trace(liked, reasons))
