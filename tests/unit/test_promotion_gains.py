"""What a verdict promised, read of the ledger's lines, and what a gate gain was worth."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import inf, isnan
from typing import Any

import pytest

from pipelines.core.errors import DataError
from pipelines.metrics.intervals import Interval
from pipelines.promotion.gains import EXPERIMENT, LEAST, PAGE, Gain, of_verdict, promotions, read, worth

NDCG = "page.ndcg@10"
AT = datetime(2026, 3, 2, 6, tzinfo=UTC)


@dataclass(frozen=True)
class Entry:
    event: str
    release_id: str
    facts: dict[str, Any] = field(default_factory=dict)
    at: datetime = AT


def comparison(metric: str, against: str, value: float) -> dict[str, Any]:
    gain = {"value": value, "low": value - 0.01, "high": value + 0.01}
    return {"metric": metric, "against": against, "gain": gain}


def facts(*comparisons: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"verdict": "promote", "comparisons": list(comparisons), **more}


def gain(predicted: float, realised: float | None, *, verdict: str = "promote", against: Any = "champion") -> Gain:
    found = {} if realised is None else {PAGE: Interval(realised, realised - 0.02, realised + 0.02)}
    return Gain("new", "old", "2026-03-02", verdict, NDCG, against, Interval(predicted, 0.0, 1.0), None, found)


def test_a_promotion_promised_its_gain_over_the_champion_on_the_primary_metric():
    judged = facts(
        comparison(NDCG, "floor", 0.5),
        comparison("ranker.auc", "champion", 0.3),
        comparison(NDCG, "champion", 0.02),
        before="old",
    )
    (found,) = promotions([Entry("judged", "new", judged), Entry("promoted", "new")], [NDCG])
    assert (found.release_id, found.before, found.against, found.promoted) == ("new", "old", "champion", True)
    assert found.predicted == Interval(0.02, 0.01, 0.03)
    assert found.decided == AT.isoformat()
    assert found.off_policy is None


def test_the_first_release_promised_its_gain_over_popularity():
    judged = facts(comparison("ranker.gauc", "floor", 0.2), comparison(NDCG, "floor", 0.5), before=None)
    (found,) = promotions([Entry("judged", "new", judged), Entry("promoted", "new")], [NDCG])
    assert (found.before, found.against, found.predicted.value) == (None, "floor", 0.5)


def test_only_what_was_promoted_counts_and_only_once():
    judged = facts(comparison(NDCG, "champion", 0.02), before="old")
    lines = [
        Entry("trained", "new"),
        Entry("judged", "new", judged),
        Entry("judged", "worse", judged | {"verdict": "reject"}),
        Entry("promoted", "new"),
        Entry("promoted", "other"),
        Entry("rolled_back", "old"),
        Entry("promoted", "new"),
        Entry("promoted", "unjudged"),
    ]
    assert [found.release_id for found in promotions(lines, [NDCG])] == ["new"]


def test_a_release_that_a_person_promoted_in_spite_of_the_gate_counts_as_promoted():
    judged = facts(comparison(NDCG, "champion", -0.01), before="old") | {"verdict": "inconclusive"}
    (found,) = promotions([Entry("judged", "new", judged), Entry("promoted", "new")], [NDCG])
    assert found.promoted


def test_a_verdict_that_compared_nothing_promised_nothing():
    assert promotions([Entry("judged", "new", facts()), Entry("promoted", "new")], [NDCG]) == []


def test_the_gain_is_in_the_metric_that_was_compared():
    primaries = ("page.ips_dcg@10", NDCG)
    both = facts(comparison(NDCG, "floor", 0.5), comparison(primaries[0], "champion", 0.02), before="old")
    alone = facts(comparison(NDCG, "champion", 0.03), before="old")
    about = {"release_id": "new", "before": "old", "decided": "2026-03-02", "promoted": True}
    found = [of_verdict(told, primaries, **about) for told in (both, alone)]
    assert [(g.metric, g.predicted.value) for g in found if g] == [(primaries[0], 0.02), (NDCG, 0.03)]


def test_what_a_gain_was_worth_is_told_of_gains_in_one_unit():
    old = [replace(gain(1.0 + n, 50.0), metric="page.map@10") for n in range(5)]
    found = worth([*old, *(gain(0.02 + n / 1000, 0.01) for n in range(5))], PAGE)
    assert found.count == 5
    assert found.ratio.value < 1


def test_an_off_policy_estimate_is_kept_where_there_is_one():
    told = facts(comparison(NDCG, "champion", 0.02), off_policy={"value": 0.1, "low": None, "high": 0.2})
    found = of_verdict(told, [NDCG], release_id="new", before="old", decided="2026-03-02", promoted=True)
    assert found is not None
    assert found.off_policy is not None
    assert (found.off_policy.value, isnan(found.off_policy.low)) == (0.1, True)


def test_a_gain_is_read_back_as_it_was_written():
    written = gain(0.02, 0.01)
    assert read(written.as_dict()) == written


def test_a_record_that_lacks_a_part_is_refused():
    with pytest.raises(DataError, match="predicted"):
        read({k: v for k, v in gain(0.02, 0.01).as_dict().items() if k != "predicted"})


def test_fewer_promotions_than_needed_say_how_many_are_missing():
    found = worth([gain(0.02, 0.01), gain(0.03, None), gain(0.4, 0.4, against="floor")], PAGE)
    assert (found.count, found.missing) == (1, LEAST - 1)
    assert isnan(found.ratio.value)
    assert f"{LEAST - 1} more are needed" in found.describe()
    assert found.as_dict()["ratio"] == {"value": None, "low": None, "high": None}


def test_what_a_gain_was_worth_is_the_mean_realised_of_the_mean_predicted():
    found = worth([gain(0.01 * n, 0.005 * n) for n in range(2, 8)], PAGE)
    assert (found.count, found.missing) == (6, 0)
    assert found.ratio.as_dict() == pytest.approx({"value": 0.5, "low": 0.5, "high": 0.5})
    assert (
        "became 0.50 [0.50, 0.50] of page, over 6 decisions (6 of 6 were better or worse as predicted)"
        in found.describe()
    )
    assert worth([gain(0.01, 0.01)] * 6, EXPERIMENT).count == 0


def test_predicted_gains_around_nothing_cannot_be_worth_anything_sure():
    found = worth([gain(value, 0.01) for value in (-0.02, 0.02, -0.01, 0.01, 0.0)], PAGE)
    assert (found.ratio.low, found.ratio.high) == (-inf, inf)
    assert "too near 0" in found.describe()
    assert (found.count, found.agreed) == (5, 2)
