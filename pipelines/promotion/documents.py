"""What MLflow is told of a verdict: figures, tags, and the files beside the release."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from pipelines.adapters.model_registry import ModelRegistry
from pipelines.core.errors import MarqueeError
from pipelines.core.evidence import Evidence
from pipelines.core.release import Manifest
from pipelines.metrics.classification import STATISTICS
from pipelines.promotion import card
from pipelines.promotion.comparison import figure
from pipelines.promotion.gate import Verdict
from pipelines.promotion.policy import Policy

FOLDER, CARD = "evidence", "model_card.html"
LONGEST = 4800
"""MLflow's columns for tags and descriptions end near 5,000 characters."""


class Case(NamedTuple):
    """A verdict with everything it was reached from."""

    manifest: Manifest
    verdict: Verdict
    policy: Policy
    challenger: Evidence
    champion: Evidence | None
    floor: Evidence


def figures(case: Case) -> dict[str, float]:
    """Every metric of the challenger and each gain with its interval, for MLflow's tables; what cannot be measured,
    for which the gate has refused the challenger, is left out."""
    evidence = case.challenger
    found = dict(evidence.figures)
    for name in (*evidence.metrics, *(f"{part}.{metric}" for part in evidence.rows for metric in STATISTICS)):
        with suppress(MarqueeError):
            found[name] = figure(name, evidence)[0]
    for c in case.verdict.comparisons:
        found |= {f"gain.{c.against}.{c.metric}.{end}": value for end, value in c.gain.as_dict().items()}
    return found


def tags(case: Case) -> dict[str, str]:
    """The verdict, why, by which policy and on which days."""
    policy = hashlib.sha256(case.policy.model_dump_json().encode()).hexdigest()[:12]
    window = f"{case.challenger.test_from} to {case.challenger.test_to}"
    reasons = _cut("\n".join(case.verdict.reasons), "...")
    return {"verdict": case.verdict.verdict, "reasons": reasons, "policy": policy, "window": window}


def document(registry: ModelRegistry, version: int, case: Case) -> None:
    """Model card, verdict and evidence beside the release, where a person and the next comparison find them."""
    written = card.markdown(case.manifest, case.verdict)
    with TemporaryDirectory() as folder:
        beside = Path(folder)
        page = card.html(case.manifest, case.verdict, case.policy, case.challenger, case.champion)
        (beside / "model_card.md").write_text(written, encoding="utf-8")
        (beside / CARD).write_text(page, encoding="utf-8")
        (beside / "verdict.json").write_text(json.dumps(case.verdict.as_dict(), indent=2), encoding="utf-8")
        case.challenger.save(beside / "evidence.npz")
        case.floor.save(beside / "floor.npz")
        if case.champion is not None:
            case.champion.save(beside / "champion.npz")
        registry.attach(version, beside, FOLDER)
    registry.describe(version, _cut(written, f"\nThe rest stands in {FOLDER}/{CARD} of the run.\n"))
    registry.tag(version, tags(case))


def _cut(text: str, ending: str) -> str:
    """The text, or as many whole lines of it as MLflow keeps, and then the ending."""
    if len(text) <= LONGEST:
        return text
    return text[: text.rfind("\n", 0, LONGEST) + 1 or LONGEST] + ending
