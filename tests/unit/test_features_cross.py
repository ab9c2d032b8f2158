"""Cross features worked by hand, and the arrays that they read."""

import numpy as np
import pandas as pd
import pytest

from pipelines.core.errors import FeatureError
from pipelines.features import columns
from pipelines.features.catalogue import STORED
from pipelines.features.cross import cross_features

AT = np.array(["2022-01-11T00:00"] * 2, dtype="datetime64[us]")


def seconds(day):
    return np.datetime64(day, "s").astype(float)


def words(*values):
    return np.array(values, dtype=object)


USER = {
    "user_genre_watched": np.array([[3, 0, 1]], dtype=np.float32),
    "user_genre_shown": np.array([[5, 2, 3]], dtype=np.float32),
    "user_engaged_rate": np.array([0.4]),
    "user_watched_seconds_mean": np.array([99.0]),
    "user_last_watch_at": np.array([seconds("2022-01-10T12:00")]),
    "user_language": words("en"),
}
MEDIA = {
    "media_genres": np.array([[1, 0, 0], [0, 1, 1]], dtype=np.float32),
    "media_duration_seconds": np.array([199.0, np.nan]),
    "media_release_at": np.array([seconds("2022-01-01"), np.nan]),
    "media_platform_at": np.array([seconds("2022-01-06"), np.nan]),
    "media_original_language": words("en", None),
}


def test_one_member_stands_for_all_pairs_of_a_page():
    found = cross_features(USER, MEDIA, AT)
    assert found["cross_genre_affinity"] == pytest.approx([(3 + 5 * 0.4) / (5 + 5), (1 + 5 * 0.4) / (5 + 5)])
    assert found["cross_genre_lift"] == pytest.approx([0.1, -0.1])
    assert found["cross_genre_share"] == pytest.approx([3 / 4, 1 / 4])
    assert found["cross_genre_similarity"] == pytest.approx([3 / np.sqrt(10), 1 / np.sqrt(10 * 2)])
    assert found["cross_duration_ratio"] == pytest.approx([np.log(2), np.nan], nan_ok=True)
    assert found["cross_language_match"] == pytest.approx([1.0, np.nan], nan_ok=True)
    assert found["cross_days_since_release"] == pytest.approx([10.0, np.nan], nan_ok=True)
    assert found["cross_days_on_platform"] == pytest.approx([5.0, np.nan], nan_ok=True)
    assert found["cross_days_since_watch"].tolist() == [0.5, 0.5]


def test_a_row_a_pair_gives_what_one_member_for_all_gives():
    repeated = {name: np.repeat(values, 2, axis=0) for name, values in USER.items()}
    one, many = cross_features(USER, MEDIA, AT), cross_features(repeated, MEDIA, AT)
    for name, values in one.items():
        np.testing.assert_allclose(values, many[name], rtol=1e-12)


def test_a_histogram_from_before_the_vocabulary_grew_has_zeros_at_the_new_places():
    grown = MEDIA | {"media_genres": np.array([[1, 0, 0, 0], [0, 1, 1, 1]], dtype=np.float32)}
    before, after = cross_features(USER, MEDIA, AT), cross_features(USER, grown, AT)
    assert after["cross_genre_affinity"].tolist() == before["cross_genre_affinity"].tolist()


def test_an_unknown_member_has_no_cross_features_rather_than_guessed_ones():
    nobody = {name: np.zeros((1, 0), np.float32) if "_genre_" in name else np.array([np.nan]) for name in USER} | {
        "user_language": words(None)
    }
    found = cross_features(nobody, MEDIA, AT)
    unknown = [name for name in found if name not in ("cross_days_since_release", "cross_days_on_platform")]
    assert all(np.isnan(found[name]).all() for name in unknown)


def test_an_empty_history_has_the_members_own_rate_as_its_affinity():
    empty = USER | {name: np.zeros((1, 3), np.float32) for name in ("user_genre_watched", "user_genre_shown")}
    found = cross_features(empty, MEDIA, AT)
    assert found["cross_genre_affinity"] == pytest.approx([0.4, 0.4])
    assert np.isnan(found["cross_genre_share"]).all()


def test_rows_become_arrays_with_absent_as_nan_none_and_zeros():
    wanted = [f for f in STORED if f.name in ("user_age", "user_country", "user_genre_shown")]
    rows = pd.DataFrame(
        {"user_age": [30, None], "user_country": ["US", None], "user_genre_shown": [np.ones(2, np.float32), None]}
    )
    found = columns.arrays(rows, wanted, width=3)
    assert found["user_age"].tolist() == pytest.approx([30.0, np.nan], nan_ok=True)
    assert found["user_country"].tolist() == ["US", None]
    assert found["user_genre_shown"].tolist() == [[1, 1, 0], [0, 0, 0]]
    with pytest.raises(FeatureError, match="user_age are missing"):
        columns.arrays(rows.drop(columns="user_age"), wanted)


def test_lists_that_rows_share_and_lists_of_their_own_are_packed_alike():
    one, other = np.array([1.0, 2.0], np.float32), [3.0]
    values = np.empty(6, dtype=object)
    values[:] = [one, None, other, one, np.nan, []]
    expected = [[1, 2, 0], [0, 0, 0], [3, 0, 0], [1, 2, 0], [0, 0, 0], [0, 0, 0]]
    assert columns.packed(values, 3).tolist() == expected
    assert columns.packed([None if v is None else v for v in values], 3).tolist() == expected
    assert columns.packed([], 2).shape == (0, 2)
    assert columns.packed([None, []]).shape == (2, 0)
