"""The policy file: the one we ship is valid, and a wrong one is refused by key."""

import pytest

from pipelines.core.errors import SettingsError
from pipelines.evaluation.slices import SLICES
from pipelines.promotion import policy


def test_the_policy_we_ship_is_valid():
    shipped = policy.read()
    assert shipped.primaries == ("page.ips_dcg@10", "page.ndcg@10")
    assert "ranker.log_loss" in {g.metric for g in shipped.guardrails}
    assert set(shipped.slices.names) == set(SLICES)


def test_a_fallback_takes_the_place_of_a_primary_metric_that_is_not_held():
    shipped = policy.read()
    assert shipped.measured_in(lambda metric: True) is shipped
    without = shipped.measured_in(lambda metric: False)
    assert without.primaries == ("page.ndcg@10",)
    assert [f.metric for f in shipped.floors] == ["ranker.gauc", "page.ips_dcg@10"]
    assert [f.metric for f in without.floors] == ["ranker.gauc", "page.ndcg@10"]
    assert [f.share_to_lose for f in without.floors] == [f.share_to_lose for f in shipped.floors]
    assert without.measured_in(lambda metric: False) is without


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "primary: page.ndcg@10\npopularity: 3",
            "popularity is no key of the policy: known here are primary, fallback, superiority_margin, floors, guard",
        ),
        (
            "primary: p.a\nfloors: [{metric: p.a, margin: 1}]",
            r"floors\.0\.margin is no key of the policy: known here are metric, gain, share_to_lose",
        ),
        (
            "primary: p.a\nslices: {names: [age], guardrails: [{metric: p.a, margin: 1, gain: 2}], minimum: 3}",
            r"slices\.guardrails\.0\.gain is no key of the policy: known here are metric, margin; .*"
            r"slices\.minimum is no key of the policy: known here are names, guardrails, minimum_members, too_few",
        ),
        (
            "primary: p.a\nlimits: [{figure: p.a}]",
            "p.a has no bound: give one of least, most, least_of_champion, most_of_champion",
        ),
        ("primary: p.a\nlimits: [{figure: size, most: 1}]", r"limits\.0\.figure: String should match pattern"),
        (
            "primary: p.a\nslices: {names: [], guardrails: [{metric: p.a, margin: 1}]}",
            r"slices\.names: .* at least 1 item",
        ),
        (
            "primary: p.a\nslices: {names: [age], guardrails: [{metric: p.a, margin: 1}], too_few: pass}",
            "too_few: Input should be 'list' or 'inconclusive'",
        ),
        (
            "primary: p.a\nfloors: [{metric: p.a}]\n"
            "slices: {names: [age, age], guardrails: [{metric: p.a, margin: 1}]}",
            "slices.names name age more than once",
        ),
        ("primary: p.a\npower: 0.2", "power: .* greater than or equal to 0.5"),
        ("{}", "primary: Field required"),
        ("primary: ndcg", "primary: String should match pattern"),
        (
            "primary: p.a\nguardrails: [{metric: p.b, margin: 0}]",
            r"guardrails\.0\.margin: .* greater than 0",
        ),
        ("primary: p.a\nconfidence: 95", "confidence: Input should be less than 1"),
        (
            "primary: p.a\nfloors: [{metric: p.a}]\nguardrails: [{metric: p.b, margin: 1}, {metric: p.b, margin: 2}]",
            "p.b more than once",
        ),
        ("primary: [", "is no YAML"),
    ],
)
def test_a_wrong_policy_is_refused_by_file_and_key(tmp_path, text, message):
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message) as raised:
        policy.read(path)
    assert str(path) in str(raised.value)


def test_a_missing_policy_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="the gate needs a policy"):
        policy.read(tmp_path / "policy.yaml")
