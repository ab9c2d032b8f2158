"""Members who ask for one page after the other, to see what a moved champion does to them."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import Protocol

from marquee import rest
from pipelines.core import days
from pipelines.core.errors import StackError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings

MEMBERS = 8
PAUSE_SECONDS = 0.05
LOOK_SECONDS = 0.02


class Checks(Protocol):
    """Gives up when time is up."""

    def check(self, waiting_for: str) -> None: ...


@dataclass(frozen=True)
class Asked:
    """An answer: when it came, of which release, and what went wrong; ``release_id`` is None then."""

    at: float
    request_id: str
    release_id: str | None
    problem: str | None = None


@dataclass
class PageWatch:
    """Asks the API at ``settings.api_url`` from the beginning of the block to its end; ``answers`` in order."""

    settings: Settings
    answers: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        lake = Lake(self.settings.lake_path)
        refreshed = lake.watermark("features")
        if refreshed is None:
            raise StackError("the features have no watermark: refresh them first")
        self._at = days.start(refreshed.through + timedelta(days=1), lake.dataset.time_zone)
        self._headers = {"X-API-Key": self.settings.api_key_path.read_text(encoding="utf-8").strip()}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, name="members", daemon=True)

    def __enter__(self) -> "PageWatch":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def until(self, release_id: str, clock: Checks) -> bool:
        """Wait until pages are of this release."""
        self._wait(lambda: self._latest() == release_id, clock, f"a page of {release_id}")
        return True

    def until_another(self, release_id: str, clock: Checks) -> str | None:
        """Wait until pages are of another release than this; which."""
        self._wait(lambda: self._latest() not in (None, release_id), clock, f"a page of another than {release_id}")
        return self._latest()

    def mixed(self) -> list[str]:
        """The requests whose impressions are logged under another release than the page named, or under several."""
        from pipelines.adapters.event_store import EventStore

        logged = defaultdict[str, set[str]](set)
        with EventStore(self.settings.event_store_address) as store:
            rows = store.read("impressions", self._at - timedelta(hours=1), self._at + timedelta(hours=1))
            for row in rows.select(["request_id", "release_id"]).to_pylist():
                logged[row["request_id"]].add(row["release_id"])
        pages = [page for page in self.answers if page.release_id]
        return [page.request_id for page in pages if logged[page.request_id] != {page.release_id}]

    @property
    def at(self) -> datetime:
        """The moment that pages are asked for."""
        return self._at

    def _latest(self) -> str | None:
        return self.answers[-1].release_id if self.answers else None

    def _wait(self, state: Callable[[], bool], clock: Checks, what: str) -> None:
        while not state():
            clock.check(what)
            time.sleep(LOOK_SECONDS)

    def _ask(self) -> None:
        url, members, number = self.settings.api_url, list[str](), 0
        while not self._stop.wait(PAUSE_SECONDS):
            members = members or self._members(url)
            if not members:
                continue
            asked = {"user_id": members[number % len(members)], "k": 10, "at": self._at.isoformat()}
            self.answers.append(self._answer(f"{url}/v1/page", asked | {"request_id": f"watch-{id(self)}-{number}"}))
            number += 1

    def _members(self, url: str) -> list[str]:
        """Nobody while the API still loads its first release."""
        try:
            return list(rest.get(f"{url}/v1/members?limit={MEMBERS}", headers=self._headers)["members"])
        except StackError:
            return []

    def _answer(self, url: str, asked: dict[str, object]) -> Asked:
        try:
            page = rest.post(url, asked, headers=self._headers)
        except StackError as exc:
            return Asked(time.monotonic(), str(asked["request_id"]), None, str(exc))
        whole = len(page["items"]) == asked["k"]
        problem = None if whole else f"{len(page['items'])} titles"
        return Asked(time.monotonic(), str(asked["request_id"]), page["release_id"], problem)
