"""Context features worked by hand."""

import numpy as np
import pytest

from pipelines.core.errors import DataError
from pipelines.features.context import context_features

JULY_FIRST = np.array(["2022-07-01T18:30"], dtype="datetime64[us]")


def one(features, name):
    (value,) = features[name].tolist()
    return value


def test_the_hour_the_weekday_and_the_part_of_day_are_local():
    tokyo = context_features(JULY_FIRST, zone="Asia/Tokyo")
    assert one(tokyo, "context_hour") == 3.5
    assert one(tokyo, "context_weekday") == 5.0  # a Saturday by then
    assert one(tokyo, "context_weekend") == 1.0
    assert one(tokyo, "context_daypart") == "night"
    assert one(context_features(JULY_FIRST, zone="UTC"), "context_weekend") == 0.0


def test_the_members_own_zone_wins_and_one_that_does_not_exist_is_ignored():
    at = np.repeat(JULY_FIRST, 3)
    found = context_features(at, zone="UTC", member_zone=["America/New_York", None, "Nowhere/Land"])
    assert found["context_hour"].tolist() == [14.5, 18.5, 18.5]


def test_a_data_sets_zone_that_does_not_exist_is_refused():
    with pytest.raises(DataError, match="Nowhere/Land"):
        context_features(JULY_FIRST, zone="Nowhere/Land")


def test_seasons_turn_round_in_the_south():
    found = context_features(np.repeat(JULY_FIRST, 3), zone="UTC", country=["US", "AU", None])
    assert found["context_season"].tolist() == ["summer", "winter", None]


def test_the_next_holiday_is_that_of_the_country_and_counts_days():
    found = context_features(np.repeat(JULY_FIRST, 4), zone="UTC", country=["US", "FR", None, "??"])
    assert found["context_holiday"].tolist() == ["Independence Day", "National Day", None, None]
    assert found["context_days_to_holiday"][:2].tolist() == [3.0, 13.0]
    assert np.isnan(found["context_days_to_holiday"][2:]).all()


def test_a_holiday_is_upcoming_until_it_is_over_and_the_year_may_turn():
    at = np.array(["2022-07-04T12:00", "2022-12-31T12:00"], dtype="datetime64[us]")
    found = context_features(at, zone="UTC", country="US")
    assert found["context_days_to_holiday"].tolist() == [0.0, 1.0]
    assert found["context_holiday"].tolist()[1] == "New Year's Day"


def test_words_of_the_request_pass_through_and_absent_ones_are_none():
    found = context_features(np.repeat(JULY_FIRST, 2), zone="UTC", device=["tv", float("nan")], surface="home")
    assert found["context_device"].tolist() == ["tv", None]
    assert found["context_surface"].tolist() == ["home", "home"]


def test_no_requests_have_no_features():
    found = context_features(JULY_FIRST[:0], zone="UTC", country=[], device="tv")
    assert {values.shape for values in found.values()} == {(0,)}
