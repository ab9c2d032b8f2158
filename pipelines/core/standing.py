"""What the ledger says: which release may be served, which is champion, which one served when.

Pure questions to lines that were checked already.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from pipelines.core.ledger import Entry

APPROVAL_NEEDED = "approval_required"
"""The fact of a verdict that counts only once a person approved."""
ACCEPTED = "accepted"
"""The fact of an ``alias_moved``: whether what the alias names may be served."""
BEFORE = "before"
"""The fact of a verdict or a move: the release that was champion then."""

WORDS = ("judged", "approved", "refused")


def warrant(entries: Sequence[Entry], release_id: str) -> Entry | None:
    """The line by which a release may be served: its approval, or its promote verdict; None where there is none.

    The last word counts: a refusal takes an approval and a verdict back, a later approval gives them again.
    """
    words = [e for e in entries if e.release_id == release_id and e.event in WORDS]
    last = words[-1] if words else None
    if last is None or last.event == "refused":
        return None
    if last.event == "approved":
        return last
    promoted = last.facts.get("verdict") == "promote" and not last.facts.get(APPROVAL_NEEDED)
    return last if promoted else None


def word(entries: Sequence[Entry], release_id: str) -> str:
    """The last word on a release, for a message."""
    words = [e for e in entries if e.release_id == release_id and e.event in WORDS]
    if not words:
        return "the ledger holds no verdict on it"
    last = words[-1]
    if last.event == "judged":
        needs = ", and a person's approval is asked for" if last.facts.get(APPROVAL_NEEDED) else ""
        return f"the gate said {last.facts.get('verdict')}{needs}"
    return f"{last.actor} {last.event} it ({last.facts.get('reason')})"


def champion(entries: Sequence[Entry]) -> Entry | None:
    """The last move onto a release that may be served: promoted, rolled back to, or an alias move that was accepted."""
    moves = (e for e in reversed(entries) if e.event in ("promoted", "rolled_back") or _is_accepted(e))
    return next((e for e in moves if warrant(entries, e.release_id)), None)


def known_alias(entries: Sequence[Entry]) -> Entry | None:
    """The last line that says what the alias names: a move, or one that was made in MLflow, accepted or not."""
    return next((e for e in reversed(entries) if e.event in ("promoted", "rolled_back", "alias_moved")), None)


def has_served(entries: Sequence[Entry], release_id: str) -> bool:
    """Whether a release was ever served."""
    return any(e.event == "serving" and e.release_id == release_id for e in entries)


def served_at(entries: Sequence[Entry], at: datetime) -> Entry | None:
    """The line of the release that served at a moment; None before the first."""
    served = [e for e in entries if e.event == "serving" and e.at <= at]
    return max(served, key=lambda e: (e.at, e.sequence), default=None)


def served_before(entries: Sequence[Entry]) -> str | None:
    """The release to go back to from the champion: the one that served before it. None where there is none.

    Going back takes what came after off the list, so that a second rollback goes further back and not forth again.
    """
    now = champion(entries)
    served: list[str] = []
    for release_id, is_new in _turns(entries):
        if release_id in served:
            del served[served.index(release_id) + 1 :]
        elif is_new:
            served.append(release_id)
    if now and now.release_id in served:
        del served[served.index(now.release_id) :]
    return next((r for r in reversed(served) if warrant(entries, r)), None)


def _turns(entries: Sequence[Entry]) -> Iterator[tuple[str, bool]]:
    """Each release that was served, or gone back to, in turn; whether that made it one that served."""
    for e in entries:
        if e.event in ("serving", "rolled_back"):
            yield e.release_id, e.event == "serving"


def _is_accepted(entry: Entry) -> bool:
    return entry.event == "alias_moved" and bool(entry.facts.get(ACCEPTED))
