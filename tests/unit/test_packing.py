"""The packed row: what goes in comes out, whatever is absent."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from pipelines.core.packing import COLUMNS, Layout

LAYOUT = Layout(
    (
        ("attributes", "age", "float"),
        ("attributes", "language", "string"),
        ("tastes", "genres", "floats"),
        ("tastes", "actors", "strings"),
        ("tastes", "embedding", "floats"),
        ("tastes", "director", "string"),
        ("tastes", "share", "float"),
    )
)
AT = datetime(2026, 3, 1, 16, tzinfo=UTC)
EMPTY = dict.fromkeys(name for _, name, _ in LAYOUT.fields)
SCHEMA = pa.schema(
    {
        "age": pa.float64(),
        "language": pa.string(),
        "genres": pa.list_(pa.float32()),
        "actors": pa.list_(pa.string()),
        "embedding": pa.list_(pa.float32()),
        "director": pa.string(),
        "share": pa.float64(),
        "attributes__at": pa.timestamp("us", "UTC"),
        "tastes__at": pa.timestamp("us", "UTC"),
    }
)
FULL = {
    "age": 40.0,
    "language": "pt",
    "genres": [1.0, 0.0, 2.5],
    "actors": ["Ana", "オダギリ"],
    "embedding": [0.5],
    "director": "Meirelles",
    "share": 0.25,
}
ROWS = [
    FULL | {"attributes__at": AT, "tastes__at": AT},
    EMPTY | {"age": 3.0, "attributes__at": AT},
    EMPTY | {"genres": [], "actors": ["x"], "embedding": [1.0, 2.0], "tastes__at": AT},
    EMPTY | {"language": "", "share": float("nan"), "actors": [], "tastes__at": AT},
    EMPTY,
]


def there_and_back(rows, layout=LAYOUT):
    packed = layout.pack(pa.Table.from_pylist(rows, SCHEMA))
    assert {name: column.type for name, column in packed.items()} == COLUMNS
    return [layout.unpack(*row) for row in zip(*(column.to_pylist() for column in packed.values()), strict=True)]


def test_what_is_packed_comes_back_for_each_row():
    found = there_and_back(ROWS)
    assert [values for values, _ in found] == [
        FULL,
        EMPTY | {"age": 3.0},
        EMPTY | {"genres": [], "actors": ["x"], "embedding": [1.0, 2.0]},
        EMPTY | {"actors": []},
        EMPTY,
    ]
    seconds = AT.timestamp()
    assert [times for _, times in found] == [
        {"attributes": seconds, "tastes": seconds},
        {"attributes": seconds},
        {"tastes": seconds},
        {"tastes": seconds},
        {},
    ]


def test_an_array_is_as_long_as_its_own_row_says_when_a_vocabulary_grew():
    rows = [FULL | {"genres": [1.0] * n, "attributes__at": AT, "tastes__at": AT} for n in (0, 1, 40)]
    assert [values["genres"] for values, _ in there_and_back(rows)] == [[], [1.0], [1.0] * 40]


def test_no_rows_pack_to_no_rows():
    assert there_and_back([]) == []


def test_a_part_of_a_larger_table_packs_as_if_it_were_alone():
    whole = pa.Table.from_pylist(ROWS, SCHEMA)
    part = LAYOUT.pack(whole.slice(2, 2))
    alone = LAYOUT.pack(pa.Table.from_pylist(ROWS[2:4], SCHEMA))
    assert {n: str(c) for n, c in part.items()} == {n: str(c) for n, c in alone.items()}


def test_a_layout_is_read_from_its_own_text_and_refuses_rows_of_another():
    assert Layout.read(LAYOUT.text) == LAYOUT
    other = Layout(LAYOUT.fields[:-1])
    assert other.code != LAYOUT.code
    assert other.unpack(*LAYOUT.mark()) is LAYOUT.unpack([], [], []) is None
    assert LAYOUT.unpack(*LAYOUT.mark()) == (EMPTY, {})


@pytest.mark.parametrize("dtype", ["float", "string", "floats", "strings"])
def test_a_layout_of_one_type_only_packs_too(dtype):
    name = next(name for _, name, of in LAYOUT.fields if of == dtype)
    layout = Layout((("attributes", name, dtype),))
    assert there_and_back([FULL | {"attributes__at": AT}], layout) == [
        ({name: FULL[name]}, {"attributes": AT.timestamp()})
    ]
