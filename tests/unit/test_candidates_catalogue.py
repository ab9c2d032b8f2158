"""What may be recommended at a moment: titles that are known and on the platform."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.candidates.interactions import catalogue
from pipelines.core.errors import DataError
from pipelines.core.lake import Lake
from pipelines.core.tables import MEDIA


def january(day: int) -> datetime:
    return datetime(2026, 1, day, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    rows = [
        {"media_id": "always", "available_at": january(1)},
        {"media_id": "early", "available_at": january(1), "platform_at": january(2), "leaves_at": january(4)},
        {"media_id": "late", "available_at": january(1), "platform_at": january(4)},
        {"media_id": "unheard", "available_at": january(5)},
    ]
    found = Lake(tmp_path)
    found.publish("media", pa.Table.from_pylist(rows, MEDIA.schema()))
    return found


def test_a_title_is_in_the_catalogue_once_it_came_and_until_it_leaves(lake: Lake) -> None:
    assert catalogue(lake, january(3)).tolist() == ["always", "early"]
    assert catalogue(lake, january(4)).tolist() == ["always"]
    assert catalogue(lake, january(6)).tolist() == ["always", "late", "unheard"]


def test_a_catalogue_without_a_title_is_refused(lake: Lake) -> None:
    with pytest.raises(DataError, match="no title available before 2026-01-01"):
        catalogue(lake, january(1))


def test_a_title_that_changed_since_is_in_the_catalogue_as_it_was_known_then(lake: Lake) -> None:
    before = [{"media_id": "late", "available_at": january(1), "platform_at": january(2)}]
    now = lake.read("media").to_pylist()
    changed = [row | ({"available_at": january(3)} if row["media_id"] == "late" else {}) for row in now]
    lake.publish("media", pa.Table.from_pylist(changed, MEDIA.schema()))
    lake.publish("earlier/media", pa.Table.from_pylist(before, MEDIA.schema()))

    assert catalogue(lake, january(3)).tolist() == ["always", "early", "late"]
    assert catalogue(lake, january(4)).tolist() == ["always"]
