"""The catalogue: one name a feature, and a data set's own columns."""

import pytest

from pipelines.core import tables
from pipelines.core.dataset import Dataset, ExtraColumn
from pipelines.core.errors import FeatureError
from pipelines.features import catalogue
from pipelines.features.catalogue import features, inputs


def dataset(*columns):
    named = [ExtraColumn(name=n, entity=e, type=t, meaning="as the source has it") for n, e, t in columns]
    return Dataset(name="own", source="tables", columns=tuple(named))


def test_names_are_unique_and_every_view_has_features():
    found = features(dataset())
    assert len({f.name for f in found}) == len(found)
    views = {*catalogue.USER_VIEWS, *catalogue.MEDIA_VIEWS, catalogue.CONTEXT, catalogue.CROSS}
    assert {f.view for f in found} == views
    assert not [f.name for f in found if f.name.endswith("_y")]


def test_a_declared_column_becomes_a_feature_named_after_its_entity():
    found = {f.name: f for f in features(dataset(("vip", "user", "bool"), ("media_mood", "media", "strings")))}
    assert (found["user_vip"].dtype, found["user_vip"].kind, found["user_vip"].view) == (
        "float",
        "numeric",
        "user_attributes",
    )
    assert (found["media_mood"].dtype, found["media_mood"].view) == ("string", "media_profile")


def test_rankers_read_neither_moments_nor_histograms():
    names = inputs(dataset())
    assert "cross_genre_affinity" in names
    assert not {"user_last_watch_at", "media_platform_at", "user_genre_watched", "media_genres"} & set(names)


def test_rankers_read_every_number_and_word_and_no_moment():
    read = set(inputs(dataset()))
    kinds = {f.kind for f in features(dataset()) if f.name in read}
    assert kinds == {"numeric", "categorical"}
    assert {"context_session_watches", "cross_recently_watched"} <= read
    assert not {"user_recent_watch_at", "user_session_seen_at"} & read


def test_a_declared_column_may_not_take_a_name_or_one_that_feast_drops():
    with pytest.raises(FeatureError, match=r"user_age are defined twice: rename the column in dataset\.yaml"):
        features(dataset(("age", "user", "float")))
    with pytest.raises(FeatureError, match="ends in _y, which Feast's join drops"):
        features(dataset(("share_y", "user", "float")))


REQUESTS = {"requested_at", "zone", "device", "country", "surface"}


def test_every_feature_says_which_requirement_it_answers_and_from_which_columns_it_is_made():
    for feature in features(dataset(("vip", "user", "bool"), ("mood", "media", "strings"))):
        assert feature.requirement in {f"X{n}" for n in range(1, 9)}, feature.name
        assert feature.meaning, feature.name
        for source in feature.source.split(", "):
            table, column = source.split(".")
            declared = {"users": {"vip"}, "media": {"mood"}}.get(table, set())
            known = REQUESTS if table == "request" else {c.name for c in tables.TABLES[table].columns} | declared
            assert column in known, f"{feature.name} names {source}"


def test_every_requirement_has_features():
    assert {f.requirement for f in features(dataset())} == {f"X{n}" for n in range(1, 9)}
