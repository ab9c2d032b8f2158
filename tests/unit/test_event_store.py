import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipelines.adapters.event_store import EventStore
from pipelines.adapters.event_tables import EVENTS
from pipelines.core import tables
from pipelines.core.errors import DataError, SettingsError

NOON = datetime(2022, 4, 29, 12, 0, 0, 123_457, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    with EventStore(f"sqlite:///{tmp_path}/events.db") as opened:
        opened.migrate()
        yield opened


def watch(number: int, at: datetime = NOON, **other: Any) -> dict[str, Any]:
    ids = {"watch_id": f"w{number}", "user_id": "u1", "media_id": "m1"}
    return ids | {"started_at": at, "available_at": at, "watched_seconds": 61.5} | other


def shown(number: int, **other: Any) -> dict[str, Any]:
    ids = {"impression_id": f"i{number}", "user_id": "u1", "media_id": f"m{number}"}
    return ids | {"shown_at": NOON, "available_at": NOON, "clicked": False} | other


def test_an_event_comes_back_exactly_as_it_was_recorded(store: EventStore) -> None:
    lists = {"action_set": ["m1", "ö,\"m2'"], "action_propensities": [0.1, 0.30000000000000004]}
    assert store.record("impressions", [shown(1, position=3, propensity=0.1, **lists)]) == 1

    row = store.read("impressions", NOON, NOON + timedelta(microseconds=1)).to_pylist()[0]

    assert row["shown_at"] == NOON
    assert row["shown_at"].utcoffset() == timedelta(0)
    assert (row["position"], row["propensity"], row["clicked"], row["surface"]) == (3, 0.1, False, None)
    assert {name: row[name] for name in lists} == lists


@pytest.mark.parametrize("table", EVENTS, ids=lambda t: t.name)
def test_what_is_read_has_the_canonical_schema_even_when_there_is_nothing(store: EventStore, table: Any) -> None:
    assert store.read(table.name, NOON, NOON) == tables.empty(table)


def test_the_migrated_schema_is_the_canonical_one(store: EventStore) -> None:
    assert store.differences() == []


def test_an_event_sent_twice_is_kept_once_and_first_wins(store: EventStore) -> None:
    assert store.record("watches", [watch(1), watch(2), watch(1, watched_seconds=9.0)]) == 2
    assert store.record("watches", [watch(2, watched_seconds=9.0), watch(3)]) == 1

    kept = store.read("watches", NOON, NOON + timedelta(days=1))
    assert kept["watch_id"].to_pylist() == ["w1", "w2", "w3"]
    assert kept["watched_seconds"].to_pylist() == [61.5, 61.5, 61.5]


def test_an_interval_holds_its_start_and_not_its_end_in_order_of_time(store: EventStore) -> None:
    second = timedelta(seconds=1)
    store.record("watches", [watch(3, NOON + 2 * second), watch(1, NOON - second), watch(2), watch(4, NOON + second)])

    assert store.read("watches", NOON, NOON + 2 * second)["watch_id"].to_pylist() == ["w2", "w4"]


def test_a_time_in_another_zone_is_the_same_moment(store: EventStore) -> None:
    store.record("watches", [watch(1, NOON.astimezone(timezone(timedelta(hours=8))))])

    assert store.read("watches", NOON, NOON + timedelta(microseconds=1))["started_at"].to_pylist() == [NOON]


def test_moments_before_1970_and_far_ahead_survive(store: EventStore) -> None:
    moments = [datetime(1931, 1, 1, 0, 0, 0, 1, tzinfo=UTC), datetime(2199, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)]
    store.record("watches", [watch(n, at) for n, at in enumerate(moments)])

    everything = store.read("watches", datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
    assert everything["started_at"].to_pylist() == moments


def test_many_rows_stream_in_batches(store: EventStore) -> None:
    assert store.record("watches", [watch(n, NOON + timedelta(seconds=n)) for n in range(10_001)]) == 10_001

    batches = list(store.batches("watches", NOON, NOON + timedelta(days=1)))
    assert [b.num_rows for b in batches] == [10_000, 1]
    assert batches[0].schema == tables.WATCHES.schema()


def test_a_click_marks_its_impression_once(store: EventStore) -> None:
    store.record("impressions", [shown(1), shown(2), shown(3, clicked=None)])

    assert store.record_clicks(["i1", "i3", "unknown"]) == 2
    assert store.record_clicks(["i1"]) == 0
    assert store.record_clicks([]) == 0
    clicked = store.read("impressions", NOON, NOON + timedelta(days=1))["clicked"].to_pylist()
    assert clicked == [True, False, True]


def test_impressions_are_looked_up_by_id(store: EventStore) -> None:
    store.record("impressions", [shown(1), shown(2)])

    assert store.impressions(["i2", "unknown"]) == {"i2": ("u1", "m2")}
    assert store.impressions([]) == {}


def test_a_session_is_closed_by_sending_it_again_with_its_end(store: EventStore) -> None:
    opened = {"session_id": "s1", "user_id": "u1", "started_at": NOON, "available_at": NOON}
    end = NOON + timedelta(minutes=30)

    assert store.record("sessions", [opened]) == 1
    assert store.record("sessions", [opened]) == 0
    assert store.record("sessions", [opened | {"ended_at": end}]) == 1
    assert store.record("sessions", [opened | {"ended_at": end + timedelta(minutes=1)}]) == 0
    assert store.read("sessions", NOON, end)["ended_at"].to_pylist() == [end]


def test_the_latest_rows_of_a_member_come_oldest_first(store: EventStore) -> None:
    hours = [watch(n, NOON + timedelta(hours=n)) for n in range(5)]
    store.record("watches", [*hours, watch(9, user_id="u2")])

    latest = store.latest("watches", "u1", NOON + timedelta(hours=4), 2)
    assert [row["watch_id"] for row in latest] == ["w2", "w3"]
    assert store.latest("watches", "nobody", NOON, 2) == []


def test_a_request_keeps_its_first_answer_and_its_impressions_once(store: EventStore) -> None:
    first, second = {"items": ["m1"]}, {"items": ["m2"]}

    assert store.page("r1") is None
    assert store.record_page("r1", first, [shown(1)], NOON) is None
    assert store.record_page("r1", second, [shown(2)], NOON) == first
    assert store.page("r1") == first
    assert store.read("impressions", NOON, NOON + timedelta(days=1))["impression_id"].to_pylist() == ["i1"]


def test_a_row_that_is_wrong_keeps_its_whole_call_out(store: EventStore) -> None:
    with pytest.raises(DataError, match="watches row has no media_id"):
        store.record("watches", [watch(1), watch(2, media_id=None)])
    with pytest.raises(DataError, match=r"time 2022-04-29T12:00:00\.123457 has no zone"):
        store.record("watches", [watch(1), watch(2, NOON.replace(tzinfo=None))])

    assert store.read("watches", NOON, NOON + timedelta(days=1)).num_rows == 0


def test_a_wrong_table_or_column_is_named(store: EventStore) -> None:
    with pytest.raises(DataError, match="table 'users' is not in the event store: it keeps impressions, watches"):
        store.record("users", [{"user_id": "u1"}])
    with pytest.raises(DataError, match="watches has no column 'seconds'"):
        store.record("watches", [watch(1, seconds=3)])


@pytest.mark.parametrize("url", ["mysql://secret@host/db", "not a url"])
def test_another_database_is_refused_without_showing_the_url(url: str) -> None:
    with pytest.raises(SettingsError, match="event_store_url") as refusal:
        EventStore(url)
    assert "secret" not in str(refusal.value)


def test_migrating_again_changes_nothing(store: EventStore) -> None:
    store.record("watches", [watch(1)])
    store.migrate()
    assert store.read("watches", NOON, NOON + timedelta(days=1)).num_rows == 1


def test_processes_that_start_at_once_migrate_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/events.db"
    program = "import sys; from pipelines.adapters.event_store import EventStore; EventStore(sys.argv[1]).migrate()"
    processes = [subprocess.Popen([sys.executable, "-c", program, url]) for _ in range(3)]

    assert [process.wait(60) for process in processes] == [0, 0, 0]
    with EventStore(url) as store:
        assert store.differences() == []


def test_a_reader_does_not_stop_a_writer(store: EventStore) -> None:
    store.record("watches", [watch(n, NOON + timedelta(seconds=n)) for n in range(10_001)])
    reading = store.batches("watches", NOON, NOON + timedelta(days=1))
    next(reading)

    assert store.record("watches", [watch(-1)]) == 1
    assert sum(b.num_rows for b in reading) == 1
    assert isinstance(store.read("watches", NOON, NOON + timedelta(microseconds=1)), pa.Table)


def test_the_last_decision_on_a_media_holds_whatever_moment_it_names(store: EventStore) -> None:
    def decide(media_id: str, down: bool, hours: int) -> None:
        store.decide_takedown(media_id, down=down, reason=f"at {hours}", at=NOON + timedelta(hours=hours))

    decide("m1", True, 1)
    decide("m2", True, 2)
    decide("m1", False, 3)
    decide("m3", False, 4)
    assert store.takedowns() == [{"media_id": "m2", "reason": "at 2", "decided_at": NOON + timedelta(hours=2)}]
    decide("m1", True, 0)
    assert [held["media_id"] for held in store.takedowns()] == ["m2", "m1"]


def test_what_became_known_since_a_moment_is_found_by_member_whenever_it_happened(store: EventStore) -> None:
    day = timedelta(days=1)
    told = [watch(1), watch(2, NOON - 9 * day, available_at=NOON), watch(3, NOON + day), watch(4, NOON - day)]
    store.record("watches", [*told, watch(5, user_id="u2")])

    found = store.known_since("watches", ["u1", "u3"], NOON)
    assert {user: sorted(row["watch_id"] for row in rows) for user, rows in found.items()} == {"u1": ["w1", "w2", "w3"]}
    assert store.known_since("watches", [], NOON) == {}
    assert store.members_since(NOON, ("watches", "searches")) == ["u1", "u2"]
    assert store.members_since(NOON + day, ("watches", "searches")) == ["u1"]


def test_a_late_event_is_one_that_became_known_in_the_interval_and_happened_before_it(store: EventStore) -> None:
    day = timedelta(days=1)
    store.record(
        "watches", [watch(1, NOON - day, available_at=NOON), watch(2), watch(3, NOON - day), watch(4, NOON + day)]
    )

    assert store.read_late("watches", NOON, NOON + day)["watch_id"].to_pylist() == ["w1"]


def test_the_vectors_of_a_page_are_kept_once(store: EventStore) -> None:
    of = {"user_id": "u1", "release_id": "r", "snapshot_version": "s", "features": b"\0v", "media_ids": ["m1", "m2"]}
    rows = [of | {"request_id": f"q{n}", "requested_at": NOON + timedelta(hours=n)} for n in range(3)]
    store.record_served(rows)
    store.record_served([rows[0] | {"features": b"other"}])
    store.record_served([])

    found = list(store.served(NOON, NOON + timedelta(hours=2)))
    assert [row["request_id"] for row in found] == ["q0", "q1"]
    assert (found[0]["features"], found[0]["media_ids"], found[0]["device"]) == (b"\0v", ["m1", "m2"], None)
    assert found[1]["requested_at"] == NOON + timedelta(hours=1)


def test_pins_and_boosts_hold_until_they_are_lifted_replaced_or_over(store: EventStore) -> None:
    day = timedelta(days=1)

    def decide(media_id: str, until: datetime = NOON + day, at: datetime = NOON, **other: Any) -> int:
        made = store.decide_pin({"media_id": media_id, "until": until, "reason": "finale"} | other, at=at)
        return int(made["number"])

    first, boost = decide("m1", slot=0), decide("m1", factor=2.0)
    here = decide("m1", slot=3, country="NL")
    assert [(p["number"], p["slot"], p["factor"], p["country"]) for p in store.pins()] == [
        (first, 0, None, None),
        (boost, None, 2.0, None),
        (here, 3, None, "NL"),
    ]
    assert (store.pins()[0]["until"], store.pins()[0]["decided_at"]) == (NOON + day, NOON)
    again = decide("m1", slot=1)
    assert [p["number"] for p in store.pins()] == [boost, here, again]
    assert store.lift_pin(here, NOON)
    assert not store.lift_pin(here, NOON)
    assert not store.lift_pin(999, NOON)
    last = decide("m2", NOON + 3 * day, at=NOON + day, slot=0)
    assert [p["number"] for p in store.pins()] == [last]


def test_how_often_a_member_was_shown_a_title_is_counted_between_two_moments(store: EventStore) -> None:
    hour = timedelta(hours=1)
    times = [("i1", "m1", 0), ("i2", "m1", 1), ("i3", "m2", 1), ("i4", "m1", 2), ("i5", "m1", -1)]
    store.record("impressions", [shown(1, impression_id=i, media_id=m, shown_at=NOON + h * hour) for i, m, h in times])
    store.record("impressions", [shown(2, user_id="u2", shown_at=NOON)])
    assert store.times_shown("u1", NOON, NOON + 2 * hour) == {"m1": 2, "m2": 1}
    assert store.times_shown("nobody", NOON, NOON + 2 * hour) == {}
