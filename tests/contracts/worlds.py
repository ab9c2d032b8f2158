"""Random small worlds for contract tests: canonical rows, the lake that holds them, and its features through Feast."""

import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import uvicorn
from hypothesis import strategies as st

from pipelines import refreshing, retraining
from pipelines.adapters.feature_store import FeatureStore
from pipelines.core import dataset as datasets
from pipelines.core import days, tables
from pipelines.core.dataset import Dataset, ExtraColumn
from pipelines.core.lake import Lake
from pipelines.core.ledger import Draft
from pipelines.core.settings import Settings
from pipelines.features import job
from pipelines.ingestion import job as ingestion
from pipelines.promotion import ledger
from pipelines.sources import SOURCES

PLACES = (
    ("America/New_York", date(2024, 3, 7)),
    ("America/Sao_Paulo", date(2018, 11, 1)),
    ("Australia/Lord_Howe", date(2024, 4, 3)),
    ("Asia/Shanghai", date(2022, 1, 1)),
    ("Europe/Berlin", date(2024, 10, 24)),
)
"""Where clocks change within DAYS, at midnight in one and by half an hour in another, and where they never do."""

DAYS, DAY, MICROSECOND = 6, timedelta(days=1), timedelta(microseconds=1)
USERS, MEDIA = ("u0", "u1", "u2", "u3"), ("m0", "m1", "m2", "m3", "m4")
GENRES, QUERIES, ZONES = (
    ("drama", "war", "crime"),
    ("war film", "爱", "a long journey"),
    (None, "Asia/Tokyo", "nowhere"),
)
LATE = [timedelta(), timedelta(), MICROSECOND, *(timedelta(hours=h) for h in (-1, 3, 20, 50, 50)), -MICROSECOND]
"""From when an event happened until it was known; below nothing where clocks disagree."""

QUESTION = ["user_id", "media_id", "event_timestamp"]
Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class World:
    """Rows of every canonical table; of members and titles all that was ever true of them."""

    zone: str
    first: date
    relevance: str
    rows: Rows

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Short, as Hypothesis prints it beside a failure: what failed names its rows."""
        printer.text(f"World({self.zone}, {self.first}, {self.relevance}, {sum(map(len, self.rows.values()))} rows)")

    def day(self, number: int) -> datetime:
        """The start of a day, counted from the first that is refreshed."""
        return days.start(self.first + number * DAY, self.zone)

    def known(self) -> list[datetime]:
        """The moments at which something became known, in order."""
        return sorted({known(row) for rows in self.rows.values() for row in rows})


TIMES = {**{t.name: t.time for t in tables.TABLES.values()}, "preferences": "chosen_at"}
IDS = {"users": ("user_id", "available_at"), "media": ("media_id", "available_at")}


def known(row: dict[str, Any]) -> datetime:
    """When the platform knew the row: not before it happened, whatever its clock said."""
    return max(row[c] for c in {*TIMES.values(), "available_at"} & row.keys() if c)


def _share(n: int) -> float | None:
    return (None, None, 0.05, 0.5, 0.95, 1.3)[n % 6]


def _more(table: str, n: int, extra: int, drawn: Rows) -> dict[str, Any]:
    """What a row of that table says beyond who, what and when; its id is its place among the rows of its table."""
    unsure = [w for w in drawn["watches"] if w["completion"] is None]
    watched = unsure[n % len(unsure)] if unsure else None
    of = {
        "users": {
            "age": 20 + extra,
            "country": ("BR", "US", None)[extra % 3],
            "time_zone": ZONES[extra % 3],
            "vip": True,
        },
        "media": {
            "duration_seconds": 60.0 * extra,
            "original_language": ("en", "pt")[extra % 2],
            "title": f"Title{extra}",
            "synopsis": f"About{extra % 5} friends{extra % 4} friends{extra % 3}",
            "tags": [f"tag{extra % 4}"],
            "actors": [f"actor{extra % 4}", f"actor{extra % 3}"],
            "director": f"director{extra % 5}",
        },
        "impressions": {
            "impression_id": f"i{n}",
            "policy": (None, "ranked", "history")[extra % 3],
            "clicked": extra > 4,
        },
        "watches": {
            "watch_id": f"w{n}",
            "impression_id": f"i{extra * 2}" if extra % 3 else None,
            "completion": _share(extra),
            "watched_seconds": 7.0 * extra,
        },
        "searches": {"search_id": f"q{n}", "query": QUERIES[extra % 3]},
        "sessions": {"session_id": f"s{n}"},
        "preferences": {"kind": "genre", "value": f"{GENRES[extra % 3]} {n}"},
        "dismissals": {"dismissal_id": f"d{n}"},
        # A rating says of a watch whether it was relevant, and may become known much later than that.
        "ratings": {"rating": (5.0, 4.0, 1.0)[extra % 3]}
        | ({k: watched[k] for k in ("user_id", "media_id")} | {"rated_at": watched["started_at"]} if watched else {}),
    }
    return of[table]


def _row(table: str, event: tuple[Any, ...], drawn: Rows, new: datetime) -> dict[str, Any]:
    """A row of what was drawn; the last title is not known before ``new``, nor is anything of it."""
    user, media, at, late, extra = event
    named = {c.name for c in tables.TABLES[table].columns}
    row = {"user_id": user, "media_id": media, "available_at": at + late, TIMES[table]: at}
    row |= _more(table, len(drawn[table]), extra, drawn) | (_titled(media) if table == "media" else {})
    if table == "sessions" and extra % 4:
        row["ended_at"] = row["started_at"] + timedelta(minutes=50 * extra)
    if "rated_at" in row:
        row["available_at"] = row["rated_at"] + late + (extra % 2) * 2 * DAY
    if row["media_id"] == MEDIA[-1] and "media_id" in named:
        row["available_at"] = max(row["available_at"], new)
    return {k: v for k, v in row.items() if k in named or k == "vip"}


@dataclass(frozen=True)
class Case:
    """What a property is tried with: a world, another of the same place and time, and choices of its own."""

    world: World
    other: World
    random: Random


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Places, sizes and seeds are drawn by Hypothesis; rows by the seeds, a world being too much to draw row by row."""
    zone, first = draw(st.sampled_from(PLACES))
    relevance = draw(st.sampled_from(["rating", "rating", "completion"]))
    random = draw(st.randoms(use_true_random=True))
    one, other = (_world(zone, first, relevance, draw(st.integers(100, 160)), random) for _ in range(2))
    return Case(one, other, random)


