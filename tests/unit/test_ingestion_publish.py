from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.core.dataset import Dataset, ExtraColumn
from pipelines.core.lake import Lake
from pipelines.core.tables import MEDIA, RATINGS, REASON, USERS, WATCHES, Table
from pipelines.ingestion import publish, quarantine
from pipelines.ingestion.job import ingest
from pipelines.ingestion.merge import CONFLICT, OLDER

SHANGHAI = Dataset(name="tiny", source="tables", time_zone="Asia/Shanghai")
# 2026-01-03 00:30 in Shanghai.
AT = datetime(2026, 1, 2, 16, 30, tzinfo=UTC)
DAY = date(2026, 1, 3)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def rows(table: Table, *given: dict, extras=()) -> pa.Table:
    return pa.table({c.name: pa.array([g.get(c.name) for g in given], c.type) for c in (*table.columns, *extras)})


def watch(name="w", at=AT, **values) -> dict:
    known = {"watch_id": name, "user_id": "u", "media_id": "m", "started_at": at, "available_at": at}
    return known | values


def bring(lake: Lake, *batches: tuple[Table, pa.Table], dataset: Dataset = SHANGHAI):
    return ingest(lake, dataset, batches).tables


def test_events_are_stored_by_the_day_of_the_data_sets_own_zone_in_order_of_time(lake):
    later, earlier = watch("b", AT + timedelta(hours=1)), watch("a")
    yesterday = watch("c", AT - timedelta(hours=1))

    bring(lake, (WATCHES, rows(WATCHES, later, earlier, yesterday)))

    assert lake.days("watches") == [date(2026, 1, 2), DAY]
    assert lake.read("watches", DAY, DAY)["watch_id"].to_pylist() == ["a", "b"]
    assert pq.read_schema(lake.path("watches", DAY)).equals(WATCHES.schema())


def test_exact_duplicates_collapse_and_are_counted_also_over_batches(lake):
    same = rows(WATCHES, watch(), watch())

    report = bring(lake, (WATCHES, same), (WATCHES, same))["watches"]

    assert (report.rows_in, report.published, report.duplicates, report.quarantined) == (4, 1, 3, 0)
    assert len(lake.read("watches")) == 1


def test_importing_again_changes_no_row_no_file_and_no_watermark(lake):
    batch = (WATCHES, rows(WATCHES, watch("a"), watch("b", completion=-1.0), watch("c"), watch("c", device="tv")))
    bring(lake, batch)
    files = {p: (p.stat().st_ino, p.read_bytes()) for p in lake.root.rglob("*.parquet")}
    mark = lake.watermark("watches")

    report = bring(lake, batch)["watches"]

    assert (report.published, report.duplicates, report.quarantined) == (0, 2, 2)
    again = {p: (p.stat().st_ino, p.read_bytes()) for p in lake.root.rglob("*.parquet")}
    assert {p: content for p, (_, content) in again.items()} == {p: content for p, (_, content) in files.items()}
    assert lake.watermark("watches") == mark


def test_a_new_row_of_a_published_day_joins_the_others(lake):
    bring(lake, (WATCHES, rows(WATCHES, watch("a"))))

    report = bring(lake, (WATCHES, rows(WATCHES, watch("a"), watch("b"))))["watches"]

    assert (report.published, report.duplicates) == (1, 1)
    assert lake.read("watches")["watch_id"].to_pylist() == ["a", "b"]


def test_a_newer_version_replaces_the_published_row_and_an_older_one_is_set_aside(lake):
    bring(lake, (WATCHES, rows(WATCHES, watch(available_at=AT + timedelta(minutes=5), watched_seconds=5.0))))
    newer = watch(available_at=AT + timedelta(minutes=9), watched_seconds=9.0)
    older = watch(available_at=AT + timedelta(minutes=1), watched_seconds=1.0)

    assert bring(lake, (WATCHES, rows(WATCHES, newer)))["watches"].published == 1
    report = bring(lake, (WATCHES, rows(WATCHES, older)))["watches"]

    assert lake.read("watches")["watched_seconds"].to_pylist() == [9.0]
    assert report.reasons == {OLDER: 1}


def test_of_rows_that_contradict_each_other_the_first_is_kept_and_the_others_are_set_aside(lake):
    report = bring(lake, (WATCHES, rows(WATCHES, watch(device="tv"), watch(device="phone"), watch(device="tv"))))[
        "watches"
    ]

    assert lake.read("watches")["device"].to_pylist() == ["tv"]
    assert (report.published, report.duplicates, report.quarantined) == (1, 1, 1)
    assert report.reasons == {CONFLICT: 1}
    (aside,) = quarantine.read(lake, "watches").to_pylist()
    assert (aside["device"], aside[REASON]) == ("phone", CONFLICT)


def test_a_key_that_stands_on_two_days_contradicts_itself(lake):
    report = bring(lake, (WATCHES, rows(WATCHES, watch(at=AT + timedelta(days=1)), watch(at=AT))))["watches"]

    assert lake.days("watches") == [DAY]
    assert report.reasons == {CONFLICT: 1}


def test_a_key_that_holds_the_time_may_stand_on_two_days(lake):
    both = [
        {"user_id": "u", "media_id": "m", "rated_at": at, "available_at": at, "rating": 4.0}
        for at in (AT, AT + timedelta(days=1))
    ]

    assert bring(lake, (RATINGS, rows(RATINGS, *both)))["ratings"].published == 2


