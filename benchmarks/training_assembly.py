"""How fast rows get their features, beside Feast's own DuckDB store and a hand-written ASOF join on the same files.

``python benchmarks/training_assembly.py [--rows N] [--repeats N]``: rows of a member, a media and a moment, with 60
features of three views (two of members, one of media) whose snapshots lie in the lake, a file a day. Three sides:

    feast    FeatureStore.get_historical_features(...).to_df() of Feast, offline_store: duckdb
    marquee  FeatureStore.historical(...) of Marquee, which assembles training sets
    by hand  one DuckDB query with three ASOF joins, ordered by row, to a data frame

Each runs in a process of its own, in turn, several times; the best of each counts, on the clock and in CPU seconds,
and the most memory that the whole process held. Their values must be equal. The exit status is 1 where a bar is missed.

On 2 cores, 24 GiB, shared with other work, ``--repeats 2`` printed:

    1,000,000 rows, 3 views of 20 features, 60 days; the best of 2
    side        seconds       cpu   peak GiB
    feast         60.52     34.99       4.96
    marquee       13.07      6.82       1.45
    by hand       11.89      6.85       3.26
    bar: training set, 1,000,000 rows: values of all sides | equal | equal | met
    bar: training set, 1,000,000 rows: Feast's time to ours | 4.6 (cpu 5.1) | at least 3 | met
    bar: training set, 1,000,000 rows: our time to a query by hand | 1.10 (cpu 1.00) | at most 2 | met
    bar: training set, 1,000,000 rows: peak memory | 1.45 GiB | at most 3 GiB | met
"""

import argparse
import hashlib
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.adapters import feast_client
from pipelines.adapters.feature_store import FeatureStore
from pipelines.core import dataset as datasets
from pipelines.core.dataset import Dataset
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.features.job import table_of

VIEWS = {"member_taste": "user_id", "member_habit": "user_id", "title_standing": "media_id"}
FEATURES, DAYS, BEGIN, SERVICE = 20, 60, date(2026, 1, 1), "benchmark"
STAMP = pa.timestamp("us", "UTC")


def features(view: str) -> list[str]:
    """The names of a view's features."""
    return [f"{view}_{n}" for n in range(FEATURES)]


