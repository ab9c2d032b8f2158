"""Online metrics M1 to M3 on sessions worked by hand."""

import numpy as np

from pipelines.metrics.online import engagement_rate, session_time, videos_watched


def test_engagement_rate_is_the_share_of_sessions_with_a_click():
    assert engagement_rate(["s1", "s2", "s3", "s4"], ["s1", "s1", "s3"]) == 0.5


def test_clicks_outside_the_sessions_do_not_count():
    assert engagement_rate(["s1", None, ""], ["s9", None, ""]) == 0.0
    assert np.isnan(engagement_rate([], ["s1"]))


def test_videos_watched_counts_those_longer_than_n_minutes():
    assert videos_watched([119, 120, 121, np.nan], minutes=2) == 1
    assert videos_watched([]) == 0


def test_session_time_adds_the_seconds_of_each_session():
    times = session_time(["b", "a", "b", None, ""], [10, 5, 2.5, 99, 99])
    np.testing.assert_array_equal(times, [5, 12.5])
    assert session_time([], []).shape == (0,)
