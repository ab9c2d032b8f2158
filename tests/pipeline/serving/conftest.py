"""A small release and snapshot, made by the real code, and the API over them on a free port of this machine."""

import contextlib
import json
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from worlds import over_http

from pipelines.adapters.event_tables import RECORDED
from pipelines.candidates.popularity import FittedPopularity
from pipelines.core import release
from pipelines.core.ledger import Draft
from pipelines.core.settings import Settings
from pipelines.core.tables import TIME
from pipelines.features import catalogue, kept, sequence, stream
from pipelines.features.pairs import MEDIA_NEEDS
from pipelines.promotion import ledger
from pipelines.ranking import job as ranking
from pipelines.ranking.logistic import Logistic
from serving.app import create_app
from serving.recommender import Recommender

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MEDIA = [f"m{n:02d}" for n in range(40)]
ABSENT = dict.fromkeys(("user_engaged_rate", "user_watched_seconds_mean", "user_last_watch_at", "user_language"))
TYPES = {
    "float": pa.float64(),
    "string": pa.string(),
    "floats": pa.list_(pa.float32()),
    "strings": pa.list_(pa.string()),
}
RECENT = tuple(f.name for f in catalogue.STORED if f.view == stream.VIEW)
PACKED = {"user_genre_watched": [1.0, 0.0], "user_genre_shown": [1.0, 1.0]}


def make_release(folder: Path, seed: int = 1) -> str:
    """m39 is the most popular; the ranker likes m00 best. Returns the release's id."""
    popular = folder / "generators" / "popularity"
    popular.mkdir(parents=True)
    FittedPopularity(np.array(MEDIA), np.arange(1, 41, dtype=np.float32)).save(popular)
    likeable = np.linspace(1, 0, 400, dtype=np.float32)
    label = (np.random.default_rng(3).random(400) < likeable).astype(np.float64)
    ranker = Logistic().fit({"media_liking": likeable}, label, np.ones(400), np.arange(400).astype(str), seed=1)
    ranking.save(ranker, "logistic", folder)
    return release.write(
        folder,
        generators=("popularity",),
        ranker="logistic",
        feature_service="ranking",
        feature_fingerprint="none",
        dataset="small",
        time_zone="UTC",
        watermark=date(2026, 2, 27),
        trained_from=date(2026, 2, 1),
        seed=seed,
        settings={
            "exploration": {"slots": [2], "actions": 5},
            "blend": {"weights": {"popularity": 0.5}},
            "ordering": {"prior": 0.75},
        },
        metrics={},
        git_commit="none",
        lock_hash="none",
    ).release_id


def make_snapshot(home: Path, version: str = "s1") -> None:
    """u1 has watched m00; m01 may be shown in Japan only; m38 leaves the platform an hour after NOON."""
    folder = home / "snapshots" / version
    folder.mkdir(parents=True)
    numbers = ("media_duration_seconds", "media_release_at", "media_platform_at")
    media = {
        **{f.name: pa.nulls(40, TYPES[f.dtype]) for f in catalogue.STORED if f.name in MEDIA_NEEDS},
        "media_id": MEDIA,
        "media_liking": np.linspace(1, 0, 40).astype(np.float32),
        "media_genres": [[1.0, 0.0] if n % 2 else [0.0, 1.0] for n in range(40)],
        "media_original_language": ["en"] * 40,
        **{name: np.full(40, 3600.0) for name in numbers},
        "text_title": [f"Title {n}" for n in range(40)],
        "text_genres": [["drama"] if n % 2 else ["comedy"] for n in range(40)],
        "text_rights_countries": [["JP"] if n == 1 else None for n in range(40)],
        "window_platform_at": pa.nulls(40, TIME),
        "window_leaves_at": pa.array([NOON + timedelta(hours=1) if n == 38 else None for n in range(40)], TIME),
        "text_series_id": pa.nulls(40, pa.string()),
        "text_creator": pa.nulls(40, pa.string()),
    }
    pq.write_table(pa.table(media), folder / "media.parquet")
    pq.write_table(pa.table({"user_id": ["u1"], "media": [["m00"]]}), folder / "histories.parquet")
    keep_events(folder)
    (home / "snapshots" / "CURRENT").write_text(version, encoding="utf-8")


def keep_events(folder: Path) -> None:
    """u1 has watched m00, which is a comedy, an hour before the snapshot was made at midnight."""
    midnight = NOON - timedelta(hours=12)
    began = sequence.micros(midnight - timedelta(hours=1))
    engaged = {"at": began, "id": "w0", "media": "m00"}
    watched = engaged | {"completion": 900_000, "watched": 600_000_000, "until": began + 600_000_000, "genres": [1]}
    member = {"user_id": "u1", "known": began + 600_000_000, "watch": [watched], "engaged": [engaged], "search": None}
    pq.write_table(pa.Table.from_pylist([member]), folder / kept.MEMBERS)
    codes = {"media_id": MEDIA, "codes": [[int(n % 2 == 0)] for n in range(40)]}
    pq.write_table(pa.table(codes, schema=kept.CODES_SCHEMA), folder / kept.CODES)
    facts = {"at": midnight.isoformat(), "since": (midnight - timedelta(days=1)).isoformat()}
    facts |= {"positive_above": 0.8, "genres": 2, "terms": ["heist", "space"]}
    (folder / kept.FACTS).write_text(json.dumps(facts), encoding="utf-8")


