"""Days in the data set's own zone, worked by hand."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from pipelines.core import days
from pipelines.core.errors import DataError


def test_a_day_begins_at_its_zones_midnight():
    assert days.start(date(2022, 4, 29), "Asia/Shanghai") == datetime(2022, 4, 28, 16, tzinfo=UTC)
    assert days.start(date(2022, 4, 29), "UTC") == datetime(2022, 4, 29, tzinfo=UTC)
    assert days.start(date(2022, 4, 29), "America/New_York") == datetime(2022, 4, 29, 4, tzinfo=UTC)


def test_a_day_begins_in_utc():
    assert days.start(date(2022, 4, 29), "Asia/Shanghai").tzinfo is UTC


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 28), 24), (date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
def test_a_day_is_as_long_as_its_clocks_say(day, hours):
    length = days.start(day + timedelta(days=1), "Europe/Berlin") - days.start(day, "Europe/Berlin")
    assert length == timedelta(hours=hours)


def test_a_moment_falls_on_the_day_of_its_zone():
    moment = datetime(2022, 4, 28, 16, tzinfo=UTC)
    assert days.of(moment, "Asia/Shanghai") == date(2022, 4, 29)
    assert days.of(moment - timedelta(microseconds=1), "Asia/Shanghai") == date(2022, 4, 28)
    assert days.of(moment.astimezone(timezone(timedelta(hours=-8))), "UTC") == date(2022, 4, 28)


def test_a_moment_is_of_the_day_that_begins_before_it():
    for day in days.between(date(2026, 3, 27), date(2026, 3, 31)):
        assert days.of(days.start(day, "Europe/Berlin"), "Europe/Berlin") == day


def test_an_interval_of_days_includes_both_and_may_be_empty():
    assert [d.day for d in days.between(date(2022, 4, 29), date(2022, 5, 1))] == [29, 30, 1]
    assert list(days.between(date(2022, 4, 29), date(2022, 4, 29))) == [date(2022, 4, 29)]
    assert list(days.between(date(2022, 4, 29), date(2022, 4, 28))) == []


@pytest.mark.parametrize("text", ["29.04.2022", "2022-04-31", "yesterday", "", None])
def test_what_is_no_day_is_named_with_an_example(text):
    with pytest.raises(DataError, match=f"day {text!r} is not a date: write it as 2022-04-29"):
        days.parse(text)


@pytest.mark.parametrize("name", ["Beijing", "", "../etc/passwd", "GMT+8 "])
def test_what_is_no_zone_is_named_with_an_example(name):
    with pytest.raises(DataError, match="is not an IANA zone: write one such as Asia/Shanghai"):
        days.zone(name)
