"""How long all features of one day take, and how that grows with the impressions behind them.

``python benchmarks/features_day.py [IMPRESSIONS ...]`` (0.1, 1 and 10 million where none is named). A line for each
size: the seconds and the peak memory of a refresh of the last day alone, beside those of a refresh of every day at
once, each in a process of its own. Then the exponent of the growth (1 is linear), and the bars, by CPU time where the
machine is shared; the exit status is 1 where one is missed.
"""

import math
import os
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa

from pipelines.core import dataset as datasets
from pipelines.core import days as calendar
from pipelines.core import tables
from pipelines.core.dataset import Dataset
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.features import job

SIZES = (100_000, 1_000_000, 10_000_000)
DAYS, BEGIN = 100, date(2026, 1, 5)
"""More days than the longest window, so that what is older than it is there too."""
LAST = BEGIN + timedelta(days=DAYS - 1)
ROWS_A_MEMBER, TITLES = 40, 5_000
MOST_SECONDS, AT = 20.0, 1_000_000
MOST_GIB, MOST_ROWS = 8.0, 10_000_000
MOST_GROWTH = 1.1
"""The bars: a day from a million impressions, the memory of ten million, and the exponent."""
WHOLE_UP_TO = 1_000_000
"""Every day at once makes a row a member and changed day: beyond this it is no fair sight."""

WORDS = ("drama", "war", "comedy", "crime", "romance", "action", "family", "horror", "history", "music")
LANGUAGES = ("en", "pt", "ja", "de", "hi", "ko")


def strings(prefix: str, numbers: np.ndarray) -> pa.Array:
    """``prefix`` and each number, built once a distinct number."""
    distinct, places = np.unique(numbers, return_inverse=True)
    return pa.DictionaryArray.from_arrays(places.astype(np.int32), pa.array([f"{prefix}{n}" for n in distinct])).cast(
        pa.string()
    )


def table(schema: pa.Schema, **columns: pa.Array) -> pa.Table:
    """The columns given, the others null."""
    rows = len(next(iter(columns.values())))
    return pa.table(
        {f.name: columns[f.name].cast(f.type) if f.name in columns else pa.nulls(rows, f.type) for f in schema},
        schema=schema,
    )


def members(lake: Lake, count: int, rng: np.random.Generator) -> None:
    """Members with an age, a language and a country."""
    joined = pa.array(np.full(count, np.datetime64(calendar.start(BEGIN, "UTC").replace(tzinfo=None), "us")))
    lake.publish(
        "users",
        table(
            tables.USERS.schema(),
            user_id=strings("u", np.arange(count)),
            available_at=joined.cast(pa.timestamp("us", "UTC")),
            age=pa.array(rng.integers(18, 80, count)),
            language=pa.array(rng.choice(LANGUAGES, count)),
            country=pa.array(rng.choice(("BR", "US", "JP", "DE"), count)),
        ),
    )


def titles(lake: Lake, rng: np.random.Generator) -> None:
    """Titles with two genres, a synopsis, people and a creator."""
    words = rng.choice(WORDS, (TITLES, 24))
    known = pa.array(np.full(TITLES, np.datetime64(calendar.start(BEGIN, "UTC").replace(tzinfo=None), "us")))
    lake.publish(
        "media",
        table(
            tables.MEDIA.schema(),
            media_id=strings("m", np.arange(TITLES)),
            available_at=known.cast(pa.timestamp("us", "UTC")),
            title=pa.array([f"{w[0]} {w[1]} {n}" for n, w in enumerate(words)]),
            synopsis=pa.array([" ".join(w) for w in words]),
            genres=pa.array([list(dict.fromkeys(w[:2])) for w in words.tolist()]),
            tags=pa.array([list(w[2:4]) for w in words.tolist()]),
            actors=pa.array([[f"actor {n}" for n in some] for some in rng.integers(0, 800, (TITLES, 4)).tolist()]),
            director=strings("director ", rng.integers(0, 300, TITLES)),
            creator=strings("creator ", rng.integers(0, 500, TITLES)),
            distributor=strings("distributor ", rng.integers(0, 40, TITLES)),
            original_language=pa.array(rng.choice(LANGUAGES, TITLES)),
            duration_seconds=pa.array(rng.uniform(600, 9_000, TITLES)),
        ),
    )


def day_of_events(lake: Lake, day: date, rows: int, users: int, rng: np.random.Generator, numbers: range) -> None:
    """One day: a member's visit shows ten titles; a third of them is played; one visit in five begins with a search."""
    start = np.datetime64(calendar.start(day, "UTC").replace(tzinfo=None), "us")
    visit = np.arange(rows) // 10
    who = strings("u", rng.integers(0, users, visit[-1] + 1)).take(pa.array(visit))
    began = start + (rng.random(visit[-1] + 1) * 80_000e6).astype("timedelta64[us]")
    at = began[visit] + np.arange(rows) % 10 * np.timedelta64(1, "m")
    what = strings("m", np.minimum(rng.zipf(1.3, rows), TITLES) - 1)
    session, ids = strings(f"{day:%j}s", visit), pa.array([f"i{n}" for n in numbers])
    moment = pa.array(at).cast(pa.timestamp("us", "UTC"))
    seen = {"session_id": session, "user_id": who, "media_id": what, "available_at": moment}
    lake.publish("impressions", table(tables.IMPRESSIONS.schema(), impression_id=ids, shown_at=moment, **seen), day)
    played = pa.array(np.flatnonzero(rng.random(rows) < 0.33))
    share = rng.random(len(played))
    watched = {name: column.take(played) for name, column in seen.items()} | {
        "watch_id": ids.take(played),
        "impression_id": ids.take(played),
        "started_at": moment.take(played),
        "completion": pa.array(share),
        "watched_seconds": pa.array(share * 5_000),
    }
    lake.publish("watches", table(tables.WATCHES.schema(), **watched), day)
    first = pa.array(np.arange(0, rows, 10))
    visits = {name: seen[name].take(first) for name in ("session_id", "user_id", "available_at")}
    ended = pa.array(began + np.timedelta64(15, "m")).cast(pa.timestamp("us", "UTC"))
    visits |= {"started_at": moment.take(first), "ended_at": ended, "available_at": ended}
    lake.publish("sessions", table(tables.SESSIONS.schema(), **visits), day)
    asked = pa.array(np.arange(0, len(first), 5))
    queries = pa.array(rng.choice(WORDS, len(asked)))
    searched = {name: visits[name].take(asked) for name in ("session_id", "user_id", "available_at")}
    searched |= {"search_id": searched["session_id"], "searched_at": visits["started_at"].take(asked), "query": queries}
    lake.publish("searches", table(tables.SEARCHES.schema(), **searched), day)


