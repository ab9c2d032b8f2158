"""What generators are told of members and titles: as it was known at the moment, wherever they are asked."""

from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines import snapshot
from pipelines.candidates import known
from pipelines.candidates.interactions import asked_on, histories, interactions
from pipelines.candidates.members import contexts, member_table
from pipelines.core import dataset as datasets
from pipelines.core.contracts import History
from pipelines.core.dataset import Dataset, ExtraColumn
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.tables import TABLES, USERS

# Ibis calls DuckDB by the old name of to_arrow_table.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")


def january(day: int, hour: int = 0) -> datetime:
    return datetime(2026, 1, day, hour, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """u0 moves from NL to BE on the 4th and chooses genres on the 2nd and, heard of late, the 5th; u1 only watches."""
    found = Lake(tmp_path / "lake")
    mood = ExtraColumn(name="mood", entity="media", type="string", meaning="how it feels")
    dataset = Dataset(name="small", source="tables", columns=(mood,))
    datasets.write(dataset, found.root)

    def publish(stored: str, rows: list[dict], day: date | None = None) -> None:
        table = TABLES[stored.removeprefix("earlier/")]
        found.publish(stored, pa.Table.from_pylist(rows, table.schema(dataset.extras_of(table))), day)

    publish("users", [{"user_id": "u0", "available_at": january(4), "country": "BE", "age": 41}])
    publish("earlier/users", [{"user_id": "u0", "available_at": january(1), "country": "NL", "gender": "female"}])
    chosen = [("drama", january(2), january(2)), ("crime", january(2), january(2)), ("war", january(5), january(6))]
    choices = [
        {"user_id": "u0", "kind": "genre", "value": value, "chosen_at": at, "available_at": heard}
        for value, at, heard in chosen
    ]
    title = {"user_id": "u2", "kind": "title", "value": "m0", "chosen_at": january(1), "available_at": january(1)}
    publish("preferences", [*choices, title])
    now = [{"media_id": m, "available_at": january(1), "mood": "grim", "title": f"New {m}"} for m in ("m0", "m1")]
    publish("media", [now[1] | {"available_at": january(5)}, now[0]])
    publish("earlier/media", [now[1] | {"title": "Old m1", "mood": None}])
    watched = [("m0", january(2, 9), "tv"), ("m0", january(3, 9), "phone"), ("m1", january(3, 8), None)]
    for day in (2, 3):
        rows = [
            {"watch_id": f"{media}-{at}", "user_id": "u1", "media_id": media, "completion": 1.0, "device": device}
            | {"started_at": at, "available_at": at}
            for media, at, device in watched
            if at.day == day
        ]
        publish("watches", rows, date(2026, 1, day))
    return found


def test_a_member_is_who_was_known_at_the_moment(lake: Lake) -> None:
    told = {day: dict(contexts(member_table(lake, january(day, 12)))) for day in (1, 2, 4, 5, 6)}
    assert told[1] == {"u0": {"country": "NL", "gender": "female"}}
    assert told[2]["u0"] == {"country": "NL", "gender": "female", "chosen_genres": ("crime", "drama")}
    assert told[4]["u0"] == {"country": "BE", "age": 41.0, "chosen_genres": ("crime", "drama")}
    assert told[5] == told[4], "a choice that is heard of late is not known before"
    assert told[6]["u0"]["chosen_genres"] == ("crime", "drama", "war")


def test_rows_are_asked_about_as_pages_of_their_moment_are(lake: Lake) -> None:
    asked = [(u, january(day, hour)) for u in ("u0", "u1", "nobody") for day in range(1, 8) for hour in (0, 12)]
    for device in (None, "tv"):
        rows = pd.DataFrame(asked, columns=["user_id", "event_timestamp"]).assign(media_id="m0", device=device)
        found = known.from_lake(lake, rows)
        for (user, moment), place in zip(asked, found.place.tolist(), strict=True):
            served = histories(lake, moment).get(user, History()) if moment > january(1) else History()
            assert found.histories[place] == asked_on(served, device=device), (user, moment)
        assert len(set(found.place.tolist())) == len(found.histories)


def test_members_of_whom_nothing_is_known_share_one_history(lake: Lake) -> None:
    lake.publish("users", pa.Table.from_pylist([{"user_id": "blank", "available_at": january(1)}], USERS.schema()))
    rows = pd.DataFrame({"user_id": ["blank", "nobody"], "event_timestamp": january(3), "media_id": "m0"})
    found = known.from_lake(lake, rows)
    assert found.histories == [History()]
    assert found.place.tolist() == [0, 0]


def test_the_request_counts_before_what_is_known_of_the_member() -> None:
    known_to_be = History(("m0",), (1.0,), {"country": "NL", "age": 41.0})
    asked = asked_on(known_to_be, device="tv", country="US")
    assert asked == History(("m0",), (1.0,), {"country": "US", "age": 41.0, "device": "tv"})
    assert asked_on(known_to_be, device=None, country=None) is known_to_be


def test_titles_are_told_as_they_were_known_with_the_columns_a_data_set_declares(lake: Lake) -> None:
    before, after = (interactions(lake, january(day)).media_table for day in (4, 6))
    assert before["media_id"].to_pylist() == interactions(lake, january(4)).catalogue.tolist() == ["m0", "m1"]
    assert (before["title"].to_pylist(), after["title"].to_pylist()) == (["New m0", "Old m1"], ["New m0", "New m1"])
    assert (before["mood"].to_pylist(), after["mood"].to_pylist()) == (["grim", None], ["grim", "grim"])


def test_a_watch_has_the_device_of_its_latest_time_that_named_one(lake: Lake) -> None:
    found = interactions(lake, january(6))
    assert dict(zip(found.media.tolist(), found.device.tolist(), strict=True)) == {"m0": "phone", "m1": None}


def test_a_snapshot_knows_members_who_watched_nothing(lake: Lake, tmp_path: Path, monkeypatch) -> None:
    rows = pd.DataFrame({"media_id": ["m0", "m1"], "media_rate": [0.5, 0.1]})
    monkeypatch.setattr(snapshot, "FeatureStore", lambda _: SimpleNamespace(media_rows=lambda ids, at: rows))
    settings = Settings(home=tmp_path)
    assert settings.lake_path == lake.root
    held = snapshot.MediaSnapshot.load(snapshot.write(settings, january(7), tmp_path / "made"))
    assert held.histories == histories(lake, january(7))
    assert held.history("u0").media == ()
    assert held.history("u0").context["chosen_genres"] == ("crime", "drama", "war")
    old = pq.read_table(tmp_path / "made" / snapshot.HISTORIES).select(["user_id", "media"])
    pq.write_table(old, tmp_path / "made" / snapshot.HISTORIES)
    assert snapshot.MediaSnapshot.load(tmp_path / "made").history("u1") == History(("m1", "m0"), (1.0, 1.0))
