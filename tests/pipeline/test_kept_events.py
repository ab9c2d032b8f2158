"""What serving keeps of members, with what it hears since: the same row as all of their events give at once."""

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.core import dataset as datasets
from pipelines.core import days, tables
from pipelines.core.dataset import Dataset, LabelPolicy
from pipelines.core.lake import Lake
from pipelines.features import history, kept, sequence, text, vocabulary

# ibis 12 reads results by a DuckDB call that DuckDB 2 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

DAY = date(2026, 3, 1)
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
GENRES = {"m0": ["drama", "war"], "m1": ["war"], "m2": None}
TERMS = {"heist": 1, "space": 2}
MEMBERS = [f"u{n}" for n in range(12)]


def happened(seed: int) -> tuple[list[dict], list[dict]]:
    """Watches and searches of two days by twelve members; some are told late, and one member searches only."""
    draw = random.Random(seed)
    seen, asked = [], []
    for n in range(600):
        user = draw.choice(MEMBERS[1:])
        at = MIDNIGHT - timedelta(hours=24) + timedelta(minutes=draw.randrange(0, 2000, 7))
        known = at + timedelta(minutes=draw.choice([0, 0, 3, 700]))
        played = {
            "completion": draw.choice([None, 0.3, 0.6, 0.9, 1.4]),
            "watched_seconds": draw.choice([None, 61.5, 900.0]),
        }
        keys = {"watch_id": f"w{n}", "user_id": user, "media_id": draw.choice([*GENRES, "gone"])}
        seen.append(keys | played | {"started_at": at, "available_at": known})
        if n % 4 == 0:
            query = draw.choice(["Heist in space", "heist", "爱"])
            search = {"search_id": f"s{n}", "user_id": draw.choice(MEMBERS), "query": query}
            asked.append(search | {"searched_at": at, "available_at": known})
    return seen, asked


def filled(folder: Path, seen: list[dict], asked: list[dict]) -> Lake:
    lake = Lake(folder / "lake")
    datasets.write(Dataset(name="small", source="tables", labels=LabelPolicy(positive_above=0.5)), lake.root)
    media = [{"media_id": m, "genres": own, "available_at": MIDNIGHT - timedelta(days=9)} for m, own in GENRES.items()]
    lake.publish("media", pa.Table.from_pylist(media, tables.MEDIA.schema()))
    for table, rows in ((tables.WATCHES, seen), (tables.SEARCHES, asked)):
        for day in {days.of(row[table.time], "UTC") for row in rows}:
            here = [row for row in rows if days.of(row[table.time], "UTC") == day]
            lake.publish(table.name, pa.Table.from_pylist(here, table.schema()), day)
    vocabulary.grow(lake, vocabulary.GENRES, ["drama", "war"])
    vocabulary.grow(lake, history.TERMS, TERMS)
    return lake


def at_once(user: str, seen: list[dict], asked: list[dict]) -> tuple[sequence.Row, int]:
    code = {"drama": 0, "war": 1}
    watches = [
        sequence.watch(
            id=w["watch_id"],
            media=w["media_id"],
            at=w["started_at"],
            available_at=w["available_at"],
            completion=w["completion"],
            seconds=w["watched_seconds"],
            engaged=(w["completion"] or 0) > 0.5,
        )
        for w in seen
        if w["user_id"] == user
    ]
    searches = [
        sequence.search(id=s["search_id"], query=s["query"], at=s["searched_at"], available_at=s["available_at"])
        for s in asked
        if s["user_id"] == user
    ]
    made = sequence.row(
        watches,
        searches,
        genres=lambda m: sorted(code[g] for g in GENRES.get(m) or ()),
        terms=lambda q: text.codes(q, TERMS),
        width=2,
    )
    return made, sequence.known_at(watches, searches)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_kept_events_and_those_heard_since_give_the_row_of_all_of_them(tmp_path: Path, seed: int) -> None:
    seen, asked = happened(seed)
    lake = filled(tmp_path, seen, asked)
    folder = tmp_path / "snapshot"
    folder.mkdir()
    kept.write(lake, MIDNIGHT, folder)
    held = kept.load(folder)

    assert held.since == MIDNIGHT - timedelta(days=1)
    for moment in (MIDNIGHT, held.since):  # What both know is given twice, and counts once.
        since = [[row for row in rows if row["available_at"] >= moment] for rows in (seen, asked)]
        assert all(since)
        for user in MEMBERS:
            own = [[row for row in rows if row["user_id"] == user] for rows in since]
            assert held.row(user, *own) == at_once(user, seen, asked)
    assert held.row("stranger", [], []) is None


def test_a_refresh_before_the_day_is_over_loses_nothing_of_the_rest_of_it(tmp_path: Path) -> None:
    seen, asked = happened(4)
    noon = MIDNIGHT - timedelta(hours=12)
    early = [[row for row in rows if row["available_at"] < noon] for rows in (seen, asked)]
    folder = tmp_path / "snapshot"
    folder.mkdir()
    kept.write(filled(tmp_path, *early), MIDNIGHT, folder)
    held = kept.load(folder)

    stored = [[row for row in rows if row["available_at"] >= held.since] for rows in (seen, asked)]
    for user in MEMBERS:
        own = [[row for row in rows if row["user_id"] == user] for rows in stored]
        assert held.row(user, *own) == at_once(user, seen, asked)


def test_equal_knowledge_gives_equal_files(tmp_path: Path) -> None:
    seen, asked = happened(3)
    folders = [tmp_path / name for name in ("a", "b")]
    for folder, order in zip(folders, (1, -1), strict=True):
        folder.mkdir()
        kept.write(filled(folder, seen[::order], asked[::order]), MIDNIGHT, folder)
    one, other = ([(folder / name).read_bytes() for name in kept.FILES] for folder in folders)
    assert one == other


def test_a_snapshot_of_before_has_none(tmp_path: Path) -> None:
    assert kept.load(tmp_path) is None
