"""The rating model on tiny tables with a known answer, then its properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core.errors import DataError
from pipelines.metrics.rating import rmse
from pipelines.ranking.ratings import RatingModel, code

BIASES = RatingModel(factors=0, damping=0.0, rounds=50)


def checkerboard(members=24, titles=16):
    """Even members give even titles 5 and odd ones 1; odd members the other way round. A fifth is held out."""
    pairs = [(u, m) for u in range(members) for m in range(titles)]
    rating = np.array([5.0 if (u + m) % 2 == 0 else 1.0 for u, m in pairs])
    users, media = (np.array([f"{pair[side]:02d}" for pair in pairs]) for side in (0, 1))
    held = np.array([(3 * u + m) % 5 == 0 for u, m in pairs])
    return users, media, rating, held


def test_the_biases_of_a_full_table_are_those_worked_by_hand():
    # mean 3; a rates 1 above it and b 1 below; x is rated 0.5 above it and y 0.5 below
    users, media = ["a", "a", "b", "b"], ["x", "y", "x", "y"]
    model = BIASES.fit(users, media, np.array([4.5, 3.5, 2.5, 1.5]), seed=1)
    assert model.mean == 3.0
    assert model.user_bias == pytest.approx([1, -1, 0])
    assert model.media_bias == pytest.approx([0.5, -0.5, 0])


def test_damping_pulls_the_bias_of_few_ratings_towards_nothing():
    model = RatingModel(factors=0, damping=1.0, rounds=1).fit(["a", "b"], ["x", "y"], np.array([5.0, 1.0]), seed=1)
    assert model.media_bias == pytest.approx([1, -1, 0])


def test_factors_find_a_taste_that_biases_cannot_see():
    users, media, rating, held = checkerboard()
    asked = {"factors": 2, "rounds": 20, "damping": 1.0, "regularisation": 0.02}
    seen = (users[~held], media[~held], rating[~held])
    model = RatingModel(**asked).fit(*seen, seed=3)
    plain = RatingModel(**asked | {"factors": 0}).fit(*seen, seed=3)
    assert rmse(rating[held], model.predict(users[held], media[held])) < 0.3
    assert rmse(rating[held], plain.predict(users[held], media[held])) > 1.8


def test_a_stranger_is_given_the_bias_of_the_title_and_two_strangers_the_mean():
    users, media, rating, _ = checkerboard()
    model = RatingModel().fit(users, media, rating, seed=3)
    whole = model.predict(["nobody", "nobody", "00"], ["00", "nothing", "nothing"])
    assert whole[0] == pytest.approx(model.mean + model.media_bias[0])
    assert whole[1] == model.mean
    assert whole[2] == pytest.approx(model.mean + model.user_bias[0])
    assert model.knows(["00", "00", "nobody"], ["00", "nothing", "00"]).tolist() == [True, False, False]


def test_the_order_of_the_ratings_changes_nothing_and_the_seed_is_what_the_factors_begin_with():
    users, media, rating, _ = checkerboard()
    shuffled = np.random.default_rng(5).permutation(len(rating))
    first = RatingModel().fit(users, media, rating, seed=3)
    again = RatingModel().fit(users[shuffled], media[shuffled], rating[shuffled], seed=3)
    other = RatingModel().fit(users, media, rating, seed=4)
    assert np.array_equal(first.predict(users, media), again.predict(users, media))
    assert not np.array_equal(first.user_factors, other.user_factors)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(1, 5)), min_size=1, max_size=40))
def test_no_prediction_leaves_the_ratings_that_were_seen(rows):
    users, media = ([f"{row[side]}" for row in rows] for side in (0, 1))
    rating = np.array([float(row[2]) for row in rows])
    told = (
        RatingModel(factors=3, rounds=3).fit(users, media, rating, seed=1).predict([*users, "stranger"], [*media, "0"])
    )
    assert np.isfinite(told).all()
    assert rating.min() <= told.min()
    assert told.max() <= rating.max()


def test_without_ratings_nothing_is_learnt():
    with pytest.raises(DataError, match="no ratings to learn from"):
        RatingModel().fit([], [], np.empty(0), seed=1)


def test_an_unknown_id_has_the_place_behind_all_others():
    assert code(np.array(["b", "d"]), ["a", "b", "c", "d", "e"]).tolist() == [2, 0, 2, 1, 2]


def test_the_biases_are_those_of_lenskit():
    lenskit = pytest.importorskip("lenskit.basic.bias", reason="lenskit is the peer: install the extra peers")
    import pandas as pd
    from lenskit.data import from_interactions_df

    users, media, rating, held = checkerboard()
    frame = pd.DataFrame({"user_id": users, "item_id": media, "rating": rating})[~held]
    theirs = lenskit.BiasModel.learn(from_interactions_df(frame), damping=5.0)
    ours = RatingModel(factors=0, damping=5.0, rounds=1).fit(
        frame.user_id, frame.item_id, frame.rating.to_numpy(), seed=1
    )
    assert ours.mean == pytest.approx(theirs.global_bias, abs=1e-6)
    assert ours.media_bias[:-1] == pytest.approx(np.asarray(theirs.item_biases), abs=1e-5)
    assert ours.user_bias[:-1] == pytest.approx(np.asarray(theirs.user_biases), abs=1e-5)
