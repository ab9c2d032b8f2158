"""Which groups of features an ablation leaves out, and what it says of a difference."""

import pytest

from pipelines import ablation
from pipelines.ablation import (
    ALL,
    CANNOT_TELL,
    DOES_NOT,
    OTHER,
    PAYS,
    RETRIEVAL,
    SEED,
    groups,
    packed,
    trials,
    verdict_of,
)
from pipelines.candidates import scores
from pipelines.core.dataset import Dataset
from pipelines.features.catalogue import inputs
from pipelines.features.requirements import REQUIREMENTS
from pipelines.metrics.intervals import Interval

WORLD = Dataset(name="world", source="tables")


def test_every_feature_that_a_ranker_reads_stands_in_a_group():
    grouped = groups(WORLD)
    assert set(grouped) == {*REQUIREMENTS, OTHER, RETRIEVAL}
    assert set().union(*grouped.values()) == {*inputs(WORLD), *scores.names()}
    assert "context_hour" in grouped["X3"]
    assert set(grouped["X6"]).isdisjoint(grouped["X7"])


def test_there_is_one_trial_a_group_that_is_read_one_of_chance_and_one_of_dense_forms_without_words():
    asked = trials({"X1": ("a",), "X2": (), "X6": ("b",), "X7": ("c", "d")}, {"X1": {}, "X2": {"h": "histogram"}})
    left_out = {trial.group: (set(trial.left_out), trial.against) for trial in asked}
    assert left_out == {
        ALL: (set(), ALL),
        SEED: (set(), ALL),
        "X1": ({"a"}, ALL),
        "X6": ({"b"}, ALL),
        "X7": ({"c", "d"}, ALL),
        "X7 in place of X6": ({"b", "c", "d"}, "X6"),
        "X2 packed": (set(), ALL),
    }
    assert asked[-1].added == {"h": "histogram"}


def test_every_packed_feature_is_added_with_some_group_and_none_of_them_is_read_already():
    packs = packed(WORLD)
    named = set().union(*packs.values())
    assert {"user_genre_watched", "media_keywords", "user_history"} <= named
    assert named.isdisjoint(inputs(WORLD))


@pytest.mark.parametrize(
    ("gain", "chance", "said"),
    [
        ((0.004, 0.002, 0.006), 0.001, PAYS),
        ((0.004, 0.002, 0.006), 0.003, CANNOT_TELL),
        ((0.0, -0.0005, 0.0005), 0.0, DOES_NOT),
        ((-0.004, -0.006, -0.002), 0.0, DOES_NOT),
        ((0.001, -0.001, 0.003), 0.0, CANNOT_TELL),
    ],
)
def test_a_group_pays_only_above_chance_and_where_the_interval_is_wide_nothing_is_said(gain, chance, said):
    assert verdict_of(Interval(*gain), chance, ablation.LEAST) == said
