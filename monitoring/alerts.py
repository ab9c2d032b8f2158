"""What on-call should know, in order: the thing, its value and the remedy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from monitoring.concordance import Promise
from monitoring.drift import Drift

Severity = Literal["act", "look"]
FEW_ROWS = 500
MOST_NAMED = 5
DECISIVE = ("ranker.auc", "ranker.gauc", "page.ndcg@10")
"""Losing one of these is a reason to act: the order of the page itself got worse."""


@dataclass(frozen=True)
class Alert:
    """``act`` = the champion needs something now; ``look`` = read the report before the next promotion."""

    severity: Severity
    thing: str
    value: str
    remedy: str


def raise_alerts(drifts: Sequence[Drift], promises: Sequence[Promise], rows: int) -> list[Alert]:
    """The alerts of one comparison, those to act on first; [] when everything is as it was."""
    found = [*_broken(drifts), *_lost(promises), *_moved(drifts), *_thin(rows)]
    return sorted(found, key=lambda alert: alert.severity != "act")


def _broken(drifts: Sequence[Drift]) -> list[Alert]:
    remedy = "find its source column in docs or feature_repo, mend the import, and run refresh_features for these days"
    return [
        Alert("act", d.feature, f"absent in {d.absent:.0%} of rows, {d.absent_before:.0%} in training", remedy)
        for d in drifts
        if d.state == "broken"
    ]


def _lost(promises: Sequence[Promise]) -> list[Alert]:
    found = []
    for p in promises:
        if p.outcome != "worse" or p.offline is None or p.following is None:
            continue
        decisive = p.metric in DECISIVE
        remedy = (
            "run retrain on the latest days; if the new release is not promoted, roll back to the last champion"
            if decisive
            else "run retrain, which calibrates and indexes anew, if it stays so for two reports"
        )
        value = f"{p.offline.value:.4f} offline, {p.following.value:.4f} on the following days"
        found.append(Alert("act" if decisive else "look", p.metric, value, remedy))
    return found


def _moved(drifts: Sequence[Drift]) -> list[Alert]:
    moved = [d for d in drifts if d.state == "moved"]
    if not moved:
        return []
    named = ", ".join(f"{d.feature} {d.psi:.2f}" for d in moved[:MOST_NAMED])
    more = f" and {len(moved) - MOST_NAMED} more" if len(moved) > MOST_NAMED else ""
    remedy = "see in the Evidently report whether members or a source changed; retrain if a metric falls as well"
    return [Alert("look", f"{len(moved)} features moved", f"PSI {named}{more}", remedy)]


def _thin(rows: int) -> list[Alert]:
    if rows >= FEW_ROWS:
        return []
    return [Alert("look", "few rows", f"{rows} rows, fewer than {FEW_ROWS}", "ask for a longer span of days")]