def fill(home: Path, rows: int) -> None:
    """A lake of snapshots, and the rows: ten a member; one member in seven and every second title change each day."""
    lake, rng = Lake(Settings(home=home).lake_path), np.random.default_rng(7)
    datasets.write(Dataset(name="benchmark", source="tables"), lake.root)
    known = {"user_id": max(rows // 10, 10), "media_id": max(rows // 100, 10)}
    changed = {"user_id": known["user_id"] // 7, "media_id": known["media_id"] // 2}
    for view, key in VIEWS.items():
        for n in range(DAYS):
            here = np.arange(known[key]) if n == 0 else np.sort(rng.choice(known[key], changed[key], replace=False))
            at = pa.repeat(pa.scalar(np.datetime64(BEGIN + timedelta(n), "us")), len(here)).cast(STAMP)
            values = {name: pa.array(rng.random(len(here))) for name in features(view)}
            stamps = {"event_timestamp": at, "created_timestamp": at}
            table = pa.table({key: ids(key, here), **values, **stamps})
            lake.publish(table_of(view), table, BEGIN + timedelta(n))
    asked = {key: ids(key, rng.integers(0, count + count // 20, rows)) for key, count in known.items()}
    moments = np.datetime64(BEGIN, "us") + (rng.random(rows) * DAYS * 86_400e6).astype("timedelta64[us]")
    pq.write_table(pa.table({**asked, "event_timestamp": pa.array(moments).cast(STAMP)}), home / "rows.parquet")


def ids(key: str, numbers: np.ndarray) -> pa.Array:
    """A letter and each number."""
    return pa.array([f"{key[0]}{n}" for n in numbers.tolist()])


def registered(store: Any, home: Path) -> Any:
    """The store with the three views, and a service of all of them, as Feast's scalar features."""
    from feast import Entity, FeatureService, FeatureView, Field, FileSource
    from feast.types import Float64, String
    from feast.value_type import ValueType

    lake = Lake(Settings(home=home).lake_path)
    entities = {key: Entity(name=key, join_keys=[key], value_type=ValueType.STRING) for key in set(VIEWS.values())}
    views = [
        FeatureView(
            name=view,
            entities=[entities[key]],
            ttl=timedelta(0),
            schema=[Field(name=key, dtype=String), *(Field(name=name, dtype=Float64) for name in features(view))],
            source=FileSource(
                name=f"{view}_source",
                path=str(lake.root / table_of(view) / "day=*" / "data.parquet"),
                timestamp_field="event_timestamp",
                created_timestamp_column="created_timestamp",
            ),
        )
        for view, key in VIEWS.items()
    ]
    store.apply([*entities.values(), *views, FeatureService(name=SERVICE, features=views)])
    return store


def by_feast(home: Path) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Feast's plain call."""
    feast = feast_client.import_feast()
    from feast.repo_config import RepoConfig

    (home / "plain").mkdir(exist_ok=True)
    config = RepoConfig(
        project="plain",
        provider="local",
        registry=str(home / "plain" / "registry.db"),
        offline_store={"type": "duckdb"},
        online_store={"type": "sqlite", "path": str(home / "plain" / "online.db")},
        entity_key_serialization_version=3,
        repo_path=home / "plain",
    )
    store = registered(feast.FeatureStore(config=config), home)
    refs = [f"{view}:{name}" for view in VIEWS for name in features(view)]
    return lambda rows: store.get_historical_features(rows, refs, filter_by_created_timestamp=True).to_df()


def by_marquee(home: Path) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """What training sets are assembled by."""
    store = FeatureStore(Settings(home=home))
    registered(store._store, home)
    return lambda rows: store.historical(rows, SERVICE)


def by_hand(home: Path) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """One query, as one would write it."""
    lake = Lake(Settings(home=home).lake_path)
    names = ", ".join(f"{view}.{name}" for view in VIEWS for name in features(view))
    joins = " ".join(
        f"ASOF LEFT JOIN read_parquet('{lake.root / table_of(view)}/day=*/data.parquet') {view} "
        f"ON rows.{key} = {view}.{key} AND rows.event_timestamp >= {view}.event_timestamp"
        for view, key in VIEWS.items()
    )
    query = (
        f"SELECT rows.user_id, rows.media_id, rows.event_timestamp, number, {names} FROM rows {joins} ORDER BY number"
    )

    def ask(rows: pd.DataFrame) -> pd.DataFrame:
        with duckdb.connect() as connection:
            connection.execute("SET enable_progress_bar = false")
            connection.register("rows", pa.Table.from_pandas(rows, preserve_index=False))
            found: pd.DataFrame = connection.sql(query).to_arrow_table().to_pandas()
        return found

    return ask


SIDES = {"feast": by_feast, "marquee": by_marquee, "by hand": by_hand}


def measured(side: str, home: Path) -> tuple[float, float, float, str]:
    """Seconds on the clock, CPU seconds, peak GiB of the whole process, and a hash of the values in row order."""
    ask = SIDES[side](home)
    rows = pq.read_table(home / "rows.parquet").to_pandas()
    rows["number"] = np.arange(len(rows))
    process, peak, done = psutil.Process(), 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.01):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    began, cpu = time.perf_counter(), time.process_time()
    try:
        found = ask(rows)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    finally:
        done.set()
        watcher.join()
    assert len(found) == len(rows), f"{side} gave {len(found)} rows for {len(rows)}"
    found = found.sort_values("number", kind="stable") if not found["number"].is_monotonic_increasing else found
    content = hashlib.sha256()
    for name in ("user_id", "media_id"):
        content.update("\n".join(found[name]).encode())
    for name in (name for view in VIEWS for name in features(view)):
        content.update(np.ascontiguousarray(found[name].to_numpy(np.float64) + 0.0).tobytes())
    return seconds, cpu, peak / 2**30, content.hexdigest()


def alone(work: Callable[..., Any], *args: Any) -> Any:
    """``work`` in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *args).result()


def main(rows: int, repeats: int, faster: float, within: float, memory: float) -> int:
    """Print a line a side and a line a bar; 1 where a bar is missed."""
    taken: dict[str, list[tuple[float, float, float, str]]] = {side: [] for side in SIDES}
    with tempfile.TemporaryDirectory() as folder:
        alone(fill, Path(folder), rows)
        for _ in range(repeats):
            for side in SIDES:
                taken[side].append(alone(measured, side, Path(folder)))
    print(f"{rows:,} rows, {len(VIEWS)} views of {FEATURES} features, {DAYS} days; the best of {repeats}")
    print("side        seconds       cpu   peak GiB")
    best = {}
    for side, runs in taken.items():
        seconds, cpus, peaks, _ = zip(*runs, strict=True)
        best[side] = (min(seconds), min(cpus), max(peaks))
    for side, (took, cpu, peak) in best.items():
        print(f"{side:<8} {took:>10.2f} {cpu:>9.2f} {peak:>10.2f}")
    ours, feast, hand = best["marquee"], best["feast"], best["by hand"]
    equal = len({run[3] for runs in taken.values() for run in runs}) == 1
    ahead = [feast[n] / ours[n] for n in (0, 1)]
    behind = [ours[n] / hand[n] for n in (0, 1)]
    bars = [
        ("values of all sides", "equal" if equal else "different", "equal", equal),
        ("Feast's time to ours", f"{ahead[0]:.1f} (cpu {ahead[1]:.1f})", f"at least {faster:g}", min(ahead) >= faster),
        (
            "our time to a query by hand",
            f"{behind[0]:.2f} (cpu {behind[1]:.2f})",
            f"at most {within:g}",
            max(behind) <= within,
        ),
        ("peak memory", f"{ours[2]:.2f} GiB", f"at most {memory:g} GiB", ours[2] <= memory),
    ]
    for name, figure, asked_for, met in bars:
        print(f"bar: training set, {rows:,} rows: {name} | {figure} | {asked_for} | {'met' if met else 'missed'}")
    return 0 if all(met for *_, met in bars) else 1


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--rows", type=int, default=1_000_000)
    asked.add_argument("--repeats", type=int, default=3)
    asked.add_argument("--faster", type=float, default=3.0, help="times faster than Feast's own store")
    asked.add_argument("--within", type=float, default=2.0, help="times the hand-written query, at most")
    asked.add_argument("--memory", type=float, default=3.0, help="GiB at most")
    sys.exit(main(**vars(asked.parse_args())))
