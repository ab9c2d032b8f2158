import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from pipelines.core.errors import DataError
from pipelines.core.tables import (
    IMPRESSIONS,
    INT,
    MEDIA,
    RATINGS,
    REASON,
    STRING,
    TABLES,
    USERS,
    WATCHES,
    Column,
    Table,
    empty,
)
from pipelines.ingestion.validate import validate

AT = datetime(2026, 1, 2, tzinfo=UTC)


def rows(table: Table, *given: dict, extras=()) -> pa.Table:
    types = {c.name: c.type for c in (*table.columns, *extras)}
    if any(REASON in g for g in given):
        types[REASON] = STRING
    return pa.table({n: pa.array([g.get(n) for g in given], t) for n, t in types.items()})


def watch(**values) -> dict:
    return {"watch_id": "w", "user_id": "u", "media_id": "m", "started_at": AT, "available_at": AT} | values


def test_good_rows_go_through_unchanged_with_the_tables_schema():
    given = rows(WATCHES, watch(completion=0.0), watch(completion=2.5), watch(completion=None))

    checked = validate(WATCHES, given)

    assert checked.good.schema == WATCHES.schema()
    assert checked.good.to_pylist() == given.to_pylist()
    assert len(checked.bad) == 0
    assert not checked.reasons


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"completion": -1.5}, "completion below 0: -1.5"),
        ({"user_id": None}, "user_id is null"),
        ({"user_id": ""}, "user_id is empty"),
        ({"started_at": None}, "started_at is null"),
        (
            {"watched_seconds": float("nan")},
            "watched_seconds below 0: nan; watched_seconds is not a finite number: nan",
        ),
        ({"watched_seconds": float("inf")}, "watched_seconds is not a finite number: inf"),
        ({"available_at": AT - timedelta(hours=1)}, "available_at minus started_at in seconds below 0: -3600.0"),
    ],
)
def test_a_bad_value_is_set_aside_with_column_rule_and_value(fault, reason):
    checked = validate(WATCHES, rows(WATCHES, watch(), watch(**fault), watch(watch_id="v")))

    assert checked.good["watch_id"].to_pylist() == ["w", "v"]
    (bad,) = checked.bad.to_pylist()
    assert bad[REASON] == reason
    assert sum(checked.reasons.values()) == 1


def test_a_row_with_several_faults_carries_all_and_counts_under_the_first_column():
    checked = validate(WATCHES, rows(WATCHES, watch(user_id=None, completion=-1.0, total_seconds=-2.0)))

    assert checked.bad[REASON].to_pylist() == ["user_id is null; total_seconds below 0: -2.0; completion below 0: -1.0"]
    assert checked.reasons == {"user_id is null": 1}


def test_bounds_on_both_sides_are_kept():
    given = [{"user_id": f"u{age}", "available_at": AT, "age": age} for age in (-1, 0, 130, 131)]

    checked = validate(USERS, rows(USERS, *given))

    assert checked.good["age"].to_pylist() == [0, 130]
    assert checked.bad[REASON].to_pylist() == ["age below 0: -1", "age above 130: 131"]
    assert checked.reasons == {"age below 0": 1, "age above 130": 1}


def test_a_value_outside_the_allowed_words_is_named():
    table = Table("shelf", "a test", (Column("size", STRING, "a size", one_of=("small", "large")),), key=("size",))

    checked = validate(table, rows(table, {"size": "small"}, {"size": "huge"}, {"size": None}))

    assert checked.bad[REASON].to_pylist() == ["size not one of small, large: huge"]


def test_the_reason_that_a_source_gives_comes_first():
    given = rows(
        WATCHES, watch(), watch(**{REASON: "duration is 0"}), watch(**{REASON: "duration is 0"}, completion=-1.0)
    )

    checked = validate(WATCHES, given)

    assert checked.bad[REASON].to_pylist() == ["duration is 0", "duration is 0; completion below 0: -1.0"]
    assert checked.reasons == {"duration is 0": 2}
    assert len(checked.good) == 1


def test_declared_extra_columns_are_kept():
    extras = (Column("price", INT, "what it costs"),)

    checked = validate(MEDIA, rows(MEDIA, {"media_id": "m", "available_at": AT, "price": 5}, extras=extras), extras)

    assert checked.good["price"].to_pylist() == [5]


def test_a_batch_without_a_column_or_with_another_type_is_a_fault_of_the_source():
    given = rows(WATCHES, watch())
    with pytest.raises(DataError, match="watches: column 'device' is missing"):
        validate(WATCHES, given.drop_columns(["device"]))
    with pytest.raises(DataError, match="ratings: a column is not of its type"):
        validate(RATINGS, empty(RATINGS).set_column(4, "rating", pa.array([], pa.list_(STRING))))


@pytest.mark.parametrize("name", TABLES)
def test_no_rows_are_good_rows(name):
    assert validate(TABLES[name], empty(TABLES[name])).good.num_rows == 0


def test_validation_is_vectorised():
    n = 200_000
    at = pa.array(np.full(n, np.datetime64("2026-01-02", "us"))).cast(IMPRESSIONS.column("shown_at").type)
    ids = pa.array(np.char.add("i", np.arange(n).astype(str)))
    columns = {c.name: pa.nulls(n, c.type) for c in IMPRESSIONS.columns} | dict.fromkeys(
        ["shown_at", "available_at"], at
    )
    given = pa.table(columns | dict.fromkeys(["impression_id", "user_id", "media_id"], ids))
    bad = given.slice(0, 1000).set_column(8, "position", pa.array(np.full(1000, -1)))

    start = time.perf_counter()
    checked = validate(IMPRESSIONS, pa.concat_tables([given, bad], promote_options="permissive"))

    assert time.perf_counter() - start < 5
    assert (len(checked.good), len(checked.bad)) == (n, 1000)


def test_an_event_from_tomorrow_is_bad_when_the_import_says_what_time_it_is():
    tomorrow = AT + timedelta(days=1)
    given = rows(
        WATCHES,
        watch(),
        watch(available_at=AT + timedelta(minutes=5)),
        watch(started_at=tomorrow, available_at=tomorrow),
    )

    checked = validate(WATCHES, given, until=AT)

    assert len(checked.good) == 2
    (reason,) = checked.bad[REASON].to_pylist()
    assert reason == "available_at minus the moment of the import in seconds above 300: 86400.0"
    assert len(validate(WATCHES, given).bad) == 0


def test_a_title_that_comes_next_month_may_be_imported_today():
    given = rows(MEDIA, {"media_id": "m", "available_at": AT + timedelta(days=30)})

    assert len(validate(MEDIA, given, until=AT).good) == 1
