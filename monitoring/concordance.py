"""Does a champion keep its promise? Each offline metric beside the same metric on the days that followed."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import hypot, isfinite
from typing import Any, Literal

from pipelines.metrics.intervals import Interval

Outcome = Literal["kept", "worse", "better", "unknown"]

METRICS = {
    "ranker.auc": "higher",
    "ranker.gauc": "higher",
    "ranker_all_impressions.log_loss": "lower",
    "ranker_all_impressions.ece": "lower",
    "candidates.recall@100": "higher",
    "page.ndcg@10": "higher",
    "page.map@10": "higher",
    "page.mar@10": "higher",
    "page.f1@10": "higher",
}
"""What is compared, and which way is better."""


@dataclass(frozen=True)
class Promise:
    """A metric as promised offline and as found on the following days; None where it could not be measured."""

    metric: str
    offline: Interval | None
    following: Interval | None
    outcome: Outcome


def compare(offline: Mapping[str, Any], following: Mapping[str, Mapping[str, Interval]]) -> list[Promise]:
    """Every metric of METRICS. offline: a manifest's metrics, part -> name -> {"value", "low", "high"}."""
    promises = []
    for metric, better in METRICS.items():
        part, name = metric.split(".", 1)
        before, after = _stored(offline.get(part, {}).get(name)), following.get(part, {}).get(name)
        promises.append(Promise(metric, before, after, _outcome(before, after, better)))
    return promises


def _stored(figure: Mapping[str, float] | None) -> Interval | None:
    return Interval(figure["value"], figure["low"], figure["high"]) if figure else None


def _outcome(before: Interval | None, after: Interval | None, better: str) -> Outcome:
    """``worse`` or ``better`` only where the difference lies outside the joint interval of two independent figures."""
    if before is None or after is None:
        return "unknown"
    difference = after.value - before.value
    up = hypot(after.value - after.low, before.high - before.value)
    down = hypot(after.high - after.value, before.value - before.low)
    if not all(isfinite(x) for x in (difference, up, down)):
        return "unknown"
    if -down <= difference <= up:
        return "kept"
    return "better" if (difference > 0) == (better == "higher") else "worse"