def fill(settings: Settings, impressions: int) -> None:
    """A lake of so many impressions over the days, in equal parts."""
    lake, rng, users = Lake(settings.lake_path), np.random.default_rng(7), max(100, impressions // ROWS_A_MEMBER)
    datasets.write(Dataset(name="benchmark", source="tables"), lake.root)
    members(lake, users, rng)
    titles(lake, rng)
    edges = np.linspace(0, impressions, DAYS + 1).astype(int).tolist()
    for number, day in enumerate(calendar.between(BEGIN, LAST)):
        numbers = range(edges[number], edges[number + 1])
        day_of_events(lake, day, len(numbers), users, rng, numbers)


def refreshed(settings: Settings, first: date, last: date) -> tuple[float, float, float, int]:
    """Seconds on the clock, CPU seconds, the most MiB held above the imports, and rows published, of one refresh."""
    process, peak, done = psutil.Process(), 0, threading.Event()
    start = process.memory_info().rss

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    began, cpu = time.perf_counter(), time.process_time()
    try:
        rows = job.refresh(settings, first, last)
    finally:
        done.set()
        watcher.join()
    return time.perf_counter() - began, time.process_time() - cpu, (peak - start) / 2**20, sum(rows.values())


def alone(settings: Settings, first: date, last: date) -> tuple[float, float, float, int]:
    """``refreshed`` in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(refreshed, settings, first, last).result()


def measure(impressions: int) -> tuple[float, float, float]:
    """Print the line of one size; returns the seconds, the CPU seconds and the peak MiB of the one day."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        settings, whole = Settings(home=Path(folder) / "day"), Settings(home=Path(folder) / "whole")
        fill(settings, impressions)
        alone(
            settings, LAST - timedelta(days=1), LAST - timedelta(days=1)
        )  # What stands before the day: everyone's rows.
        seconds, cpu, peak, rows = alone(settings, LAST, LAST)
        said = f"{impressions:>11,} {seconds:>9.1f} {cpu:>9.1f} {peak:>9,.0f} {rows:>11,}"
        if impressions <= WHOLE_UP_TO:
            whole.root.mkdir()
            os.symlink(settings.lake_path, whole.root / "source")
            (whole.lake_path).mkdir()
            for name in (*tables.TABLES, datasets.FILE):
                if (settings.lake_path / name).exists():
                    os.symlink(settings.lake_path / name, whole.lake_path / name)
            every, _, most, _ = alone(whole, BEGIN, LAST)
            said += f" {every:>11.1f} {most:>9,.0f} {every / seconds:>7.1f}"
        print(said, flush=True)
    return seconds, cpu, peak


def bar(name: str, measured: float, most: float, unit: str) -> bool:
    """Print one bar; whether it is met."""
    met = measured <= most
    print(f"bar: {name} | {measured:.2f} {unit} | at most {most:g} {unit} | {'met' if met else 'missed'}")
    return met


def main(sizes: list[int]) -> int:
    """A line a size, then the exponents between the smallest and the largest, and between the last two; the bars."""
    print(
        f"one day of {DAYS}, alone, at {datetime.now(UTC):%Y-%m-%d}; MiB are above the imports; ratio: every day to one"
    )
    print("impressions   seconds       cpu       MiB        rows   every day       MiB   ratio")
    taken = [measure(size) for size in sizes]
    pairs = sorted({(len(sizes) - 2, len(sizes) - 1), (0, len(sizes) - 1)}, reverse=True) if len(sizes) > 1 else []
    for low, high in pairs:
        grown = math.log(sizes[high] / sizes[low])
        exponents = [math.log(taken[high][kind] / taken[low][kind]) / grown for kind in (0, 1)]
        print(f"exponent from {sizes[low]:,} to {sizes[high]:,}: {exponents[0]:.2f} (cpu {exponents[1]:.2f})")
    met = [bar("growth of a day's features", exponents[1], MOST_GROWTH, "exponent")] if len(sizes) > 1 else []
    for size, (seconds, _, peak) in zip(sizes, taken, strict=True):
        if size == AT:
            met.append(bar(f"features of one day, {size:,} impressions", seconds, MOST_SECONDS, "s"))
        if size == MOST_ROWS:
            met.append(bar(f"memory of one day, {size:,} impressions", peak / 1024, MOST_GIB, "GiB"))
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main([int(size) for size in sys.argv[1:]] or list(SIZES)))
