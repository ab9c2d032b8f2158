"""The gate on evidence whose answer is known."""

import dataclasses
import json
from datetime import date

import numpy as np
import pytest

from pipelines.core.errors import ReleaseError
from pipelines.core.evidence import Evidence, rows
from pipelines.promotion.comparison import compare
from pipelines.promotion.gate import decide
from pipelines.promotion.policy import Floor, Guardrail, Policy

POLICY = Policy(
    primary="page.ndcg@10",
    floors=(Floor(metric="page.ndcg@10"),),
    guardrails=(Guardrail(metric="ranker.log_loss", margin=0.02), Guardrail(metric="ranker.auc", margin=0.02)),
    resamples=300,
    row_resamples=100,
)
MEMBERS = 400


def scored(lift=0.0, noise=0.0, fitted_through=date(2022, 4, 28), members=MEMBERS):
    """Members with an NDCG of about 0.3 + lift; rows whose probabilities are true but for noise in the log odds."""
    rng = np.random.default_rng(5)
    ndcg = rng.random(members) * 0.4 + 0.1 + lift + 0.02 * np.random.default_rng(6).normal(size=members) * bool(lift)
    log_odds = rng.normal(size=members * 5) * 1.5
    label = rng.random(members * 5) < 1 / (1 + np.exp(-log_odds))
    spoilt = log_odds + noise * rng.normal(size=members * 5)
    member = np.repeat(np.arange(members), 5)
    return Evidence(
        date(2022, 4, 29),
        date(2022, 5, 2),
        fitted_through,
        np.array([f"u{i}" for i in range(members)]),
        {"page.ndcg@10": ndcg},
        {"ranker": rows([f"i{i}" for i in range(members * 5)], member, label, 1 / (1 + np.exp(-spoilt)))},
    )


FLOOR = scored(lift=-0.1)


def test_a_better_challenger_is_promoted():
    verdict = decide(scored(lift=0.05), scored(), FLOOR, POLICY, seed=1)
    assert verdict.verdict == "promote"
    assert [c.finding for c in verdict.comparisons] == ["shown"] * 4
    assert verdict.comparisons[1].gain.value == pytest.approx(0.05, abs=0.005)


def test_an_equal_challenger_is_inconclusive():
    verdict = decide(scored(), scored(), FLOOR, POLICY, seed=1)
    assert verdict.verdict == "inconclusive"
    assert verdict.reasons[0].startswith("better than the champion is not shown: page.ndcg@10")


WEIGHED = "page.ips_dcg@10"


def weighed(gain: float) -> Evidence:
    """The same evidence with a figure weighed by propensities: mostly 0, seldom large."""
    rng = np.random.default_rng(9)
    figure = np.where(rng.random(MEMBERS) < 0.3, rng.exponential(2.0, MEMBERS), 0.0) + gain * rng.random(MEMBERS)
    found = scored()
    return dataclasses.replace(found, metrics={**found.metrics, WEIGHED: figure})


@pytest.mark.parametrize(("gain", "verdict"), [(0.2, "promote"), (0.0, "inconclusive"), (-0.2, "reject")])
def test_the_primary_metric_decides_where_the_evidence_holds_it(gain, verdict):
    policy = POLICY.model_copy(update={"primary": WEIGHED, "fallback": "page.ndcg@10"})
    found = decide(weighed(gain), weighed(0.0), FLOOR, policy, seed=1)
    assert found.verdict == verdict
    decided = next(c for c in found.comparisons if c.metric == WEIGHED)
    assert decided.gain.value == pytest.approx(gain / 2, abs=0.02)
    assert decided.gain == decide(weighed(gain), weighed(0.0), FLOOR, policy, seed=2).comparisons[1].gain


def test_where_the_evidence_lacks_the_primary_metric_its_fallback_decides():
    policy = POLICY.model_copy(update={"primary": WEIGHED, "fallback": "page.ndcg@10"})
    found = decide(scored(lift=0.05), scored(), FLOOR, policy, seed=1)
    assert found == decide(scored(lift=0.05), scored(), FLOOR, POLICY, seed=1)
    alone = POLICY.model_copy(update={"primary": WEIGHED})
    assert "lacks page.ips_dcg@10" in decide(scored(lift=0.05), scored(), FLOOR, alone, seed=1).reasons[0]


def test_the_gate_refuses_a_challenger_worse_than_the_champion():
    verdict = decide(scored(lift=-0.05), scored(), FLOOR, POLICY, seed=1)
    assert verdict.verdict == "reject"
    assert "better than the champion is refuted: page.ndcg@10" in verdict.reasons[0]


def test_a_better_page_does_not_excuse_worse_probabilities():
    verdict = decide(scored(lift=0.05, noise=2.0), scored(), FLOOR, POLICY, seed=1)
    assert verdict.verdict == "reject"
    assert any("not worse than the champion by 0.02 is refuted: ranker.log_loss" in r for r in verdict.reasons)


def test_without_a_champion_beating_popularity_is_enough():
    verdict = decide(scored(), None, FLOOR, POLICY, seed=1)
    assert verdict.verdict == "promote"
    assert [(c.against, c.metric) for c in verdict.comparisons] == [("floor", "page.ndcg@10")]


def test_a_challenger_below_popularity_is_refused_even_without_a_champion():
    assert decide(scored(lift=-0.2), None, FLOOR, POLICY, seed=1).verdict == "reject"
    assert decide(scored(lift=-0.2), scored(lift=-0.3), FLOOR, POLICY, seed=1).verdict == "reject"


