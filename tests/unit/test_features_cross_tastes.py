"""A member's tastes against two media, worked by hand."""

import numpy as np
import pandas as pd
import pytest

from pipelines.features import on_demand, pairs
from pipelines.features.catalogue import COMPUTED, CROSS, STORED
from pipelines.features.cross_tastes import MEDIA_NEEDS, USER_NEEDS, taste_features
from pipelines.features.tastes import FOLD


def packed(*rows):
    return np.array(rows, dtype=np.float32)


USER = {
    "user_age": np.array([40.0]),
    "user_language_watched": packed([3, 1]),
    "user_actor_watched": packed([4, 0, 2, 2]),
    "user_director_watched": packed([1, 3]),
    "user_keyword_watched": packed([0, 2, 2]),
    "user_embedding": packed([3, 4]),
    "user_genre_watched_30d": packed([0, 0, 0]),
    "user_genre_watched_90d": packed([1, 0, 3]),
    "user_search_terms": packed([2, 5, 9]),
}
MEDIA = {
    "media_genres": packed([0, 1, 1], [1, 0, 0]),
    "media_actors": packed([1, 4, 0], [0, 0, 0]),
    "media_directors": packed([2], [0]),
    "media_keywords": packed([2, 9], [1, 0]),
    "media_language_code": packed([1], [9]),
    "media_embedding": packed([0, 1], [0, 0]),
    "media_search_terms": packed([5, 7, 9, 0], [1, 3, 0, 0]),
    "media_audience_age": np.array([30.0, np.nan]),
}
NAN = np.nan


def test_one_member_stands_for_all_pairs_of_a_page():
    found = taste_features(USER, MEDIA)
    expected = {
        "cross_actor_match": [(4 + 2) / 8, NAN],
        "cross_director_match": [3 / 4, NAN],
        "cross_keyword_match": [2 / 4, 0.0],
        "cross_language_affinity": [3 / 4, 0.0],
        "cross_age_gap": [10.0, NAN],
        "cross_embedding_similarity": [4 / 5, NAN],
        "cross_genre_recent_30d": [NAN, NAN],
        "cross_genre_recent_90d": [3 / 4, 1 / 4],
        "cross_search_match": [2 / 3, 0.0],
    }
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name] == pytest.approx(values, nan_ok=True), name


def test_a_row_a_pair_gives_what_one_member_for_all_gives():
    repeated = {name: np.repeat(values, 2, axis=0) for name, values in USER.items()}
    one, many = taste_features(USER, MEDIA), taste_features(repeated, MEDIA)
    for name, values in one.items():
        np.testing.assert_allclose(values, many[name], rtol=1e-12)


def test_a_member_of_whom_nothing_is_known_has_no_match_rather_than_none():
    nobody = {name: np.full(1, np.nan) if name == "user_age" else np.zeros((1, 0)) for name in USER}
    found = taste_features(nobody, MEDIA)
    assert all(np.isnan(values).all() for values in found.values())
    assert {len(values) for values in found.values()} == {2}


def test_codes_that_a_histogram_saved_before_does_not_reach_count_nothing():
    grown = MEDIA | {
        "media_actors": packed([1, 4, 90], [90, 91, 0]),
        "media_genres": packed([0, 1, 1, 1], [0, 0, 0, 1]),
    }
    found = taste_features(USER, grown)
    assert found["cross_actor_match"].tolist() == [6 / 8, 0.0]
    assert found["cross_genre_recent_90d"].tolist() == [3 / 4, 0.0]


def test_codes_beyond_the_fold_are_looked_up_at_their_remainder():
    folded = MEDIA | {"media_actors": packed([1 + FOLD, 0, 0], [3 + 2 * FOLD, 3, 0])}
    assert taste_features(USER, folded)["cross_actor_match"] == pytest.approx([4 / 8, 2 * 2 / 8])


def test_the_catalogue_names_what_the_functions_need_and_give():
    stored = {f.name: f for f in STORED}
    assert {stored[name].entity for name in USER_NEEDS} == {"user"}
    assert {stored[name].entity for name in MEDIA_NEEDS} == {"media"}
    from_catalogue = {f.name for f in COMPUTED if f.view == CROSS}
    assert set(taste_features(USER, MEDIA)) < from_catalogue


def test_a_frame_is_crossed_block_by_block_as_at_once(monkeypatch):
    needed = [f for f in STORED if f.name in (*pairs.USER_NEEDS, *pairs.MEDIA_NEEDS)]
    rng = np.random.default_rng(3)

    def column(feature):
        if feature.dtype == "floats":
            return [rng.integers(0, 3, 4).astype(np.float32) if n % 4 else None for n in range(9)]
        if feature.dtype == "strings":
            return [["m1"] if n % 2 else None for n in range(9)]
        return rng.random(9) if feature.dtype == "float" else ["en"] * 9

    rows = pd.DataFrame({f.name: column(f) for f in needed})
    rows = rows.assign(media_id=["m1", "m2", "m3"] * 3, requested_at=1.7e9).set_index(rows.index + 5)
    at_once = on_demand.cross(rows)
    monkeypatch.setattr(on_demand, "BLOCK", 2)
    pd.testing.assert_frame_equal(on_demand.cross(rows), at_once)
    assert at_once.index.tolist() == rows.index.tolist()
    assert at_once.notna().any().all()