def test_every_row_is_published_a_duplicate_or_in_quarantine(lake):
    given = [watch("a"), watch("a"), watch("b", user_id=None), watch("c"), watch("c", device="tv"), watch("d")]

    report = bring(lake, (WATCHES, rows(WATCHES, *given)))["watches"]

    assert report.rows_in == 6 == report.published + report.duplicates + report.quarantined
    assert sum(report.reasons.values()) == report.quarantined == len(quarantine.read(lake, "watches"))


def test_each_import_adds_its_own_quarantine_and_keeps_the_others(lake):
    for fault in (-1.0, -2.0, -1.0):
        bring(lake, (WATCHES, rows(WATCHES, watch(), watch("b", completion=fault))))

    assert sorted(quarantine.read(lake, "watches")["completion"].to_pylist()) == [-2.0, -1.0]


def test_snapshots_are_merged_by_key_and_keep_declared_columns(lake):
    price = ExtraColumn(name="price", entity="media", type="float", meaning="what it costs")
    priced = SHANGHAI.model_copy(update={"columns": (price,)})
    media = [{"media_id": m, "available_at": AT, "genres": ["Drama", m]} for m in ("a", "b")]
    bring(lake, (MEDIA, rows(MEDIA, *media)))

    new = {"media_id": "b", "available_at": AT, "price": 3.0}
    bring(lake, (MEDIA, rows(MEDIA, new, extras=priced.extras("media"))), dataset=priced)

    found = {m["media_id"]: (m["genres"], m["price"]) for m in lake.read("media").to_pylist()}
    assert found == {"a": (["Drama", "a"], None), "b": (None, 3.0)}


def test_a_table_larger_than_a_merge_is_merged_in_pieces(lake, monkeypatch):
    monkeypatch.setattr(publish, "_ROWS_A_MERGE", 2)
    monkeypatch.setattr(publish, "_ROWS_A_GROUP", 1)
    given = [watch(f"w{n}", AT + timedelta(days=n % 5, seconds=n)) for n in range(20)]
    batches = [(WATCHES, rows(WATCHES, *given[n : n + 7])) for n in range(0, 20, 7)]

    assert bring(lake, *batches)["watches"].published == 20
    assert bring(lake, *batches)["watches"].duplicates == 20
    assert [len(lake.read("watches", d, d)) for d in lake.days("watches")] == [4] * 5


def test_users_and_media_of_one_import_are_told_apart(lake):
    report = bring(
        lake,
        (USERS, rows(USERS, {"user_id": "u", "available_at": AT, "age": 200})),
        (MEDIA, rows(MEDIA, {"media_id": "m", "available_at": AT})),
    )

    assert report["users"].reasons == {"age above 130": 1}
    assert not lake.exists("users")
    assert lake.read("media")["media_id"].to_pylist() == ["m"]


def member(at=AT, **values) -> dict:
    return {"user_id": "u", "available_at": at} | values


def test_what_a_member_was_before_is_kept_when_a_newer_row_replaces_it(lake):
    later = AT + timedelta(days=3)
    bring(lake, (USERS, rows(USERS, member(age=30))))

    report = bring(lake, (USERS, rows(USERS, member(later, age=31))))["users"]

    assert (report.published, report.duplicates, report.quarantined) == (1, 0, 0)
    assert lake.read("users")["age"].to_pylist() == [31]
    assert lake.read("earlier/users").select(["available_at", "age"]).to_pylist() == [{"available_at": AT, "age": 30}]


def test_several_versions_in_one_import_are_all_kept_and_importing_them_again_changes_nothing(lake):
    versions = [member(AT + timedelta(days=d), age=30 + d) for d in (2, 0, 1)]
    batch = (USERS, rows(USERS, *versions, versions[1]))

    first = bring(lake, batch)["users"]
    files = {p: p.stat().st_mtime_ns for p in lake.root.rglob("*.parquet")}
    again = bring(lake, batch)["users"]

    assert (first.published, first.duplicates, first.quarantined) == (3, 1, 0)
    assert (again.published, again.duplicates, again.quarantined) == (0, 4, 0)
    assert lake.read("users")["age"].to_pylist() == [32]
    assert lake.read("earlier/users")["age"].to_pylist() == [30, 31]
    assert {p: p.stat().st_mtime_ns for p in lake.root.rglob("*.parquet")} == files


def test_a_version_that_arrives_late_takes_its_place_in_the_past(lake):
    bring(lake, (USERS, rows(USERS, member(AT + timedelta(days=2), age=32))))
    bring(lake, (USERS, rows(USERS, member(AT, age=30))))
    bring(lake, (USERS, rows(USERS, member(AT + timedelta(days=1), age=31))))

    assert lake.read("users")["age"].to_pylist() == [32]
    assert lake.read("earlier/users")["age"].to_pylist() == [30, 31]


def test_a_version_that_is_corrected_for_the_same_moment_leaves_no_trace_of_the_mistake(lake):
    bring(lake, (USERS, rows(USERS, member(age=30))))
    bring(lake, (USERS, rows(USERS, member(age=40))))

    assert lake.read("users")["age"].to_pylist() == [40]
    assert not lake.exists("earlier/users")
