from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.core.errors import DataError
from pipelines.sources import tables

DATASET = """
name: pins
source: tables
columns:
  - {name: price, entity: media, type: float, meaning: what it costs}
  - {name: styles, entity: media, type: strings, meaning: styles}
"""
AT = datetime(2026, 1, 2, 10, 0, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "dataset.yaml").write_text(DATASET)
    return tmp_path


def rows_of(folder: Path) -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {}
    for table, rows in tables.read(folder).batches():
        found.setdefault(table.name, []).extend(rows.to_pylist())
    return found


def test_csv_tables_bring_declared_columns_lists_and_nulls(folder):
    (folder / "media.csv").write_text(
        'media_id,title,genres,price,styles,country_of_origin\nm1,"NA, a\nfilm",Drama|War,9.5,calm,NA\nm2,,,,,\n'
    )

    first, second = rows_of(folder)["media"]

    assert (first["title"], first["genres"], first["country_of_origin"]) == ("NA, a\nfilm", ["Drama", "War"], "NA")
    assert (first["price"], first["styles"]) == (9.5, ["calm"])
    assert all(second[name] is None for name in ("title", "genres", "price", "styles", "country_of_origin"))


def test_parquet_files_and_folders_of_parts_are_read(folder):
    watch = {
        "watch_id": ["w1"],
        "user_id": [7],
        "media_id": ["m"],
        "started_at": pa.array([AT], pa.timestamp("ns", "UTC")),
    }
    for day in ("2026-01-02", "2026-01-03"):
        (folder / "watches" / f"day={day}").mkdir(parents=True)
        pq.write_table(pa.table(watch), folder / "watches" / f"day={day}" / "data.parquet")

    watches = rows_of(folder)["watches"]

    assert [w["user_id"] for w in watches] == ["7", "7"]
    assert watches[0]["started_at"] == AT


def test_availability_that_is_absent_is_the_event_time_or_the_beginning(folder):
    (folder / "searches.csv").write_text("search_id,user_id,searched_at,query\ns,u,2026-01-02T10:00:00Z,cats\n")
    (folder / "users.csv").write_text("user_id,joined_at\nu,2026-01-02T10:00:00Z\nv,\n")

    rows = rows_of(folder)

    assert rows["searches"][0]["available_at"] == AT
    assert [u["available_at"] for u in rows["users"]] == [AT, datetime(1970, 1, 1, tzinfo=UTC)]


def test_null_ids_are_kept_for_validation_to_judge(folder):
    (folder / "users.csv").write_text("user_id,age\n,30\n")

    assert rows_of(folder)["users"][0]["user_id"] is None


def test_a_table_with_a_header_and_no_rows_is_an_empty_table(folder):
    (folder / "users.csv").write_text("user_id,age\nu,30\n")
    (folder / "searches.csv").write_text("search_id,user_id,searched_at,query\n")

    assert rows_of(folder).keys() == {"users"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "users.csv",
            "user_id,shoe_size\nu,42\n",
            "column 'shoe_size' is not a column of users: declare it",
        ),
        ("users.csv", "age\n42\n", r"users\.csv: column 'user_id' is missing and may not be null"),
        ("users.csv", "user_id,age,age\nu,1,2\n", "column 'age' stands twice"),
        ("users.csv", "user_id,age\nu,42\nv,old\n", "row 3, column 'age': invalid value 'old'"),
        ("users.csv", "", r"users\.csv is empty"),
        ("user.csv", "user_id\nu\n", r"user\.csv is not a canonical table: name it one of users, media"),
        ("users.parquet", "nonsense", r"users\.parquet is not a parquet file"),
        (
            "searches.csv",
            "search_id,user_id,searched_at,query\ns,u,2026-01-02 10:00:00,cats\n",
            "row 2, column 'searched_at': expected a zone offset",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_named_with_what_is_wrong(folder, name, text, message):
    (folder / name).write_text(text)

    with pytest.raises(DataError, match=message):
        rows_of(folder)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ({"age": ["30", "31", "old"]}, "row 1, column 'age': the file has string, wanted int64"),
        ({"age": [30.0, 31.0, 31.5]}, r"row 3, column 'age': 31\.5 is not int64"),
        ({"joined_at": [datetime(2026, 1, 1)] * 3}, "column 'joined_at'.* write times with their zone"),  # noqa: DTZ001
        ({"gender": [1.5, 2.5, 3.5]}, "column 'gender': the file has double, wanted string"),
    ],
)
def test_a_parquet_value_of_the_wrong_type_is_named_with_row_column_and_value(folder, column, message):
    pq.write_table(pa.table({"user_id": ["a", "b", "c"]} | column), folder / "users.parquet")

    with pytest.raises(DataError, match=r"users\.parquet: .*" + message):
        rows_of(folder)


def test_a_table_in_two_forms_is_refused(folder):
    (folder / "users.csv").write_text("user_id\nu\n")
    pq.write_table(pa.table({"user_id": ["u"]}), folder / "users.parquet")

    with pytest.raises(DataError, match="users in more than one form"):
        tables.read(folder)


def test_a_folder_without_its_description_or_without_tables_is_refused(tmp_path, folder):
    with pytest.raises(DataError, match="holds no canonical table"):
        tables.read(folder)
    (folder / "dataset.yaml").unlink()
    with pytest.raises(DataError, match=r"dataset\.yaml is missing"):
        tables.read(folder)
