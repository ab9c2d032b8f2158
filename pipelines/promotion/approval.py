"""Moving a release on somebody's word: what a person is shown, and each word written once however often it is said.

A task that runs again finds its own line in the ledger, by who wrote it and when or in which run, and only finishes it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pipelines.adapters.model_registry import CHALLENGER, ModelRegistry
from pipelines.core import standing
from pipelines.core.errors import MoveRefused
from pipelines.core.ledger import Entry, Event
from pipelines.core.settings import Settings
from pipelines.promotion import ledger, moves, shelf
from pipelines.promotion.difference import differences, figures
from pipelines.promotion.policy import Policy, read
from pipelines.promotion.shelf import Registered

MOST_ROWS = 40
"""Rows of a table that a person is shown before deciding; `marquee release diff` has them all."""


def awaited(result: Mapping[str, Any], policy: Policy | None = None) -> bool:
    """Whether a release that was just judged waits for a person. ``result``: of ``PromotionResult.as_dict``."""
    return not result["champion"] and (policy or read()).asks(result["verdict"])


def consider(settings: Settings, name: str | None, *, ask: bool, policy: Policy | None = None) -> dict[str, Any]:
    """The release that ``name`` names (None: the challenger), what to tell a person of it, and whether to ask one.

    Raises:
        RequestError: nothing is called so. MoveRefused: it lacks what promotes it, and nobody is asked.
    """
    registry = ModelRegistry(settings)
    held = shelf.opened(registry, shelf.find(registry, name or CHALLENGER))
    release_id, verdict = held.listed.release_id, held.listed.tags.get("verdict", "")
    now, entries = moves.champion(settings), ledger.read(settings)
    warrant = standing.warrant(entries, release_id)
    is_champion = now is not None and now.release_id == release_id
    approved = warrant is not None and warrant.event == "approved"
    asks = not is_champion and (ask or (not approved and (policy or read()).asks(verdict)))
    if not (asks or is_champion or warrant):
        raise MoveRefused(
            f"release {release_id} may not be served: {standing.word(entries, release_id)}; "
            "tick ask_a_person to have a person decide, or release another"
        )
    champion = shelf.opened(registry, shelf.find(registry, str(now.version))) if now and not is_champion else None
    return {"release_id": release_id, "verdict": verdict, "ask": asks, "told": told(held, champion)}


def promote(settings: Settings, release_id: str, *, at: datetime, actor: str, reason: str | None) -> dict[str, Any]:
    """Make it champion; ``actor`` names the run, which promotes once."""
    mine = _mine(ledger.read(settings), "promoted", release_id, actor)
    return _finished(settings, mine) if mine else _moved(settings, release_id, at, actor, reason)


def approve(settings: Settings, release_id: str, *, at: datetime, actor: str, reason: str) -> dict[str, Any]:
    """Write the approval that ``actor`` gave at ``at``, and make the release champion."""
    entries = ledger.read(settings)
    given = _mine(entries, "approved", release_id, actor, at)
    if given is None:
        moves.approve(settings, release_id, at=at, actor=actor, reason=reason)
        return _moved(settings, release_id, at, actor, reason)
    promoted = _mine(entries[given.sequence :], "promoted", release_id, actor)
    return _finished(settings, promoted) if promoted else _moved(settings, release_id, at, actor, reason)


def refuse(settings: Settings, release_id: str, *, at: datetime, actor: str, reason: str) -> dict[str, Any]:
    """Write the refusal that ``actor`` gave at ``at``; the champion stays."""
    given = _mine(ledger.read(settings), "refused", release_id, actor, at)
    line = given or moves.refuse(settings, release_id, at=at, actor=actor, reason=reason)
    return {
        "release_id": release_id,
        "refused_by": line.actor,
        "reason": line.facts["reason"],
        "sequence": line.sequence,
    }


def roll_back(settings: Settings, name: str | None, *, at: datetime, actor: str, reason: str) -> dict[str, Any]:
    """Go back to the release that ``name`` names, or the one before; ``actor`` names the run, which goes back once."""
    to = shelf.find(ModelRegistry(settings), name).release_id if name else None
    mine = _mine(ledger.read(settings), "rolled_back", to, actor)
    if mine:
        return _finished(settings, mine)
    return moves.roll_back(settings, to=to, at=at, actor=actor, reason=reason).as_dict()


def told(held: Registered, champion: Registered | None) -> str:
    """Markdown: the verdict and its reasons, figures beside the champion's, and what the two differ in."""
    reasons = "\n".join(f"- {reason}" for reason in held.verdict.get("reasons", [])) or "- it gave no reason"
    verdict = held.listed.tags.get("verdict", "nothing")
    parts = [
        f"Release **{held.listed.release_id}**, version {held.listed.version}. The gate said **{verdict}**:",
        reasons,
    ]
    ours, theirs = figures(held.manifest.metrics), figures(champion.manifest.metrics) if champion else {}
    rows = [(name, _figure(figure), _figure(theirs.get(name))) for name, figure in ours.items()]
    against = f"champion {champion.listed.release_id}" if champion else "no champion"
    parts.append(_table(("figure", "this release", against), rows))
    if champion:
        apart = [(f"{d.part}: {d.thing}", d.right, d.left) for d in differences(champion, held) if d.part != "content"]
        parts.append(_table(("differs in", "this release", against), apart))
    return "\n\n".join(parts)


def _moved(settings: Settings, release_id: str, at: datetime, actor: str, reason: str | None) -> dict[str, Any]:
    return moves.promote(settings, release_id, at=at, actor=actor, reason=reason).as_dict()


def _finished(settings: Settings, line: Entry) -> dict[str, Any]:
    """What a written line did. The alias is put right; where the champion moved on since, it is left alone."""
    now = standing.champion(ledger.read(settings))
    if now is None or now.release_id != line.release_id:
        became = now.release_id if now else "none"
        return {"release_id": line.release_id, "sequence": line.sequence, "champion": False, "champion_now": became}
    return moves.promote(settings, line.release_id, at=line.at, actor=line.actor).as_dict()


def _mine(
    entries: Sequence[Entry], event: Event, release_id: str | None, actor: str, at: datetime | None = None
) -> Entry | None:
    """The latest such line by ``actor``; of any release, or at any time, where that is None."""
    return next(
        (
            e
            for e in reversed(entries)
            if (e.event, e.actor) == (event, actor) and release_id in (None, e.release_id) and at in (None, e.at)
        ),
        None,
    )


def _figure(figure: Mapping[str, float] | None) -> str:
    return "{value:.4f} ({low:.4f} to {high:.4f})".format(**figure) if figure else "-"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows[:MOST_ROWS]]
    more = [f"\n{len(rows) - MOST_ROWS} more: `marquee release diff`"] if len(rows) > MOST_ROWS else []
    return "\n".join([*("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines), *more])
