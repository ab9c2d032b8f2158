"""What followed a promotion, before against after, on a few members' days counted by hand."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from monitoring import worth
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.metrics.intervals import Interval
from pipelines.promotion.gains import EXPERIMENT, PAGE
from pipelines.promotion.policy import read as read_policy

FIRST = date(2026, 3, 2)
SECOND = FIRST + timedelta(days=1)
MEMBERS = ("ann", "bob", "cy", "dee")
SHOWN = pa.schema(
    [(name, pa.string()) for name in ("impression_id", "user_id", "session_id", "release_id")]
    + [("clicked", pa.bool_())]
)


@dataclass(frozen=True)
class Entry:
    event: str
    release_id: str
    facts: dict[str, Any] = field(default_factory=dict)
    at: datetime = datetime(2026, 3, 2, 6, tzinfo=UTC)


def show(lake: Lake, day: date, release_id: str, clicked: set[str], seconds: dict[str, float]) -> None:
    """One session and one impression a member; some clicked, some watched for so long."""
    rows = [
        {
            "impression_id": f"{member}-{day}",
            "user_id": member,
            "session_id": f"s-{member}-{day}",
            "release_id": release_id,
            "clicked": member in clicked,
        }
        for member in MEMBERS
    ]
    lake.publish("impressions", pa.Table.from_pylist(rows, SHOWN), day)
    watched = [{"impression_id": f"{m}-{day}", "watched_seconds": s} for m, s in seconds.items()]
    lake.publish("watches", pa.Table.from_pylist(watched), day)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    lake = Lake(Settings(home=tmp_path).lake_path)
    show(lake, FIRST, "old", {"ann"}, {"ann": 180.0})
    show(lake, SECOND, "new", {"ann", "bob"}, {"ann": 60.0, "bob": 240.0})
    return Settings(home=tmp_path)


def test_the_change_is_that_of_each_sessions_mean(settings):
    found = worth.before_and_after(Lake(settings.lake_path), "old", "new", seed=3)
    assert {name: gain.value for name, gain in found.items()} == pytest.approx(
        {"engagement rate": 0.25, "videos watched a session": 0.0, "session minutes": 0.5}
    )
    for gain in found.values():
        assert gain.low <= gain.value <= gain.high


def test_days_far_from_the_change_are_left_out(settings):
    lake = Lake(settings.lake_path)
    show(lake, SECOND + timedelta(days=worth.SPAN), "new", set(MEMBERS), {"ann": 6000.0})
    found = worth.before_and_after(lake, "old", "new", seed=3)
    assert found["engagement rate"].value == pytest.approx(0.25)


def test_a_release_that_served_nobody_has_no_change(settings):
    lake = Lake(settings.lake_path)
    assert worth.before_and_after(lake, "old", "never", seed=3) == {}
    assert worth.before_and_after(lake, "never", "new", seed=3) == {}


@pytest.fixture
def lines() -> list[Entry]:
    gain = {"metric": "page.ndcg@10", "against": "champion", "gain": {"value": 0.02, "low": 0.01, "high": 0.03}}
    facts = {"verdict": "promote", "comparisons": [gain], "before": "old"}
    return [Entry("judged", "new", facts), Entry("promoted", "new")]


def test_every_promotion_of_the_ledger_is_told_with_what_followed(settings, lines):
    found = worth.collect(settings, lines, read_policy(), pages=False)
    (gain,) = found.gains
    assert set(gain.realised) == set(worth.ONLINE)
    told = found.as_dict()
    assert told["worth"]["engagement rate"]["count"] == 1
    assert told["worth"][EXPERIMENT]["count"] == 0


def test_an_experiments_readout_is_told_beside_it(settings, lines):
    readout = Interval(0.03, 0.01, 0.05)
    found = worth.collect(settings, lines, read_policy(), readouts={"new": readout, "other": readout}, pages=False)
    assert found.gains[0].realised[EXPERIMENT] == readout


def test_a_release_that_is_not_registered_is_told_as_unmeasured(settings, lines, monkeypatch):
    monkeypatch.setattr(worth.ModelRegistry, "version_of", lambda self, release_id: None)
    found = worth.collect(settings, lines, read_policy())
    assert PAGE not in found.gains[0].realised
    assert "release new is not registered" in found.unmeasured["new"]