def test_a_challenger_as_good_as_popularity_is_inconclusive():
    assert decide(FLOOR, None, FLOOR, POLICY, seed=1).verdict == "inconclusive"


def test_a_floor_that_may_be_missed_by_a_share_is_held_by_an_equal_page_and_not_by_a_worse_one():
    policy = POLICY.model_copy(update={"floors": (Floor(metric="page.ndcg@10", share_to_lose=0.1),)})
    assert decide(FLOOR, None, FLOOR, policy, seed=1).verdict == "promote"
    worse = decide(scored(lift=-0.2), None, FLOOR, policy, seed=1)
    assert worse.verdict == "reject"
    assert "not worse than the floor by" in worse.reasons[0]


def test_every_floor_must_be_held():
    floors = (Floor(metric="page.ndcg@10", share_to_lose=0.1), Floor(metric="ranker.gauc"))
    policy = POLICY.model_copy(update={"floors": floors})
    assert decide(scored(), None, scored(noise=2.0), policy, seed=1).verdict == "promote"
    assert decide(scored(noise=2.0), None, scored(), policy, seed=1).verdict == "reject"


def test_a_gain_that_is_real_but_smaller_than_the_margin_is_inconclusive():
    policy = POLICY.model_copy(update={"superiority_margin": 0.2})
    assert decide(scored(lift=0.05), scored(), FLOOR, policy, seed=1).verdict == "inconclusive"


def test_too_few_members_decide_nothing():
    few = [scored(lift, members=20) for lift in (0.05, 0.0, -0.1)]
    verdict = decide(*few, POLICY, seed=1)
    assert verdict.verdict == "inconclusive"
    assert "rests on 20 members and the policy asks for 30" in verdict.reasons[0]


def test_a_challenger_that_learnt_from_the_window_is_refused():
    verdict = decide(scored(lift=0.3, fitted_through=date(2022, 4, 29)), scored(), FLOOR, POLICY, seed=1)
    assert verdict.verdict == "reject"
    assert "learnt from days through 2022-04-29" in verdict.reasons[0]


def test_a_challenger_without_evidence_is_refused():
    verdict = decide(dataclasses.replace(scored(), metrics={}), None, FLOOR, POLICY, seed=1)
    assert verdict.verdict == "reject"
    assert "lacks page.ndcg@10 (it holds ranker.*)" in verdict.reasons[0]
    verdict = decide(dataclasses.replace(scored(), rows={}), None, FLOOR, POLICY, seed=1)
    assert [r.split(" (")[0] for r in verdict.reasons] == [
        "the evidence lacks ranker.log_loss",
        "the evidence lacks ranker.auc",
    ]


def test_a_figure_that_is_nan_is_refused():
    nobody = dataclasses.replace(scored(), metrics={"page.ndcg@10": np.full(MEMBERS, np.nan)})
    verdict = decide(nobody, None, FLOOR, POLICY, seed=1)
    assert verdict.verdict == "reject"
    assert verdict.reasons == ("page.ndcg@10 has no figure (0 members): the window is empty or cannot tell",)


def test_rows_of_an_empty_window_are_refused():
    empty = dataclasses.replace(scored(), rows={"ranker": rows([], [], [], [])})
    verdict = decide(empty, None, FLOOR, POLICY, seed=1)
    assert verdict.verdict == "reject"
    assert any(r.startswith("ranker.auc has no figure (0 members)") for r in verdict.reasons)


def test_sides_of_different_windows_or_members_are_not_compared():
    other = dataclasses.replace(scored(), test_to=date(2022, 5, 9))
    with pytest.raises(ReleaseError, match="2022-04-29 to 2022-05-09: evaluate both sides on the same window"):
        decide(scored(), other, FLOOR, POLICY, seed=1)
    with pytest.raises(ReleaseError, match=r"members of page.ndcg@10 differ between the sides \(1 stand on one side"):
        decide(scored(), None, scored(members=MEMBERS - 1), POLICY, seed=1)
    with pytest.raises(ReleaseError, match=r"lacks ranker\.log_loss"):
        decide(scored(), dataclasses.replace(scored(), rows={}), FLOOR, POLICY, seed=1)


def test_the_order_of_members_and_rows_does_not_matter():
    champion, order = scored(), np.random.default_rng(1).permutation(MEMBERS)
    row_order = np.random.default_rng(2).permutation(MEMBERS * 5)
    held = champion.rows["ranker"]
    shuffled = dataclasses.replace(
        champion,
        members=champion.members[order],
        metrics={"page.ndcg@10": champion.metrics["page.ndcg@10"][order]},
        rows={
            "ranker": rows(
                held.ids[row_order],
                np.argsort(order)[held.member[row_order]],
                held.label[row_order],
                held.probability[row_order],
            )
        },
    )
    challenger = scored(lift=0.05, noise=0.1)
    assert decide(challenger, shuffled, FLOOR, POLICY, seed=1) == decide(challenger, champion, FLOOR, POLICY, seed=1)


def test_lower_log_loss_is_a_gain():
    found = compare("ranker.log_loss", "champion", scored(), scored(noise=1.0), 0.0, POLICY, seed=1)
    assert found.challenger < found.other
    assert found.gain.value == pytest.approx(found.other - found.challenger)
    assert found.finding == "shown"


def test_a_verdict_can_be_written_as_json():
    written = json.loads(json.dumps(decide(scored(lift=0.05), scored(), FLOOR, POLICY, seed=1).as_dict()))
    assert written["verdict"] == "promote"
    assert written["comparisons"][0]["gain"].keys() == {"value", "low", "high"}
    assert written["comparisons"][3]["metric"] == "ranker.auc"