@dataclass
class Shelf:
    """A registry of folders: version -> folder. ``alias`` is the champion's version."""

    root: Path
    settings: Settings
    alias: int | None = None
    downloads: list[int] = field(default_factory=list)
    ids: dict[int, str] = field(default_factory=dict)

    def add(self, version: int, seed: int = 1, verdict: str = "promote") -> str:
        """A release, of which the gate said ``verdict``."""
        self.ids[version] = make_release(self.root / str(version), seed)
        about = {"actor": "the gate", "release_id": self.ids[version], "version": version}
        judged = Draft(event="judged", at=NOON, facts={"verdict": verdict, "before": None}, **about)
        ledger.append(self.settings, "promoter", lambda entries: judged)
        return self.ids[version]

    def champion(self) -> Any:
        return SimpleNamespace(version=self.alias, release_id=self.ids[self.alias]) if self.alias else None

    def download(self, version: int, into: Path) -> Path:
        self.downloads.append(version)
        return Path(shutil.copytree(self.root / str(version), into / "release"))


class Rows:
    """The feature store's stand-in: u1 is known, and who was pushed; ``trouble`` runs before every answer."""

    def __init__(self) -> None:
        self.trouble: Callable[[], None] = lambda: None
        self.defined = "none"
        self.recent: dict[str, dict[str, Any]] = {}
        self.stale: Counter[str] = Counter()

    def user_row(self, user_id: str, at: datetime | None = None) -> dict[str, object]:
        self.trouble()
        if at and at > NOON + timedelta(days=90):
            self.stale.update(["user_recent"])
        known = PACKED | {"user_language": "en"} if user_id == "u1" else {}
        return ABSENT | dict.fromkeys((*PACKED, *RECENT)) | known | self.recent.get(user_id, {})

    def loaded_through(self) -> datetime | None:
        self.trouble()
        return NOON

    def push_recent(self, rows: pd.DataFrame) -> None:
        self.trouble()
        for row in rows.to_dict("records"):
            self.recent[row.pop("user_id")] = {str(k): v for k, v in row.items() if k != "event_timestamp"}

    def fingerprint(self) -> str:
        return self.defined


@dataclass
class Api:
    """The running API, its parts, and a client that has the key."""

    settings: Settings
    shelf: Shelf
    rows: Rows
    recommender: Recommender
    client: httpx.Client

    def clock(self) -> datetime:
        return NOON

    def page(self, user_id: str = "u1", **other: Any) -> dict[str, Any]:
        answer = self.client.post("/v1/page", json={"user_id": user_id} | other)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def events(self, *events: dict[str, Any], **other: Any) -> dict[str, Any]:
        answer = self.client.post("/v1/events", json={"events": list(events)} | other)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def until(self, state: Callable[[], bool]) -> None:
        """Wait for the champion's watcher."""
        for _ in range(500):
            if state():
                return
            time.sleep(0.01)
        pytest.fail("it did not come about within 5 s")


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Api]:
    settings = Settings(home=folder / "home", champion_poll_seconds=0.02, feature_log_share=1.0)
    shelf, rows = Shelf(folder / "shelf", settings), Rows()
    recommender = Recommender(settings, clock=lambda: NOON, registry=lambda: shelf, features=lambda: rows)
    with over_http(create_app(settings, recommender, clock=lambda: NOON)) as address:
        key = {"X-API-Key": settings.api_key_path.read_text(encoding="utf-8")}
        with httpx.Client(base_url=address, headers=key, timeout=20) as client:
            yield Api(settings, shelf, rows, recommender, client)


def enthrone(api: Api) -> Api:
    api.shelf.add(1)
    make_snapshot(api.settings.root)
    api.shelf.alias = 1
    api.until(lambda: api.recommender.problem is None)
    return api


@pytest.fixture
def bare_api(tmp_path: Path) -> Iterator[Api]:
    """No champion, no snapshot yet."""
    with running(tmp_path) as found:
        yield found


@pytest.fixture
def own_api(bare_api: Api) -> Api:
    """Release 1 is champion and snapshot s1 current, for a test that changes them."""
    return enthrone(bare_api)


@pytest.fixture(scope="package")
def shared_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with running(tmp_path_factory.mktemp("serving")) as found:
        yield enthrone(found)


@pytest.fixture
def api(shared_api: Api) -> Api:
    """Release 1 and snapshot s1, served for many tests; the event store is empty again for each."""
    with contextlib.closing(sqlite3.connect(shared_api.settings.root / "events.db", timeout=30)) as database:
        for table in (*RECORDED, "pages", "served_features"):
            database.execute(f"DELETE FROM {table}")
        database.commit()
    shared_api.rows.recent.clear()
    return shared_api


@pytest.fixture
def new_snapshot() -> Callable[[Path, str], None]:
    return make_snapshot


@pytest.fixture
def serve() -> Callable[[Any], Any]:
    return over_http
