"""The policy file: the one we ship is valid, and a wrong one is refused by key."""

import pytest

from pipelines.core.errors import SettingsError
from pipelines.promotion import policy


def test_the_policy_we_ship_is_valid():
    shipped = policy.read()
    assert shipped.primary == "page.ndcg@10"
    assert "ranker.log_loss" in {g.metric for g in shipped.guardrails}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("primary: page.ndcg@10\npopularity: 3", "popularity: Extra inputs are not permitted"),
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
