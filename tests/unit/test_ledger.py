"""The ledger's arithmetic on lines in memory: what follows, who may sign, and what the lines say."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pipelines.core import standing
from pipelines.core.errors import LedgerError, SettingsError
from pipelines.core.keys import ROLES, Role, Signer, Trust
from pipelines.core.ledger import DOMAIN, FIRST, SIGNERS, Draft, Entry, check, seal

AT = datetime(2026, 3, 1, 12, 0, 0, 123_457, tzinfo=UTC)
SIGNER: dict[Role, Signer] = {role: Signer(role, Ed25519PrivateKey.generate()) for role in ROLES}
TRUST: Trust = {role: {s.key_id: s.private.public_key()} for role, s in SIGNER.items()}
PROMOTE, REJECT = {"verdict": "promote", "before": None}, {"verdict": "reject", "before": None}


def draft(event: str, release_id: str = "r1", **facts: Any) -> Draft:
    about = {"event": event, "at": AT, "actor": "ada", "release_id": release_id, "version": 1}
    return Draft.model_validate(about | {"facts": facts})


def lines(*told: tuple[Any, ...]) -> list[Entry]:
    """A chain of (event, release, facts); its n-th line is of the n-th minute."""
    entries: list[Entry] = []
    for minute, (event, release_id, *facts) in enumerate(told):
        wanted = draft(event, release_id, **(facts[0] if facts else {}))
        wanted = wanted.model_copy(update={"at": AT + timedelta(minutes=minute)})
        entries.append(seal(wanted, entries[-1] if entries else None, SIGNER[SIGNERS[wanted.event]]))
    return entries


CHAIN = lines(("trained", "r1"), ("judged", "r1", PROMOTE), ("promoted", "r1"), ("serving", "r1"))


def sealed(entry: Entry, signer: Signer | None = None, **changes: Any) -> Entry:
    """The entry changed, its hash computed anew, and signed anew where somebody signs."""
    changed = entry.model_copy(update=changes)
    changed = changed.model_copy(update={"hash": changed.digest()})
    if signer is None:
        return changed
    return changed.model_copy(update={"signature": signer.sign(DOMAIN + changed.hash.encode())})


def test_a_line_names_the_one_before_and_the_key_that_signed_it() -> None:
    first, second, *_ = CHAIN
    assert (first.sequence, first.previous) == (0, FIRST)
    assert (second.sequence, second.previous, second.key_id) == (1, first.hash, SIGNER["promoter"].key_id)
    check(CHAIN, TRUST)
    check([], TRUST)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda e: [e[0], e[1].model_copy(update={"facts": REJECT}), *e[2:]], "entry 1 .* does not match its hash"),
        (lambda e: [e[0], e[1].model_copy(update={"actor": "eve"}), *e[2:]], "entry 1 .* does not match its hash"),
        (lambda e: [e[0], e[1].model_copy(update={"at": AT}), *e[2:]], "entry 1 .* does not match its hash"),
        (lambda e: [e[0], sealed(e[1], facts=REJECT), *e[2:]], "entry 1 .* a signature that is not the promoter's"),
        (lambda e: [e[0], e[1], sealed(e[2], SIGNER["trainer"])], "entry 2 .* a signature that is not the promoter's"),
        (lambda e: [e[0], e[2], e[3]], "entry 1 .* does not follow from the entry before it"),
        (lambda e: [e[1], e[0], *e[2:]], "entry 0 .* does not follow"),
        (lambda e: [e[0], e[2], e[1], e[3]], "entry 1 .* does not follow"),
        (lambda e: e[1:], "entry 0 .* does not follow"),
        (lambda e: [*e[:3], e[3].model_copy(update={"signature": ""})], "entry 3 .* not the server's"),
        (lambda e: [*e[:3], e[3].model_copy(update={"signature": "no hex"})], "entry 3 .* not the server's"),
    ],
)
def test_a_line_that_was_edited_removed_moved_or_forged_is_named(change: Any, said: str) -> None:
    with pytest.raises(LedgerError, match=said):
        check(change(CHAIN), TRUST)


def test_the_trainer_cannot_sign_a_promotion() -> None:
    with pytest.raises(LedgerError, match="promoted is the promoter's to sign: the trainer may not"):
        seal(draft("promoted"), None, SIGNER["trainer"])
    trainer = SIGNER["trainer"]
    forged = sealed(lines(("promoted", "r1"))[0], trainer, key_id=trainer.key_id)
    with pytest.raises(LedgerError, match=rf"signed with a key \({trainer.key_id}\) that is not the promoter's"):
        check([forged], TRUST)


def test_a_role_whose_key_is_not_known_is_not_asked_for() -> None:
    forged = sealed(CHAIN[0], actor="eve")
    rest = lines(("trained", "r1"))
    check(rest, {"promoter": TRUST["promoter"]})
    with pytest.raises(LedgerError, match="the trainer's"):
        check([forged], TRUST)


def test_facts_are_kept_as_they_will_be_read_back_and_moments_in_utc() -> None:
    kept = draft("judged", gain=0.1, low=float("nan"), days=(AT.date(), 1), of={"b": None, "a": "ö"})
    assert kept.facts == {"gain": 0.1, "low": None, "days": ["2026-03-01", 1], "of": {"b": None, "a": "ö"}}
    east = AT.astimezone(timezone(timedelta(hours=8)))
    assert Draft.model_validate(draft("judged").model_dump() | {"at": east}).at.utcoffset() == timedelta(0)
    with pytest.raises(SettingsError, match="has no zone"):
        Draft.model_validate(draft("judged").model_dump() | {"at": AT.replace(tzinfo=None)})


@pytest.mark.parametrize(
    ("told", "may"),
    [
        ([("trained", "r1")], False),
        ([("judged", "r1", PROMOTE)], True),
        ([("judged", "r2", PROMOTE)], False),
        ([("judged", "r1", REJECT)], False),
        ([("judged", "r1", REJECT), ("approved", "r1")], True),
        ([("judged", "r1", PROMOTE), ("refused", "r1")], False),
        ([("judged", "r1", PROMOTE), ("refused", "r1"), ("approved", "r1")], True),
        ([("judged", "r1", PROMOTE | {"approval_required": True})], False),
        ([("judged", "r1", PROMOTE | {"approval_required": True}), ("approved", "r1")], True),
        ([("promoted", "r1"), ("serving", "r1")], False),
    ],
)
def test_a_release_may_serve_by_its_verdict_or_an_approval_and_the_last_word_counts(told: Any, may: bool) -> None:
    assert (standing.warrant(lines(*told), "r1") is not None) is may


JUDGED = [("judged", r, PROMOTE) for r in ("r1", "r2", "r3")]


def served(*told: tuple[str, str]) -> str | None:
    return standing.served_before(lines(*JUDGED, *told))


def test_the_champion_is_the_last_move_onto_a_release_that_may_serve() -> None:
    def of(*told: Any) -> str | None:
        found = standing.champion(lines(*JUDGED, *told))
        return found.release_id if found else None

    assert of() is None
    assert of(("promoted", "r1"), ("promoted", "r2"), ("serving", "r1")) == "r2"
    assert of(("promoted", "r1"), ("promoted", "r2"), ("rolled_back", "r1")) == "r1"
    assert of(("promoted", "r1"), ("alias_moved", "r2", {"accepted": True})) == "r2"
    assert of(("promoted", "r1"), ("alias_moved", "r2", {"accepted": False})) == "r1"
    assert of(("promoted", "r1"), ("alias_moved", "r9", {"accepted": True})) == "r1"


def test_a_rollback_goes_to_what_served_before_and_a_second_one_further_back() -> None:
    three = [(event, r) for r in ("r1", "r2", "r3") for event in ("promoted", "serving")]
    assert served() is None
    assert served(*three[:2]) is None
    assert served(*three) == "r2"
    assert served(*three, ("rolled_back", "r2")) == "r1"
    assert served(*three, ("rolled_back", "r2"), ("serving", "r2")) == "r1"
    assert served(*three, ("rolled_back", "r2"), ("serving", "r2"), ("promoted", "r3"), ("serving", "r3")) == "r2"
    assert served(*three, ("rolled_back", "r1"), ("serving", "r1")) is None


def test_a_rollback_from_a_champion_that_never_came_to_serve_goes_to_what_serves() -> None:
    assert served(("promoted", "r1"), ("serving", "r1"), ("promoted", "r2")) == "r1"


def test_which_release_served_at_a_moment() -> None:
    entries = lines(("serving", "r1"), ("judged", "r2", PROMOTE), ("serving", "r2"))
    found = [standing.served_at(entries, AT + timedelta(minutes=m)) for m in (-1, 0, 1, 2, 9)]
    assert [e.release_id if e else None for e in found] == [None, "r1", "r1", "r2", "r2"]
