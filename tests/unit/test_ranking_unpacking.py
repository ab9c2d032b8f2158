"""Packed features as plain columns, chosen by what the fitted rows hold."""

import numpy as np
import pyarrow as pa
import pytest

from pipelines.ranking.unpacking import unpack

ROWS = pa.table(
    {
        "split": ["fit", "fit", "fit", "test"],
        "codes": pa.array([[3.0, 7.0, 0.0], [3.0, 0.0, 0.0], None, [9.0, 7.0, 9.0]], pa.list_(pa.float32())),
        "words": pa.array([["a", "b"], ["b"], [], ["c"]], pa.list_(pa.string())),
        "counts": pa.array([[1.0, 5.0], [1.0, 0.0, 2.0], None, [4.0]], pa.list_(pa.float32())),
    }
)


def column(table, name):
    return table[name].to_numpy().tolist()


def test_codes_become_whether_each_of_the_commonest_is_among_them_and_padding_is_none():
    rows, names = unpack(ROWS, {"codes": "codes"})
    assert names == ["codes=3", "codes=7"]
    assert column(rows, "codes=3") == [1, 1, 0, 0]
    assert column(rows, "codes=7") == [1, 0, 0, 1]


def test_what_only_later_rows_hold_is_no_column():
    _, names = unpack(ROWS, {"words": "sequence", "codes": "codes"}, most=9)
    assert "words=c" not in names
    assert "codes=9" not in names


def test_no_more_columns_than_asked_for_the_commonest_first():
    assert unpack(ROWS, {"words": "sequence"}, most=1)[1] == ["words=b"]


def test_a_histogram_gives_the_places_that_vary_absent_where_there_is_none():
    rows, names = unpack(ROWS, {"counts": "histogram"})
    assert names == ["counts[1]", "counts[2]"]
    assert column(rows, "counts[1]") == pytest.approx([5, 0, np.nan, 0], nan_ok=True)


def test_nothing_packed_changes_nothing():
    rows, names = unpack(ROWS, {})
    assert names == []
    assert rows.equals(ROWS)
