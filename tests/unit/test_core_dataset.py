"""dataset.yaml: written and read back, its own columns, and what is refused."""

import pyarrow as pa
import pytest

from pipelines.core import dataset as datasets
from pipelines.core.dataset import Dataset, ExtraColumn
from pipelines.core.errors import DataError
from pipelines.core.tables import MEDIA, USERS, WATCHES

VIP = ExtraColumn(name="vip", entity="user", type="bool", meaning="pays more")
MOODS = ExtraColumn(name="moods", entity="media", type="strings", meaning="how it feels")


def refuse(folder, text):
    (folder / datasets.FILE).write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as refused:
        datasets.read(folder)
    assert str(folder / datasets.FILE) in str(refused.value)
    return str(refused.value)


def test_what_was_written_is_read_back_and_nothing_else_is_left(tmp_path):
    written = Dataset(name="small", source="tables", time_zone="Asia/Shanghai", columns=(VIP, MOODS), licence="CC0")
    datasets.write(written, tmp_path / "new" / "folder")
    assert datasets.read(tmp_path / "new" / "folder") == written
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == [datasets.FILE]


def test_a_name_and_a_source_are_enough(tmp_path):
    (tmp_path / datasets.FILE).write_text("name: mine\nsource: tables\n", encoding="utf-8")
    found = datasets.read(tmp_path)
    assert (found.time_zone, found.relevance, found.relevant_rating) == ("UTC", "completion", 4.0)
    assert found.impressions_logged
    assert found.columns == ()


def test_its_own_columns_stand_in_the_table_of_their_entity():
    found = Dataset(name="small", source="tables", columns=(VIP, MOODS))
    assert [(c.name, c.type) for c in found.extras_of(USERS)] == [("vip", pa.bool_())]
    assert [(c.name, c.type) for c in found.extras_of(MEDIA)] == [("moods", pa.list_(pa.string()))]
    assert found.extras_of(WATCHES) == ()


def test_a_missing_file_is_named_with_what_it_should_hold(tmp_path):
    with pytest.raises(DataError, match=r"dataset.yaml is missing: every data set needs one \(name, source"):
        datasets.read(tmp_path)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "name"),
        ("name: x\nsource: tables\ntimezone: UTC\n", "timezone"),
        ("name: x\nsource: tables\nrelevance: clicks\n", "relevance"),
        ("name: x\nsource: tables\ncolumns: [{name: Bad Name, entity: user, type: float, meaning: m}]\n", "columns.0"),
        ("name: x\nsource: tables\ncolumns: [{name: a, entity: page, type: float, meaning: m}]\n", "columns.0.entity"),
        ("name: x\nsource: tables\ncolumns: [{name: a, entity: user, type: date, meaning: m}]\n", "columns.0.type"),
        ("name: [x\n", "line"),
    ],
)
def test_what_does_not_describe_a_data_set_is_refused_by_file_and_key(tmp_path, text, named):
    assert named in refuse(tmp_path, text)
