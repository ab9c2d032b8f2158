"""The ledger's arithmetic: what a line is, how it follows from the one before it, who must have signed it.

Each line carries the hash of the line before it and a signature over its own hash, so that a line that was changed,
lost, moved or forged shows in ``check``. Where lines are kept is pipelines.adapters.ledger_store's business.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import Field, JsonValue, TypeAdapter, field_validator

from pipelines.core.config import Config
from pipelines.core.errors import LedgerError, SettingsError
from pipelines.core.keys import Role, Signer, Trust, is_signed

Event = Literal["trained", "judged", "approved", "refused", "promoted", "rolled_back", "serving", "alias_moved"]
SIGNERS: Mapping[Event, Role] = {
    "trained": "trainer",
    "judged": "promoter",
    "approved": "promoter",
    "refused": "promoter",
    "promoted": "promoter",
    "rolled_back": "promoter",
    "serving": "server",
    "alias_moved": "server",
}
"""Who must sign an event. The promoter alone says what may be served."""
FIRST = "0" * 64
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DOMAIN = b"marquee ledger 1 "
"""Before what is signed, so that a signature of this ledger is one of nothing else."""
_FACTS: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])


class Draft(Config):
    """What somebody wants to write: an event, when, by whom, on which release; ``version`` is its number in MLflow."""

    event: Event
    at: datetime
    actor: str
    release_id: str
    version: int | None = None
    facts: dict[str, Any] = Field(default_factory=dict)

    @field_validator("at")
    @classmethod
    def _utc(cls, at: datetime) -> datetime:
        if at.tzinfo is None:
            raise SettingsError(f"the time {at} has no zone: give a time in UTC")
        return at.astimezone(UTC)

    @field_validator("facts")
    @classmethod
    def _as_json_has_them(cls, facts: dict[str, Any]) -> dict[str, Any]:
        """As they will be read back: a tuple is a list, a date a string, and what is no number null."""
        return dict(_FACTS.validate_json(TypeAdapter(dict[str, Any]).dump_json(facts)))


class Entry(Draft):
    """One line. ``hash`` covers everything before it, ``previous`` and ``key_id`` included; ``signature`` the hash."""

    sequence: int
    previous: str
    key_id: str
    hash: str = ""
    signature: str = ""

    def digest(self) -> str:
        """The sha256 over the line's content, in a form that no database changes."""
        told = self.model_dump(exclude={"hash", "signature", "at"}) | {
            "at": (self.at - EPOCH) // timedelta(microseconds=1)
        }
        return hashlib.sha256(canonical(told).encode()).hexdigest()


def canonical(value: Any) -> str:
    """JSON with one spelling: keys in order, no blanks, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def seal(draft: Draft, after: Entry | None, signer: Signer) -> Entry:
    """The draft as the line that follows ``after``, signed.

    Raises:
        LedgerError: the event is another role's to sign.
    """
    if SIGNERS[draft.event] != signer.role:
        raise LedgerError(f"{draft.event} is the {SIGNERS[draft.event]}'s to sign: the {signer.role} may not")
    place = {"sequence": after.sequence + 1, "previous": after.hash} if after else {"sequence": 0, "previous": FIRST}
    entry = Entry(**draft.model_dump(), **place, key_id=signer.key_id)
    hashed = entry.model_copy(update={"hash": entry.digest()})
    return hashed.model_copy(update={"signature": signer.sign(DOMAIN + hashed.hash.encode())})


def check(entries: Sequence[Entry], trust: Trust) -> None:
    """Every line follows from the one before it and is signed by whom its event asks for.

    A role of which ``trust`` holds no key is not asked for: the API need not know the trainer.

    Raises:
        LedgerError: naming the first line that is wrong, and how.
    """
    before: Entry | None = None
    for place, entry in enumerate(entries):
        wrong = _wrong(entry, before, trust)
        if wrong:
            raise LedgerError(
                f"ledger entry {place} ({entry.event} of {entry.release_id}) {wrong}: the ledger was changed; "
                "restore it from a backup before releasing anything"
            )
        before = entry


def _wrong(entry: Entry, before: Entry | None, trust: Trust) -> str | None:
    expected = (before.sequence + 1, before.hash) if before else (0, FIRST)
    if (entry.sequence, entry.previous) != expected:
        return "does not follow from the entry before it"
    if entry.hash != entry.digest():
        return "does not match its hash"
    role = SIGNERS[entry.event]
    if role not in trust:
        return None
    key = trust[role].get(entry.key_id)
    if key is None:
        return f"was signed with a key ({entry.key_id}) that is not the {role}'s"
    if not is_signed(key, DOMAIN + entry.hash.encode(), entry.signature):
        return f"has a signature that is not the {role}'s"
    return None