def _world(zone: str, first: date, relevance: str, size: int, random: Random) -> World:
    """Some members and titles, and what happened in and around DAYS days, much of it at the edges of days."""
    starts = [days.start(first + n * DAY, zone) for n in range(-2, DAYS)]
    new, long_ago = days.start(first + 2 * DAY, zone), starts[0] - DAY
    begin = [("users", u, MEDIA[0], long_ago) for u in USERS[:-1]]
    begin += [("media", USERS[0], m, new if m == MEDIA[-1] else long_ago) for m in MEDIA]
    begin += [("watches", USERS[0], m, starts[1]) for m in MEDIA[:2]]
    told = [(table, (user, media, at, timedelta(), n)) for n, (table, user, media, at) in enumerate(begin)]
    for table in sorted(random.choices(list(SHARES), list(SHARES.values()), k=size), key=ORDER):
        at = random.choice(starts) + random.choice([*EDGES, timedelta(seconds=random.random() * 86_400)])
        who = random.choice(USERS), random.choice(MEDIA)
        told.append((table, (*who, at, random.choice(LATE), random.randrange(12))))
    rows: Rows = {name: [] for name in tables.TABLES}
    for table, drawn in told:
        rows[table].append(_row(table, drawn, rows, new))
    return World(zone, first, relevance, {name: _once(name, held) for name, held in rows.items()})


SHARES = {"users": 4, "media": 6, "impressions": 20, "watches": 30, "searches": 10, "sessions": 8, "ratings": 30}
SHARES |= {"preferences": 4, "dismissals": 3}
ORDER = list(SHARES).index
EDGES = [-MICROSECOND, timedelta(), MICROSECOND, *(timedelta(hours=20, minutes=m) for m in (0, 9, 31))]
"""Times of day at which much happens: where a day begins, and an evening, so that sessions go on and events collide."""


def _titled(media: str) -> dict[str, Any]:
    """What a title is for good: see docs/point-in-time.md on what counts for earlier events too."""
    n = MEDIA.index(media)
    return {"genres": [*GENRES[n % 3 :], *GENRES[: n % 3]][: 1 + n % 3], "creator": f"c{n % 2}"}


def _key(table: str, row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[k] for k in IDS.get(table, tables.TABLES[table].key))


