"""Time and randomness in a world, worked by hand."""

from datetime import date

import numpy as np

from pipelines.simulation import calendar
from pipelines.simulation.events import queued
from pipelines.simulation.geography import ZONE_CODE
from pipelines.simulation.randomness import pair_normal, stream


def test_local_hours_follow_each_members_clock() -> None:
    """23:30 UTC on a Sunday in winter is 8:30 on Monday in Tokyo and 18:30 on Sunday in New York."""
    zone = np.array([ZONE_CODE["Asia/Tokyo"], ZONE_CODE["America/New_York"]])
    hours, weekdays = calendar.local_hours(np.full(2, np.datetime64("2026-01-11T23:30")), zone)
    assert hours.tolist() == [8.5, 18.5]
    assert weekdays.tolist() == [0, 6]


def test_summer_time_moves_the_clock() -> None:
    zone = np.array([ZONE_CODE["Europe/Berlin"]] * 2)
    hours, _ = calendar.local_hours(np.array(["2026-01-15T12:00", "2026-07-15T12:00"], dtype="datetime64[us]"), zone)
    assert hours.tolist() == [13.0, 14.0]


def test_members_visit_in_their_own_evening() -> None:
    tokyo = np.full(4_000, ZONE_CODE["Asia/Tokyo"])
    seconds = calendar.visit_seconds(date(2026, 1, 14), tokyo, stream(1, "test"))
    local = (seconds / 3600 + 9) % 24
    assert np.mean((local >= 18) & (local < 23)) > np.mean(local < 12)


def test_weekends_holidays_and_winters_are_busier() -> None:
    assert calendar.visit_rate(date(2026, 1, 10)) > calendar.visit_rate(date(2026, 1, 13))
    assert calendar.visit_rate(date(2026, 12, 24)) > calendar.visit_rate(date(2026, 12, 17))
    assert calendar.visit_rate(date(2026, 1, 14)) > calendar.visit_rate(date(2026, 7, 15))


def test_watches_of_a_visit_follow_one_another_and_stay_on_their_day() -> None:
    """Two visits: 100 s then 50 s in the first; in the second the last one would begin past the day's end."""
    shown = np.array(["2026-01-05T10:00:00"] * 2 + ["2026-01-05T23:59:00"] * 2, dtype="datetime64[us]")
    last = np.datetime64("2026-01-05T23:59:59", "us")
    starts = queued(np.array([0, 0, 1, 1]), shown, np.array([100.0, 50.0, 3600.0, 10.0]), last)
    expected = ["2026-01-05T10:00:20", "2026-01-05T10:02:00", "2026-01-05T23:59:20", "2026-01-05T23:59:59"]
    assert starts.astype("datetime64[s]").astype(str).tolist() == expected


def test_pair_noise_is_fixed_standard_and_uncorrelated() -> None:
    left, right = np.repeat(np.arange(300), 300), np.tile(np.arange(300), 300)
    noise = pair_normal(5, left, right)
    assert abs(noise.mean()) < 0.02
    assert abs(noise.std() - 1) < 0.02
    assert abs(np.corrcoef(noise, pair_normal(5, right, left))[0, 1]) < 0.02
    np.testing.assert_array_equal(noise[7:8], pair_normal(5, left[7:8], right[7:8]))


def test_streams_repeat_by_name_and_differ_between_names() -> None:
    assert stream(1, "a", 2).random() == stream(1, "a", 2).random()
    assert len({stream(1, "a", 2).random(), stream(1, "a", 3).random(), stream(1, "b", 2).random()}) == 3
