"""What on-call should know, in order: the thing, its value and the remedy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from monitoring.concordance import Promise
from monitoring.drift import Drift
from pipelines.core import standing
from pipelines.core.ledger import Entry

Severity = Literal["act", "look"]
Origin = Literal["served", "logged"]
FEW_ROWS = 500
MOST_NAMED = 5
DECISIVE = {"logged": ("ranker.auc", "ranker.gauc", "page.ndcg@10"), "served": ("page.ndcg@10",)}
"""Losing one of these is a reason to act. On served rows AUC falls by itself: a page holds only what the champion
already ranks high, among which it can separate less. There the page's own figures decide, which lean its way."""
CALIBRATION, FOLLOWS_BASE_RATE = "ranker_all_impressions.ece", {"ranker_all_impressions.log_loss"}
"""Log loss rises with the share watched; only where calibration is lost as well are the probabilities to blame."""

_ACT = "run retrain on the latest days; if the new release is not promoted, roll back to the last champion"
_NARROWED = "expected in part, since a page holds only what the champion ranks high; see page.ndcg@10, and logged days"
_MOVED_BY_HAND = "ask who did it and why; promote or roll back by `marquee release`, which asks for a reason"
_UNBACKED = "set the alias back, or have the release approved and promote it; docs/ledger.md says how"
_WAIT = "run retrain, which fits and calibrates anew, if it stays so for two reports"


@dataclass(frozen=True)
class Alert:
    """``act`` = the champion needs something now; ``look`` = read the report before the next promotion."""

    severity: Severity
    thing: str
    value: str
    remedy: str


def raise_alerts(drifts: Sequence[Drift], promises: Sequence[Promise], rows: int, origin: Origin) -> list[Alert]:
    """The alerts of one comparison, those to act on first; [] when everything is as it was."""
    found = [*_broken(drifts), *_lost(promises, origin), *_moved(drifts), *_thin(rows)]
    return sorted(found, key=lambda alert: alert.severity != "act")


def of_alias(entries: Sequence[Entry]) -> list[Alert]:
    """What the ledger's lines say of an alias that was moved in MLflow itself; [] where a promotion moved it last."""
    last = standing.known_alias(entries)
    if last is None or last.event != "alias_moved":
        return []
    named = "nothing" if last.version is None else f"version {last.version} ({last.release_id})"
    value = f"moved in MLflow to {named} at {last.at.isoformat(timespec='seconds')}"
    if last.facts.get(standing.ACCEPTED):
        return [Alert("look", "alias champion", f"{value}: it may serve, and does", _MOVED_BY_HAND)]
    champion = standing.champion(entries)
    stays = f"{champion.release_id} stays" if champion else "nothing serves"
    return [
        Alert("act", "alias champion", f"{value}: {standing.word(entries, last.release_id)}, so {stays}", _UNBACKED)
    ]


def _broken(drifts: Sequence[Drift]) -> list[Alert]:
    remedy = "find its source column in docs or feature_repo, mend the import, and run refresh_features for these days"
    return [
        Alert("act", d.feature, f"absent in {d.absent:.0%} of rows, {d.absent_before:.0%} in training", remedy)
        for d in drifts
        if d.state == "broken"
    ]


def _lost(promises: Sequence[Promise], origin: Origin) -> list[Alert]:
    found = []
    worse = {p.metric for p in promises if p.outcome == "worse"}
    if CALIBRATION not in worse:
        worse -= FOLLOWS_BASE_RATE
    for p in promises:
        if p.metric not in worse or p.offline is None or p.following is None:
            continue
        value = f"{p.offline.value:.4f} offline, {p.following.value:.4f} on the following days"
        if p.metric in DECISIVE[origin]:
            found.append(Alert("act", p.metric, value, _ACT))
        else:
            found.append(Alert("look", p.metric, value, _NARROWED if p.metric in DECISIVE["logged"] else _WAIT))
    return found


def _moved(drifts: Sequence[Drift]) -> list[Alert]:
    moved = [d for d in drifts if d.state == "moved"]
    if not moved:
        return []
    named = ", ".join(f"{d.feature} {d.psi:.2f}" for d in moved[:MOST_NAMED])
    more = f" and {len(moved) - MOST_NAMED} more" if len(moved) > MOST_NAMED else ""
    remedy = "see in the Evidently report whether members or a source changed; retrain if a metric falls as well"
    return [Alert("look", f"{len(moved)} feature{'s' * (len(moved) > 1)} moved", f"PSI {named}{more}", remedy)]


def _thin(rows: int) -> list[Alert]:
    if rows >= FEW_ROWS:
        return []
    return [Alert("look", "few rows", f"{rows} rows, fewer than {FEW_ROWS}", "ask for a longer span of days")]