def _once(table: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({_key(table, row): row for row in reversed(rows)}.values())[::-1]


def spliced(world: World, other: World, at: datetime) -> World:
    """What the one knew up to ``at`` with what the other came to know after it: events altered, added and removed."""
    rows = {
        table: _once(
            table, [r for r in world.rows[table] if known(r) <= at] + [r for r in other.rows[table] if known(r) > at]
        )
        for table in world.rows
    }
    return replace(world, rows=rows)


def publish(world: World, folder: Path, order: Callable[[list[Any]], list[Any]] = list) -> Settings:
    """A lake of the world, its rows and files written in an order."""
    settings = Settings(home=folder)
    lake = Lake(settings.lake_path)
    extra = ExtraColumn(name="vip", entity="user", type="bool", meaning="pays more")
    dataset = Dataset(name="w", source="tables", time_zone=world.zone, relevance=world.relevance, columns=(extra,))
    datasets.write(dataset, lake.root)
    for name, rows in world.rows.items():
        table = tables.TABLES[name]
        for (stored, day), held in _files(table, rows, world.zone):
            schema = table.schema(dataset.extras_of(table))
            lake.publish(stored, pa.Table.from_pylist(order(held), schema), day)
    return settings


def _files(
    table: tables.Table, rows: list[dict[str, Any]], zone: str
) -> list[tuple[tuple[str, date | None], list[Any]]]:
    found: dict[tuple[str, date | None], list[Any]] = {}
    latest = {_key(table.name, r)[0]: r for r in sorted(rows, key=known)} if table.name in IDS else {}
    for row in rows:
        stored = tables.earlier(table.name) if latest and latest[row[table.key[0]]] is not row else table.name
        day = days.of(row[table.time], zone) if table.time else None
        found.setdefault((stored, day), []).append(row)
    return list(found.items())


@contextmanager
def opened(world: World, order: Callable[[list[Any]], list[Any]] = list) -> Iterator[FeatureStore]:
    """The features of a world, refreshed and registered."""
    with tempfile.TemporaryDirectory() as folder:
        settings = publish(world, Path(folder), order)
        job.refresh(settings, world.first, world.first + (DAYS - 1) * DAY)
        store = FeatureStore(settings)
        store.apply()
        yield store


def asked(moments: list[datetime], users: tuple[str, ...] = USERS, media: tuple[str, ...] = MEDIA) -> pd.DataFrame:
    """Everyone and every title at every moment."""
    rows = pd.DataFrame([(u, m, at) for at in moments for u in users for m in media], columns=QUESTION)
    return rows.assign(event_timestamp=pd.to_datetime(rows["event_timestamp"], utc=True).dt.as_unit("us"))


def spread(moments: list[datetime], most: int = 12) -> list[datetime]:
    """The last ``most`` / 2 of the moments and as many evenly before them."""
    late, early = moments[-most // 2 :], moments[: -most // 2]
    return [*early[:: max(1, len(early) // (most // 2))], *late]


def cell(value: Any) -> Any:
    """A value to compare by ==, None where absent; a vocabulary that grew adds zeros at the end of an array."""
    if isinstance(value, np.ndarray | list | tuple):
        words = list(map(str, value)) if len(value) and isinstance(value[0], str) else list(map(float, value))
        while words and words[-1] == 0.0:
            words.pop()
        return words
    return None if pd.isna(value) else value


def same(one: pd.DataFrame, other: pd.DataFrame, because: str) -> None:
    """Every column of both, bit for bit; the message names those that differ and shows where the first does."""
    assert list(one.columns) == list(other.columns)
    assert len(one) == len(other)
    first: dict[str, str] = {}
    for name in one.columns:
        for place, (left, right) in enumerate(zip(map(cell, one[name]), map(cell, other[name]), strict=True)):
            if left != right:
                first.setdefault(name, f"{one[QUESTION].iloc[place].tolist()} {left!r}, {right!r}")
    assert not first, f"{', '.join(first)} {because}: {next(iter(first.values()))}"


def permitted(settings: Settings, release_id: str, at: datetime) -> None:
    """Write the line into the ledger that lets a release serve."""
    judged = Draft(event="judged", at=at, actor="gate", release_id=release_id, facts={"verdict": "promote"})
    ledger.append(settings, "promoter", lambda _: judged)


@contextmanager
def over_http(app: Any) -> Iterator[str]:
    """The address at which the app answers until the block ends."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def released(settings: Settings, world: Path, test_from: date) -> Path:
    """The world taken in and refreshed as the DAGs do, and the folder of a sealed logistic release that is tested from
    that day on."""
    source = SOURCES["tables"](world)
    ingestion.ingest(Lake(settings.lake_path), source.dataset, source.batches())
    interval = refreshing.plan(settings, None, None)
    refreshing.compute(settings, interval)
    refreshing.publish(settings, interval)
    window = retraining.plan_window(Lake(settings.lake_path), test_from)
    retraining.build_training_set(settings, window, seed=7)
    retraining.fit_generators(settings, window, seed=7)
    retraining.fit_ranker(settings, window, seed=7, method="logistic")
    folder = retraining.staging(settings, window) / retraining.RELEASE
    retraining.seal(settings, window, seed=7, folder=folder)
    return folder
