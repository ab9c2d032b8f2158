"""What may not be shown, to whom and why: each filter by hand, their order, and what was shown in vain."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipelines.core import dataset as datasets
from pipelines.core import tables
from pipelines.core.dataset import Dataset
from pipelines.core.lake import Lake
from pipelines.rerank import filters
from pipelines.rerank.fatigue import NOBODY, Unheeded, tired_of, unheeded
from pipelines.rerank.filters import REASONS, Bounds, FiltersConfig, Viewer, hindered

NOON = datetime(2026, 1, 20, 12, tzinfo=UTC)
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")


def test_null_rights_mean_everywhere_and_an_unknown_country_sees_only_those() -> None:
    held = [None, ["DE"], ["US", "DE"], []]
    assert filters.without_rights(held, "US").tolist() == [False, True, False, True]
    assert filters.without_rights(held, None).tolist() == [False, True, True, True]


def test_a_title_is_on_the_platform_from_its_first_moment_until_its_last_which_is_excluded() -> None:
    opens = np.array(["NaT", "2026-01-02", "NaT", "2026-01-02T00:00:01"], dtype="datetime64[us]")
    closes = np.array(["NaT", "2026-01-03", "2026-01-02", "2026-01-03"], dtype="datetime64[us]")
    off = filters.off_platform(opens, closes, datetime(2026, 1, 2, tzinfo=UTC))
    assert off.tolist() == [False, False, True, True]


def test_an_unknown_advice_or_age_hides_nothing() -> None:
    least = filters.least_ages(np.array(["G", "pg-13 ", "R", "fsk 16", None, "ask your mother", "18+"], dtype=object))
    assert least.tolist()[:4] == [0, 13, 17, 16]
    assert np.isnan(least[4:6]).all()
    assert filters.too_mature(least, 15.0).tolist() == [False, False, True, True, False, False, True]
    assert filters.too_mature(least, 16).tolist() == [False, False, True, False, False, False, True]
    for unknown in (None, float("nan"), "old enough"):
        assert not filters.too_mature(least, unknown).any()


def bounds(n: int, **of: Any) -> Bounds:
    never = np.full(n, "NaT", dtype="datetime64[us]")
    free = {"opens": never, "closes": never, "rights": [None] * n, "least_ages": np.full(n, np.nan)}
    return Bounds(**(free | of))


def test_the_first_filter_that_holds_is_the_reason_in_the_stated_order() -> None:
    """m0 meets every filter, m1 every one but the first, and so on; m7 meets none."""
    n, names = 8, np.array([f"m{i}" for i in range(8)])
    closed = np.array(["2026-01-19" if i <= 3 else "NaT" for i in range(n)], dtype="datetime64[us]")
    held = bounds(
        n,
        closes=closed,
        rights=[["JP"] if i <= 4 else None for i in range(n)],
        least_ages=np.where(np.arange(n) <= 5, 18.0, 0),
    )
    rows = np.where(np.arange(n) == 0, -1, np.arange(n))
    own = {"watched": {"m0", "m1", "m2"}, "excluded": {"m0", "m1"}, "tired": frozenset(names[:7].tolist())}
    viewer = Viewer(NOON, "DE", 12.0, **own)
    assert hindered(held, names, rows, viewer, FiltersConfig()).tolist() == [1, 2, 3, 4, 5, 6, 7, 0]
    assert len(set(REASONS)) == 8
    grown = hindered(held, names, rows, viewer, FiltersConfig(maturity=False)).tolist()
    assert grown == [1, 2, 3, 4, 5, 7, 7, 0]


def test_no_candidates_have_no_reasons() -> None:
    viewer = Viewer(NOON, None, None, set(), set())
    assert hindered(bounds(1), np.empty(0, "U1"), np.empty(0, int), viewer, FiltersConfig()).tolist() == []


def shown(user: str, media: str, *hours_ago: float, policy: str = "ranked") -> list[dict[str, Any]]:
    return [
        {"impression_id": f"{user}-{media}-{h}", "user_id": user, "media_id": media, "policy": policy}
        | {"shown_at": NOON - timedelta(hours=h), "available_at": NOON - timedelta(hours=h)}
        for h in hours_ago
    ]


def watched(user: str, media: str, hours_ago: float, completion: float) -> dict[str, Any]:
    at = NOON - timedelta(hours=hours_ago)
    ids = {"watch_id": f"w-{user}-{media}", "user_id": user, "media_id": media}
    return ids | {"started_at": at, "available_at": at, "completion": completion}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """u1 was shown m1 three times; m2 five times and engaged after the third; m3 thrice and gave up on it; m4 once;
    m5 long ago; m6 in an order without times. u2 was shown m1 twice."""
    found = Lake(tmp_path)
    datasets.write(Dataset(name="small", source="tables"), found.root)
    impressions = [
        *shown("u2", "m1", 1, 2),
        *shown("u1", "m1", 1, 30, 400),
        *shown("u1", "m2", 50, 40, 30, 5, 4),
        *shown("u1", "m3", 9, 8, 7),
        *shown("u1", "m4", 1),
        *shown("u1", "m5", 24 * 29, 24 * 30),
        *shown("u1", "m6", 1, 2, 3, policy=tables.HISTORY),
    ]
    watches = [watched("u1", "m2", 29.5, 0.9), watched("u1", "m3", 6, 0.3)]
    for name, rows, moment in (("impressions", impressions, "shown_at"), ("watches", watches, "started_at")):
        for day in {row[moment].date() for row in rows}:
            own = [row for row in rows if row[moment].date() == day]
            found.publish(name, pa.Table.from_pylist(own, tables.TABLES[name].schema()), day)
    return found


def test_what_was_shown_in_vain_is_counted_since_the_last_engagement_and_within_the_days_asked_for(lake: Lake) -> None:
    found = Unheeded(unheeded(lake, NOON))
    assert found.counts("u1", NOON - timedelta(days=28)) == {"m1": 3, "m2": 2, "m3": 3}
    assert found.counts("u1", NOON - timedelta(days=14)) == {"m1": 2, "m2": 2, "m3": 3}
    assert found.counts("u2", NOON - timedelta(days=14)) == {"m1": 2}
    assert found.counts("stranger", NOON) == NOBODY.counts("u1", NOON) == {}


def test_a_later_showing_or_watch_is_not_known_yet(lake: Lake) -> None:
    earlier = Unheeded(unheeded(lake, NOON - timedelta(hours=29.75)))
    assert earlier.counts("u1", NOON - timedelta(days=28)) == {"m1": 2, "m2": 3}


def test_where_nobody_logged_what_was_shown_nobody_is_tired(tmp_path: Path) -> None:
    bare = Lake(tmp_path)
    datasets.write(Dataset(name="small", source="tables", impressions_logged=False), bare.root)
    assert unheeded(bare, NOON).num_rows == 0
    bare.publish(
        "impressions", pa.Table.from_pylist(shown("u1", "m1", 1, 2), tables.IMPRESSIONS.schema()), date(2026, 1, 20)
    )
    assert Unheeded(unheeded(bare, NOON)).counts("u1", NOON - timedelta(days=1)) == {"m1": 2}


def test_what_was_shown_since_the_snapshot_counts_with_what_was_before() -> None:
    assert tired_of({"a": 4, "b": 5, "c": 2}, {"a": 1, "c": 1, "d": 6}, 5) == {"a", "b", "d"}


def test_what_was_shown_too_often_comes_back_before_a_page_stays_short() -> None:
    tired, gone = REASONS.index(filters.FATIGUE), REASONS.index(filters.GONE)
    found = np.array([0, tired, gone, tired, 0], np.int8)
    assert filters.given_way(found, 2).tolist() == found.tolist()
    assert filters.given_way(found, 3).tolist() == [0, 0, gone, tired, 0]
    assert filters.given_way(found, 10).tolist() == [0, 0, gone, 0, 0]
