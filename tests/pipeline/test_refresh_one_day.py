"""A day recomputed alone is, to the last bit, what the recomputation of every day publishes."""

import hashlib
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.core import dataset as datasets
from pipelines.core import days, tables
from pipelines.core.dataset import Dataset
from pipelines.core.errors import FeatureError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.features import job, stream, windows
from pipelines.features.plan import Span

# ibis 12 reads results by a DuckDB call that DuckDB 2 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

ZONE = "America/Sao_Paulo"
BEGIN, DAYS = date(2024, 1, 1), 220
LAST = BEGIN + timedelta(days=DAYS - 1)
MOMENT = datetime(2024, 1, 1, tzinfo=UTC)
USERS, TITLES = 6, 9
GENRES = ("drama", "war", "comedy", "crime")


def media(rng: np.random.Generator) -> list[dict[str, object]]:
    return [
        {
            "media_id": f"m{n}",
            "available_at": MOMENT + timedelta(days=int(rng.integers(0, 150))),
            "title": f"Title {n} of the {GENRES[n % 4]}",
            "synopsis": f"A {GENRES[n % 3]} about {n} friends and a long journey",
            "genres": [GENRES[n % 4], GENRES[(n + 1) % 4]][: 1 + n % 2],
            "tags": ["long", f"tag{n % 2}"],
            "actors": [f"actor {n % 3}", f"actor {n % 5}"],
            "director": f"director {n % 3}",
            "creator": f"creator {n % 2}" if n % 4 else None,
            "original_language": ("pt", "en")[n % 2],
            "duration_seconds": 100.0 + n,
        }
        for n in range(TITLES)
    ]


def events(rng: np.random.Generator) -> dict[str, list[dict[str, object]]]:
    """Events on about half of the days; some became known days or months after they happened."""
    found: dict[str, list[dict[str, object]]] = {
        name: [] for name in ("impressions", "watches", "sessions", "searches")
    }
    for n in range(700):
        at = MOMENT + timedelta(seconds=int(rng.integers(0, DAYS * 86_400)))
        late = timedelta(days=int(rng.choice([0, 0, 0, 2, 120])), minutes=5)
        who = {"user_id": f"u{rng.integers(USERS)}", "session_id": f"s{n}", "available_at": at + late}
        what = {"impression_id": f"i{n}", "media_id": f"m{rng.integers(TITLES)}"}
        found["impressions"].append(who | what | {"shown_at": at})
        if n % 2:
            seen = {"completion": float(rng.random()), "watched_seconds": float(rng.random() * 99)}
            found["watches"].append(who | what | seen | {"watch_id": f"w{n}", "started_at": at})
        found["sessions"].append(who | {"started_at": at, "ended_at": at + timedelta(minutes=n % 50)})
        found["searches"].append(who | {"search_id": f"q{n}", "searched_at": at, "query": f"{GENRES[n % 4]} film"})
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A lake whose every day was refreshed at once; no test changes it."""
    settings, rng = Settings(home=tmp_path_factory.mktemp("whole")), np.random.default_rng(5)
    lake = Lake(settings.lake_path)
    datasets.write(Dataset(name="sparse", source="tables", time_zone=ZONE), lake.root)
    users = [{"user_id": f"u{n}", "available_at": MOMENT + timedelta(days=n), "age": 20 + n} for n in range(USERS)]
    lake.publish("users", pa.Table.from_pylist(users, tables.USERS.schema()))
    lake.publish("media", pa.Table.from_pylist(media(rng), tables.MEDIA.schema()))
    for name, rows in events(rng).items():
        table = tables.TABLES[name]
        of_day = [days.of(row[table.time], ZONE) for row in rows]
        for day in set(of_day):
            here = [row for row, own in zip(rows, of_day, strict=True) if own == day]
            lake.publish(name, pa.Table.from_pylist(here, table.schema()), day)
    job.refresh(settings, BEGIN, LAST)
    return settings


def contents(settings: Settings) -> dict[str, str]:
    root = settings.lake_path / "features"
    return {str(f.relative_to(root)): hashlib.sha256(f.read_bytes()).hexdigest() for f in root.rglob("*.parquet")}


def emptied(settings: Settings, tmp_path: Path, *gone: date) -> Settings:
    """A copy of the lake in which the snapshots of some days have no rows; the stream's only of the first of them.

    What members did on a day is in that day's file of the stream, and in the snapshots of the day after.
    """
    copy = Settings(home=tmp_path / "copy")
    shutil.copytree(settings.root, copy.root)
    lake = Lake(copy.lake_path)
    for view in (path.name for path in (lake.root / "features").iterdir() if path.is_dir()):
        due = gone[:1] if view == stream.VIEW else gone
        for day in set(due) & set(lake.days(job.table_of(view))):
            lake.publish(job.table_of(view), pq.read_table(lake.path(job.table_of(view), day)).slice(0, 0), day)
    return copy


@pytest.mark.parametrize("day", [BEGIN + timedelta(days=n) for n in (3, 130, 197, DAYS - 1)])
def test_a_day_recomputed_alone_is_equal_to_the_last_bit(whole, tmp_path, day):
    copy = emptied(whole, tmp_path, day, day + timedelta(days=1))
    assert contents(copy) != contents(whole)
    job.refresh(copy, day, day)
    assert contents(copy) == contents(whole)


def test_a_lake_refreshed_a_stretch_at_a_time_is_equal_to_one_refreshed_at_once(whole, tmp_path):
    copy = Settings(home=tmp_path / "copy")
    shutil.copytree(whole.root, copy.root, ignore=shutil.ignore_patterns("features"))
    for first, last in ((0, 99), (100, 100), (101, 180), (181, DAYS - 1)):
        job.refresh(copy, BEGIN + timedelta(days=first), BEGIN + timedelta(days=last))
    assert contents(copy) == contents(whole)


def test_looking_back_a_day_too_few_is_found(whole, tmp_path, monkeypatch):
    """The planted fault of the tests above: events that a window still holds are taken for older ones."""
    day = BEGIN + timedelta(days=197)
    copy = emptied(whole, tmp_path, day, day + timedelta(days=1))
    monkeypatch.setattr(Span, "settled_before", property(lambda span: (span.first - date(1970, 1, 1)).days - 6))
    job.refresh(copy, day, day)
    assert contents(copy) != contents(whole)


def test_a_window_longer_than_a_refresh_looks_back_is_refused():
    with pytest.raises(FeatureError, match=f"window of {windows.LONGEST + 1} days: .* raise windows.LONGEST"):
        windows.last_days("user_id", windows.LONGEST + 1)
