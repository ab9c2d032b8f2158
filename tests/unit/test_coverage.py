"""Coverage on tiny frames: what is missing, absent or constant is said, and why."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from pipelines.core.dataset import Dataset
from pipelines.coverage import ABSENT, CONSTANT, FINE, MISSING, Coverage, look, summaries
from pipelines.features.catalogue import features
from pipelines.features.feature import Feature
from pipelines.features.requirements import REQUIREMENTS, answered, unanswered


def feature(name, dtype="float", kind="numeric", requirement="X4", source="media.revenue"):
    return Feature(name, dtype, "media_profile", "media", kind, "made up", "1", requirement, source)


def looked_at(one, *values):
    rows = pd.DataFrame({"label": [0.0, 1.0] * (len(values) // 2), one.name: pd.Series(values, dtype=object)})
    return look(rows.astype({one.name: float}) if one.dtype == "float" else rows, [one], seed=1)[0]


def coverage(*measured):
    return Coverage("tiny", date(2026, 1, 5), date(2026, 1, 6), 4, 2, tuple(measured))


def everything(but=()):
    """A fine feature for each thing that is asked for."""
    return [
        looked_at(feature(name, requirement=requirement), 1, 2, 3, 4)
        for requirement, of in REQUIREMENTS.items()
        for names in of.asked.values()
        for name in names
        if name not in but and requirement not in but
    ]


def test_a_feature_that_varies_is_fine_and_tells_what_it_tells():
    found = looked_at(feature("f"), 1, 2, 1, 2)
    assert (found.verdict, found.present) == (FINE, 1.0)
    assert found.information.nats == pytest.approx(np.log(2))
    assert coverage(*everything()).problems == []


def test_a_requirement_without_a_feature_is_named_with_each_thing_that_it_asks_for():
    problems = coverage(*everything(but={"X3"})).problems
    assert len(problems) == sum(map(len, REQUIREMENTS["X3"].asked.values()))
    assert problems[0] == ("X3 asks for season, and context_season does not give it: add it to the catalogue under X3")


def test_one_thing_that_nothing_gives_is_named():
    [problem] = coverage(*everything(but={"media_tags"})).problems
    assert problem.startswith("X4 asks for tags, and media_tags does not give it")


def test_a_feature_of_another_requirement_does_not_count():
    moved = looked_at(feature("media_tags", requirement="X6"), 1, 2)
    [problem] = coverage(*everything(but={"media_tags"}), moved).problems
    assert "asks for tags" in problem


def test_the_catalogue_gives_everything_that_is_asked_for():
    assert unanswered(features(Dataset(name="any", source="tables"))) == []


def test_a_feature_that_the_rows_lack_is_named_with_its_view():
    [found] = look(pd.DataFrame({"label": [0.0, 1.0]}), [feature("gone")], seed=1)
    assert (found.verdict, found.information) == (MISSING, None)
    assert "its view media_profile does not give it" in coverage(*everything(), found).problems[0]


@pytest.mark.parametrize(
    ("one", "nothing"),
    [
        (feature("f"), np.nan),
        (feature("f", "string", "categorical"), None),
        (feature("f", "floats", "histogram"), None),
        (feature("f", "strings", "sequence"), []),
        (feature("f", "floats", "codes"), np.array([])),
        (feature("f", "floats", "codes"), np.array([0.0, 0.0])),
        (feature("f", "floats", "embedding"), np.array([0.0, 0.0])),
    ],
)
def test_a_feature_without_a_value_in_any_row_is_absent_and_its_source_is_named(one, nothing):
    found = looked_at(one, nothing, nothing)
    assert (found.verdict, found.present) == (ABSENT, 0.0)
    assert coverage(*everything(), found).problems == [
        "f is absent in every row: look whether media.revenue is ever filled"
    ]


@pytest.mark.parametrize(
    ("one", "same"),
    [
        (feature("f"), 0.0),
        (feature("f", "string", "categorical"), "film"),
        (feature("f", "floats", "histogram"), np.zeros(3, np.float32)),
        (feature("f", "strings", "sequence"), ["a", "b"]),
        (feature("f", "float", "moment"), 1.7e9),
    ],
)
def test_a_feature_with_one_value_is_constant_even_where_some_rows_lack_it(one, same):
    assert looked_at(one, same, same, same, same).verdict == CONSTANT
    some = looked_at(one, same, None, same, None)
    assert (some.verdict, some.present) == (CONSTANT, 0.5)
    assert "f is constant" in coverage(*everything(), some).problems[0]


def test_packed_features_that_differ_anywhere_vary():
    histogram = feature("f", "floats", "histogram")
    assert looked_at(histogram, np.array([1, 0], np.float32), np.array([1], np.float32)).verdict == CONSTANT
    assert looked_at(histogram, np.array([1, 0], np.float32), np.array([1, 2], np.float32)).verdict == FINE
    assert looked_at(feature("f", "strings", "sequence"), ["a"], ["a", "b"]).verdict == FINE


def test_an_array_of_numbers_is_judged_by_its_best_column_and_a_list_by_its_members():
    histogram = feature("f", "floats", "histogram")
    assert looked_at(histogram, *[np.array([5, 1.0]), np.array([5, 2.0])] * 4).information.nats > 0.6
    listed = feature("f", "strings", "sequence")
    assert looked_at(listed, *[["a", "c"], ["b", "c"]] * 4).information.nats > 0.6
    padded = feature("f", "floats", "codes")
    assert len(summaries(padded, np.array([[3, 0], [4, 3]], np.float32))) == 3


def test_a_feature_may_answer_several_requirements_and_stands_under_each():
    found = looked_at(feature("f", requirement="X4, X7"), 1, 2)
    assert answered(found.feature) == ("X4", "X7")
    told = coverage(found).as_dict()["requirements"]
    assert [name for name in told if told[name]["features"]] == ["X4", "X7"]
    assert told["X7"]["features"][0]["verdict"] == FINE
    assert [m["name"] for m in coverage(looked_at(feature("own", requirement=""), 1, 2)).as_dict()["other"]] == ["own"]
