"""Assignment by hash: steady, as shared out, and independent between experiments."""

from collections import Counter

import pytest
from pydantic import ValidationError

from pipelines.experiments.assignment import Experiment, assign

MEMBERS = [f"u{i}" for i in range(20_000)]
EVEN = Experiment(salt="2022-spring", variants={"champion": 1, "challenger": 1})


def test_a_member_keeps_their_variant():
    assert [assign(m, EVEN) for m in MEMBERS[:50]] == [assign(m, EVEN) for m in MEMBERS[:50]]


def test_variants_get_their_shares():
    counts = Counter(assign(m, Experiment(salt="s", variants={"a": 3, "b": 1})) for m in MEMBERS)
    assert counts["a"] / len(MEMBERS) == pytest.approx(0.75, abs=0.01)
    assert counts["a"] + counts["b"] == len(MEMBERS)


def test_another_salt_shuffles_independently():
    other = Experiment(salt="2022-summer", variants=EVEN.variants)
    both = Counter((assign(m, EVEN), assign(m, other)) for m in MEMBERS)
    assert all(count / len(MEMBERS) == pytest.approx(0.25, abs=0.01) for count in both.values())


def test_more_traffic_moves_nobody_who_takes_part():
    tenth, half = (EVEN.model_copy(update={"traffic": share}) for share in (0.1, 0.5))
    taking_part = {m: assign(m, tenth) for m in MEMBERS if assign(m, tenth)}
    assert len(taking_part) / len(MEMBERS) == pytest.approx(0.1, abs=0.01)
    assert {m: assign(m, half) for m in taking_part} == taking_part


def test_no_traffic_means_nobody():
    assert not any(assign(m, EVEN.model_copy(update={"traffic": 0.0})) for m in MEMBERS[:100])


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"salt": ""}, "salt"),
        ({"variants": {"a": 1}}, "variants"),
        ({"variants": {"a": 1, "b": 0}}, "variants.b"),
        ({"variants": {"a": 1, "": 1}}, "a variant has no name"),
        ({"share": 1}, "share"),
    ],
)
def test_a_wrong_experiment_is_refused_by_key(wrong, key):
    with pytest.raises(ValidationError, match=key):
        Experiment(**{"salt": "s", "variants": {"a": 1, "b": 1}, **wrong})
