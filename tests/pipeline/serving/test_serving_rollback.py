"""A rollback of the whole set while pages are asked for: soon served, no page mixed, no page lost."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from shelves import empty_home

from pipelines.adapters.event_store import EventStore
from pipelines.adapters.model_registry import ModelRegistry
from pipelines.core import release
from pipelines.core.settings import Settings
from pipelines.promotion import ledger, moves
from serving.app import create_app
from serving.recommender import Recommender

pytestmark = [
    # MLflow 3.17 maps its tables with a loader strategy that SQLAlchemy 2.1 deprecates.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
    # MLflow keeps one engine a database file for the life of the process.
    pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning"),
]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ASKED_SECONDS = 30.0
WORD = {"at": NOON, "actor": "grace"}


@contextmanager
def asking(address: str, key: str, askers: int = 3) -> Iterator[list[tuple[float, Any]]]:
    """Members ask for one page after the other until the block ends; (when, status and page) of each."""
    stop, answers = threading.Event(), list[tuple[float, Any]]()

    def ask(number: int) -> None:
        with httpx.Client(base_url=address, headers={"X-API-Key": key}, timeout=20) as client:
            for count in range(100_000):
                if stop.is_set():
                    return
                body = {"user_id": f"u{number}", "k": 5, "request_id": f"{number}-{count}"}
                answer = client.post("/v1/page", json=body)
                answers.append((time.monotonic(), (answer.status_code, answer.json())))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(askers)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def until(state: Callable[[], bool]) -> None:
    deadline = time.monotonic() + ASKED_SECONDS
    while not state():
        assert time.monotonic() < deadline, f"it did not come about within {ASKED_SECONDS:.0f} s"
        time.sleep(0.02)


def test_a_rollback_reaches_every_page_in_time_and_no_page_is_mixed_or_lost(
    bare_api: Any,
    new_snapshot: Callable[[Path], None],
    serve: Callable[[Any], Any],
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
) -> None:
    bare_api.recommender.close()
    settings = empty_home(tmp_path / "own", tmp_path_factory.getbasetemp())
    new_snapshot(settings.root)
    first, second = (registered(settings, bare_api, version) for version in (1, 2))
    recommender = Recommender(
        settings, clock=lambda: NOON, registry=lambda: ModelRegistry(settings), features=lambda: bare_api.rows
    )
    with serve(create_app(settings, recommender, clock=lambda: NOON)) as address:
        key = settings.api_key_path.read_text()
        moves.promote(settings, first, **WORD)
        until(lambda: recommender.problem is None)
        moves.promote(settings, second, **WORD)
        with asking(address, key) as answers:
            until(lambda: bool(answers) and answers[-1][1][1].get("release_id") == second)
            began = time.monotonic()
            moves.roll_back(settings, reason="members complained", **WORD)
            until(lambda: answers[-1][1][1].get("release_id") == first)
            time.sleep(0.2)
    took = max(at for at, (_, page) in answers if page.get("release_id") == second) - began
    assert took < ASKED_SECONDS
    assert {status for _, (status, _) in answers} == {200}
    assert not one_release_a_page(settings, [page for _, (_, page) in answers])
    assert [e.release_id for e in ledger.read(settings) if e.event == "serving"] == [first, second, first]


def registered(settings: Settings, api: Any, version: int) -> str:
    """A release that can be loaded, in the registry, with an approval."""
    api.shelf.add(version, seed=version)
    folder = api.shelf.root / str(version)
    manifest = release.verify(folder)
    assert ModelRegistry(settings).register(folder, manifest, {}) == version
    moves.approve(settings, manifest.release_id, reason="for this test", **WORD)
    return manifest.release_id


def one_release_a_page(settings: Settings, pages: list[Any]) -> list[str]:
    """The requests whose page was logged under another release than it names, or under several."""
    logged = defaultdict(set)
    with EventStore(settings.event_store_address) as store:
        rows = store.read("impressions", NOON - timedelta(days=1), NOON + timedelta(days=1))
        for row in rows.select(["request_id", "release_id"]).to_pylist():
            logged[row["request_id"]].add(row["release_id"])
    assert len(logged) == len(pages)
    return [page["request_id"] for page in pages if logged[page["request_id"]] != {page["release_id"]}]
