"""The release step: judge what was staged, register it, and move the aliases that the verdict allows.

The ledger's lines are written before an alias moves, and everything can be run again: a step that was killed leaves
either nothing new or a release that the next run finds registered and finishes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pipelines.adapters.model_registry import CHALLENGER, CHAMPION, ModelRegistry, RegisteredRelease
from pipelines.core import release as releases
from pipelines.core import standing as standings
from pipelines.core.errors import ReleaseError
from pipelines.core.evidence import Evidence
from pipelines.core.ledger import Draft, Entry
from pipelines.core.release import Manifest
from pipelines.core.settings import Settings
from pipelines.promotion import ledger, moves
from pipelines.promotion.documents import LONGEST, Case, document, figures, tags
from pipelines.promotion.gate import Verdict, decide
from pipelines.promotion.policy import Policy, read

OFF_POLICY = "off_policy"
"""Where the facts of a verdict, and the tags of a version, say what exploration slots told of the gain."""


@dataclass(frozen=True)
class PromotionResult:
    """The registered version, the release it is, what the gate said, and whether it is the champion now."""

    version: int
    release_id: str
    verdict: Verdict
    champion: bool

    def as_dict(self) -> dict[str, Any]:
        """For JSON: what a run of the DAG shows of it."""
        about = {"version": self.version, "release_id": self.release_id, "champion": self.champion}
        return about | self.verdict.as_dict()


def release(
    settings: Settings,
    staged: Path,
    evidence: Evidence,
    floor: Evidence,
    champion_evidence: Evidence | None,
    *,
    at: datetime,
    actor: str,
    policy: Policy | None = None,
    force_alias: Literal["champion"] | None = None,
    hold: bool = False,
    off_policy: Mapping[str, Any] | None = None,
) -> PromotionResult:
    """Judge and register the sealed folder ``staged``: alias challenger always, champion on promote or when forced.

    With ``hold`` the champion stays until a person approved and ``moves.promote`` is called. ``off_policy``: what
    exploration slots say of the gain, for the record; it decides nothing.

    ``champion_evidence`` is the present champion's on the same window; it may be None only where there is none, or
    where a person forces the alias. The release that already is champion is left as it is.

    Raises:
        ReleaseError: where the folder is not whole, the evidence is another release's, or a champion stands unscored.
    """
    manifest, registry = releases.verify(staged), ModelRegistry(settings)
    standing = moves.champion(settings)
    if standing is not None and standing.release_id == manifest.release_id:
        moves.promote(settings, manifest.release_id, at=at, actor=actor)  # Its alias may not have followed yet.
        return PromotionResult(*standing, Verdict("promote", ("it is the champion already",)), champion=True)
    _check_sides(manifest, evidence, champion_evidence, standing, force_alias)
    policy = policy or read()
    verdict = decide(evidence, champion_evidence, floor, policy, manifest.seed)
    case = Case(manifest, verdict, policy, evidence, champion_evidence, floor)
    version = registry.register(staged, manifest, figures(case), tags(case))
    document(registry, version, case)
    facts = _facts(manifest, verdict, standing, force_alias, hold)
    if off_policy:
        facts[OFF_POLICY] = dict(off_policy)
        registry.tag(version, {OFF_POLICY: str(off_policy.get("told") or "; ".join(off_policy["reasons"]))[:LONGEST]})
    noted = _note(
        settings,
        Draft(event="judged", at=at, actor=actor, release_id=manifest.release_id, version=version, facts=facts),
    )
    if noted is not None:
        registry.tag(version, {ledger.ANCHOR: ledger.anchor(noted)})
    registry.set_alias(CHALLENGER, version)
    champion = (verdict.verdict == "promote" and not hold) or force_alias == CHAMPION
    if force_alias == CHAMPION:
        moves.approve(settings, manifest.release_id, at=at, actor=actor, reason="the alias was forced")
    if champion:
        moves.promote(settings, manifest.release_id, at=at, actor=actor)
    return PromotionResult(version, manifest.release_id, verdict, champion)


def _check_sides(
    manifest: Manifest,
    evidence: Evidence,
    champion_evidence: Evidence | None,
    standing: RegisteredRelease | None,
    force_alias: str | None,
) -> None:
    """The evidence must be of this release, and of the champion that stands now."""
    if evidence.release_id not in (None, manifest.release_id):
        raise ReleaseError(f"the evidence is of {evidence.release_id}, not of {manifest.release_id}: evaluate it again")
    if standing is None or force_alias:
        return
    if champion_evidence is None:
        raise ReleaseError(
            f"champion {standing.release_id} stands and was not scored: evaluate it on this window, or force it"
        )
    if champion_evidence.release_id not in (None, standing.release_id):
        raise ReleaseError(
            f"the champion's evidence is of {champion_evidence.release_id} and {standing.release_id} is champion now: "
            "evaluate that one on the same window"
        )


def _facts(
    manifest: Manifest, verdict: Verdict, standing: RegisteredRelease | None, force_alias: str | None, hold: bool
) -> dict[str, Any]:
    """What the ledger keeps of a verdict: the whole of it, and what it was compared with."""
    compared = {
        standings.BEFORE: standing.release_id if standing else None,
        "watermark": manifest.watermark.isoformat(),
    }
    return {**verdict.as_dict(), "forced": force_alias, standings.APPROVAL_NEEDED: hold, **compared}


def _note(settings: Settings, draft: Draft) -> Entry | None:
    """Add the verdict to the ledger, unless its last verdict on this release says the same."""

    def wanted(entries: list[Entry]) -> Draft | None:
        last = next((e for e in reversed(entries) if (e.event, e.release_id) == ("judged", draft.release_id)), None)
        return None if last is not None and last.facts == draft.facts else draft

    return ledger.append(settings, "promoter", wanted)
