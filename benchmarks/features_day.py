"""How long all features of one day take, and how that grows with the impressions behind them.

``python benchmarks/features_day.py [IMPRESSIONS ...]`` (0.1, 1 and 10 million where none is named). The impressions
lie evenly over a hundred days, or all on the last one. A line for each size and each of the two: the seconds, the CPU
seconds and the peak memory of a refresh of the last day alone; where they lie over a hundred days, beside a refresh of
every day at once. Each runs in a process of its own, whose whole memory is counted. Then the exponents of the growth
(1 is linear), and the bars, the exit status being 1 where one is missed. Growth is by CPU seconds; so are the seconds
where others want more cores than the machine has, for their share of the clock is not ours.

Measured 2026-11-24 on 2 cores that 9 processes wanted (the clock is stretched, CPU seconds are not):

    impressions over days   seconds       cpu        MB        rows  every day        MB   ratio
        100,000       100       5.7       2.5       347       5,875       12.3       452     2.2
      1,000,000       100      12.2       4.9       592      25,216       26.5     1,234     2.2
     10,000,000       100      89.7      26.8     3,033     142,503
        100,000         1       9.3       2.6       421      52,272
      1,000,000         1      40.3       9.5     1,003     435,106
     10,000,000         1     246.9      79.6     5,501   4,220,480
    exponent from 1,000,000 to 10,000,000 over 100 days: 0.87 (cpu 0.74)
    exponent from 100,000 to 10,000,000 over 100 days: 0.60 (cpu 0.51)
    exponent from 1,000,000 to 10,000,000 over 1 days: 0.79 (cpu 0.92)
    exponent from 100,000 to 10,000,000 over 1 days: 0.71 (cpu 0.74)

Half of the day with everything on it is the view user_recent, a row for each moment at which something became known.
"""

import math
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

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
MOST_GB, MOST_ROWS = 8.0, 10_000_000
MOST_GROWTH = 1.1
"""The bars: a day from a million impressions, the memory of ten million, and the exponent."""
WHOLE_UP_TO = 1_000_000
"""Every day at once makes a row a member and changed day: beyond this it is no fair sight."""

T = TypeVar("T")

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


def fill(settings: Settings, impressions: int, over: int) -> None:
    """A lake of so many impressions over the last ``over`` days, in equal parts."""
    lake, rng, users = Lake(settings.lake_path), np.random.default_rng(7), max(100, impressions // ROWS_A_MEMBER)
    datasets.write(Dataset(name="benchmark", source="tables"), lake.root)
    members(lake, users, rng)
    titles(lake, rng)
    edges = np.linspace(0, impressions, over + 1).astype(int).tolist()
    for number, day in enumerate(calendar.between(LAST - timedelta(days=over - 1), LAST)):
        numbers = range(edges[number], edges[number + 1])
        day_of_events(lake, day, len(numbers), users, rng, numbers)


@dataclass(frozen=True)
class Taken:
    """What one refresh took: seconds on the clock and of CPU, the most bytes that its process held, rows published."""

    seconds: float
    cpu: float
    memory: int
    rows: int

    def __str__(self) -> str:
        return f"{self.seconds:>9.1f} {self.cpu:>9.1f} {self.memory / 1e6:>9,.0f} {self.rows:>11,}"


def refreshed(settings: Settings, first: date, last: date) -> Taken:
    """One refresh, its memory watched from beside."""
    process, peak, done = psutil.Process(), 0, threading.Event()

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
    return Taken(time.perf_counter() - began, time.process_time() - cpu, peak, sum(rows.values()))


def alone(call: Callable[..., T], *given: Any) -> T:
    """The answer of the call, made in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(call, *given).result()


def measure(impressions: int, over: int) -> Taken:
    """Print the line of one size over so many days; returns what the one day took."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        settings, eve = Settings(home=Path(folder) / "day"), LAST - timedelta(days=1)
        alone(fill, settings, impressions, over)
        alone(refreshed, settings, eve, eve)  # What stands before the day: everyone's rows.
        one = alone(refreshed, settings, LAST, LAST)
        said = f"{impressions:>11,} {over:>9} {one}"
        if over > 1 and impressions <= WHOLE_UP_TO:
            whole = alone(refreshed, copied(settings, Path(folder) / "whole"), BEGIN, LAST)
            said += f" {whole.seconds:>10.1f} {whole.memory / 1e6:>9,.0f} {whole.seconds / one.seconds:>7.1f}"
        print(said, flush=True)
    return one


def copied(settings: Settings, home: Path) -> Settings:
    """A lake of the same tables, by links, without features."""
    found = Settings(home=home)
    found.lake_path.mkdir(parents=True)
    for name in (*tables.TABLES, datasets.FILE):
        if (settings.lake_path / name).exists():
            os.symlink(settings.lake_path / name, found.lake_path / name)
    return found


def bar(name: str, measured: float, most: float, unit: str) -> bool:
    """Print one bar; whether it is met."""
    met = measured <= most
    print(f"bar: {name} | {measured:.2f} {unit} | at most {most:g} {unit} | {'met' if met else 'missed'}")
    return met


def growth(sizes: list[int], taken: list[Taken], over: int) -> float:
    """Print the exponents up to the last size, from the one before and from the first; the greater by CPU seconds."""
    exponents = []
    for low in dict.fromkeys((len(sizes) - 2, 0)):
        grown = math.log(sizes[-1] / sizes[low])
        clock = math.log(taken[-1].seconds / taken[low].seconds) / grown
        cpu = math.log(taken[-1].cpu / taken[low].cpu) / grown
        print(f"exponent from {sizes[low]:,} to {sizes[-1]:,} over {over} days: {clock:.2f} (cpu {cpu:.2f})")
        exponents.append(cpu)
    return max(exponents)


def shared() -> bool:
    """Whether others want more cores than there are, so that the clock says little; prints which measure is held."""
    busy, cores = os.getloadavg()[0], os.cpu_count() or 1
    held_to = "CPU seconds" if busy > cores else "the clock"
    print(f"{cores} cores, {busy:.1f} of them wanted by others: the seconds are held to {held_to}")
    return busy > cores


def main(sizes: list[int]) -> int:
    """A line a size and spread, then the exponents, then the bars; 1 where one is missed."""
    print(f"one day alone, at {datetime.now(UTC):%Y-%m-%d}; ratio: every day of {DAYS} to one")
    by_cpu = shared()
    print("impressions over days   seconds       cpu        MB        rows  every day        MB   ratio")
    taken = {over: [measure(size, over) for size in sizes] for over in (DAYS, 1)}
    met = []
    for over, found in taken.items():
        if len(sizes) > 1:
            met.append(bar(f"growth, over {over} days", growth(sizes, found, over), MOST_GROWTH, "exponent"))
        for size, one in zip(sizes, found, strict=True):
            name = f"{size:,} impressions over {over} days"
            if size == AT:
                seconds, unit = (one.cpu, "s of CPU") if by_cpu else (one.seconds, "s")
                met.append(bar(f"a day from {name}", seconds, MOST_SECONDS, unit))
            if size == MOST_ROWS:
                met.append(bar(f"memory of a day from {name}", one.memory / 1e9, MOST_GB, "GB"))
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main([int(size) for size in sys.argv[1:]] or list(SIZES)))
