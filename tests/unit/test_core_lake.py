"""The lake: partitions replaced whole or not at all, watermarks that never move back, messages that say what to do."""

import threading
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.core import dataset as datasets
from pipelines.core.dataset import Dataset
from pipelines.core.errors import DataError
from pipelines.core.lake import Lake, Watermark

ONE, TWO, THREE = date(2022, 4, 1), date(2022, 4, 2), date(2022, 4, 3)


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "lake")


def rows(*values):
    return pa.table({"n": pa.array(values, pa.int64())})


def everything(lake):
    return sorted(str(path.relative_to(lake.root)) for path in lake.root.rglob("*") if path.is_file())


def test_a_lake_that_was_only_asked_creates_nothing(lake):
    assert lake.days("watches") == []
    assert lake.watermark("watches") is None
    assert not lake.exists("watches")
    assert not lake.root.exists()


def test_days_are_read_back_in_order_and_within_bounds_both_included(lake):
    for value, day in ((3, THREE), (1, ONE), (2, TWO)):
        lake.publish("watches", rows(value), day)
    assert lake.days("watches") == [ONE, TWO, THREE]
    assert lake.read("watches")["n"].to_pylist() == [1, 2, 3]
    assert lake.read("watches", TWO)["n"].to_pylist() == [2, 3]
    assert lake.read("watches", last=TWO)["n"].to_pylist() == [1, 2]
    assert lake.read("watches", TWO, TWO)["n"].to_pylist() == [2]


def test_publishing_again_replaces_the_day_and_leaves_the_others(lake):
    lake.publish("watches", rows(1), ONE)
    lake.publish("watches", rows(2), TWO)
    lake.publish("watches", rows(9, 9), ONE)
    assert lake.read("watches")["n"].to_pylist() == [9, 9, 2]
    assert everything(lake) == ["watches/day=2022-04-01/data.parquet", "watches/day=2022-04-02/data.parquet"]


def test_a_snapshot_is_one_file_and_a_name_may_hold_slashes(lake):
    lake.publish("features/user_activity", rows(1, 2))
    assert lake.files("features/user_activity") == [lake.root / "features" / "user_activity" / "data.parquet"]
    assert lake.read("features/user_activity")["n"].to_pylist() == [1, 2]


def test_moments_are_stored_in_microseconds(lake):
    at = pa.array([datetime(2022, 4, 1, tzinfo=UTC)], pa.timestamp("ns", "UTC"))
    assert pq.read_schema(lake.publish("watches", pa.table({"at": at}))).field("at").type == pa.timestamp("us", "UTC")


def test_writing_that_fails_leaves_the_old_rows_and_no_file_of_its_own(lake):
    def write():
        with lake.writing("watches", ONE) as staged:
            pq.write_table(rows(2), staged)
            assert lake.read("watches")["n"].to_pylist() == [1]
            raise RuntimeError("torn")

    lake.publish("watches", rows(1), ONE)
    with pytest.raises(RuntimeError, match="torn"):
        write()
    assert lake.read("watches")["n"].to_pylist() == [1]
    assert everything(lake) == ["watches/day=2022-04-01/data.parquet"]


def test_a_staged_file_is_no_row_of_the_table(lake):
    lake.publish("watches", rows(1), ONE)
    torn = lake.path("watches", TWO)
    torn.parent.mkdir()
    torn.with_name(".data.parquet.0123.tmp").write_bytes(b"PAR1 half")
    assert lake.days("watches") == [ONE]
    assert lake.read("watches")["n"].to_pylist() == [1]


def test_who_writes_alone_clears_what_a_killed_writer_left_and_nothing_else(lake):
    lake.publish("features/a", rows(1), ONE)
    torn = lake.path("features/a", ONE).with_name(".data.parquet.0123.tmp")
    other = lake.root / "watches" / torn.name
    for path in (torn, other):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"PAR1 half")
    with lake.alone("features"):
        assert not torn.exists()
    assert other.exists()
    assert lake.read("features/a")["n"].to_pylist() == [1]


def test_writers_of_one_table_take_turns(lake):
    order = []

    def second():
        with lake.alone("features"):
            order.append("second")

    with lake.alone("features"):
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(timeout=0.2)
        order.append("first")
    waiting.join(timeout=10)
    assert order == ["first", "second"]


def test_a_watermark_never_moves_back_and_its_version_always_moves_on(lake):
    assert lake.advance("watches", TWO) == Watermark(TWO, 1)
    assert lake.advance("watches", ONE) == Watermark(TWO, 2)
    assert lake.advance("watches", THREE) == Watermark(THREE, 3)
    assert lake.watermark("watches") == Watermark(THREE, 3)
    assert everything(lake) == ["watches/watermark.json"]


def test_days_without_rows_are_named_with_the_remedy(lake):
    lake.publish("watches", rows(1), ONE)
    with pytest.raises(DataError, match=r"watches has no rows for 2022-04-02 to the end in .*: publish it first"):
        lake.read("watches", TWO)
    with pytest.raises(DataError, match=r"searches has no rows in .*marquee import, refresh_features"):
        lake.read("searches")


def test_a_lake_without_a_data_set_says_how_to_get_one(lake):
    with pytest.raises(DataError, match="holds no data set: run `marquee import` first"):
        _ = lake.dataset
    datasets.write(Dataset(name="small", source="tables"), lake.root)
    assert lake.dataset.name == "small"
