"""Promote, approve, refuse, roll back: what is allowed, what the ledger then holds, and where the alias stands."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pipelines.adapters.model_registry import RegisteredRelease
from pipelines.core.errors import LedgerError, MoveRefused, ReleaseError, SettingsError
from pipelines.core.ledger import Draft
from pipelines.core.settings import Settings
from pipelines.promotion import ledger, moves

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SAYING = {"at": AT, "actor": "ada"}


class Registry:
    """MLflow's stand-in: release n is version n; ``changed`` are those whose files are not as they were sealed."""

    alias: ClassVar[RegisteredRelease | None] = None
    count: ClassVar[int] = 3
    changed: ClassVar[set[str]] = set()
    tags: ClassVar[dict[int, dict[str, str]]] = {}
    down: ClassVar[bool] = False

    def __init__(self, _: Settings) -> None: ...

    def champion(self) -> RegisteredRelease | None:
        return Registry.alias

    def set_alias(self, _: str, version: int) -> None:
        if Registry.down:
            raise ReleaseError("MLflow could not answer")
        Registry.alias = RegisteredRelease(version, f"r{version}")

    def tag(self, version: int, tags: dict[str, str]) -> None:
        Registry.tags.setdefault(version, {}).update(tags)

    def releases(self) -> list[RegisteredRelease]:
        return [RegisteredRelease(n, f"r{n}") for n in range(Registry.count, 0, -1)]

    def version_of(self, release_id: str) -> int | None:
        return next((r.version for r in self.releases() if r.release_id == release_id), None)

    def download(self, version: int, into: Path) -> Path:
        if f"r{version}" in Registry.changed:
            raise ReleaseError(f"release r{version} is not whole: model.txt was changed")
        return into


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(moves, "ModelRegistry", Registry)
    Registry.alias, Registry.changed, Registry.tags, Registry.down = None, set(), {}, False
    return Settings(home=tmp_path)


def say(settings: Settings, event: str, number: int, role: Any = "promoter", **facts: Any) -> None:
    about = {"event": event, "release_id": f"r{number}", "version": number, **SAYING}
    told = Draft.model_validate(about | {"facts": facts})
    ledger.append(settings, role, lambda _: told)


def judge(settings: Settings, number: int, verdict: str = "promote", before: str | None = None, **facts: Any) -> None:
    say(settings, "judged", number, verdict=verdict, before=before, **facts)


def serve(settings: Settings, number: int) -> None:
    say(settings, "serving", number, "server")


def reign(settings: Settings, *numbers: int) -> None:
    """Each was judged against the one before it, promoted, and served."""
    for number in numbers:
        now = moves.champion(settings)
        judge(settings, number, before=now.release_id if now else None)
        moves.promote(settings, f"r{number}", **SAYING)
        serve(settings, number)


def events(settings: Settings) -> list[tuple[str, str]]:
    return [(e.event, e.release_id) for e in ledger.read(settings)]


def test_a_release_with_a_promote_verdict_becomes_champion_and_the_ledger_says_who_did_it(settings: Settings) -> None:
    judge(settings, 1)
    move = moves.promote(settings, "r1", reason="first", **SAYING)
    assert move.as_dict() == {
        "version": 1,
        "release_id": "r1",
        "event": "promoted",
        "before": None,
        "sequence": 1,
        "champion": True,
    }
    line = ledger.read(settings)[-1]
    assert (line.event, line.actor, line.at, line.facts) == ("promoted", "ada", AT, {"before": None, "reason": "first"})
    assert Registry.alias == moves.champion(settings) == (1, "r1")
    assert Registry.tags[1]["ledger"] == ledger.anchor(line)


@pytest.mark.parametrize(
    ("verdict", "facts", "said"),
    [
        (None, {}, "release r1 may not be served: the ledger holds no verdict on it"),
        ("reject", {}, "the gate said reject; have it approved"),
        ("inconclusive", {}, "the gate said inconclusive"),
        ("promote", {"approval_required": True}, "the gate said promote, and a person's approval is asked for"),
    ],
)
def test_what_the_gate_did_not_promote_waits_for_an_approval(
    settings: Settings, verdict: str | None, facts: dict[str, Any], said: str
) -> None:
    if verdict:
        judge(settings, 1, verdict, **facts)
    with pytest.raises(MoveRefused, match=said):
        moves.promote(settings, "r1", **SAYING)
    assert Registry.alias is None
    moves.approve(settings, "r1", reason="seen by a person", **SAYING)
    assert moves.promote(settings, "r1", **SAYING).release_id == "r1"


def test_a_refusal_takes_a_promote_verdict_back(settings: Settings) -> None:
    judge(settings, 1)
    moves.refuse(settings, "r1", reason="the licence ended", **SAYING)
    with pytest.raises(MoveRefused, match=r"ada refused it \(the licence ended\)"):
        moves.promote(settings, "r1", **SAYING)


def test_the_champion_cannot_be_refused_and_a_word_needs_a_reason(settings: Settings) -> None:
    reign(settings, 1)
    with pytest.raises(MoveRefused, match="release r1 is the champion: roll back first"):
        moves.refuse(settings, "r1", reason="why not", **SAYING)
    for said in (moves.approve, moves.refuse):
        with pytest.raises(SettingsError, match="needs a reason"):
            said(settings, "r1", reason=" ", **SAYING)
    with pytest.raises(SettingsError, match="a rollback needs a reason"):
        moves.roll_back(settings, reason="", **SAYING)


@pytest.mark.parametrize("move", [moves.promote, moves.approve, moves.refuse])
def test_a_release_that_is_not_registered_is_refused_with_those_that_are(settings: Settings, move: Any) -> None:
    with pytest.raises(MoveRefused, match=r"release r9 is not registered: the newest are r3 \(3\), r2 \(2\), r1 \(1\)"):
        move(settings, "r9", reason="why", **SAYING)
    assert events(settings) == []


def test_a_release_whose_file_changed_is_neither_promoted_nor_gone_back_to(settings: Settings) -> None:
    reign(settings, 1, 2)
    before = events(settings)
    Registry.changed = {"r1", "r3"}
    moves.approve(settings, "r3", reason="seen", **SAYING)
    with pytest.raises(ReleaseError, match=r"r3 is not whole: model\.txt was changed"):
        moves.promote(settings, "r3", **SAYING)
    with pytest.raises(ReleaseError, match="r1 is not whole"):
        moves.roll_back(settings, reason="worse", **SAYING)
    assert events(settings) == [*before, ("approved", "r3")]
    assert Registry.alias == (2, "r2")


def test_a_promotion_that_runs_again_writes_nothing_and_puts_the_alias_right(settings: Settings) -> None:
    judge(settings, 1)
    Registry.down = True
    with pytest.raises(ReleaseError, match="could not answer"):
        moves.promote(settings, "r1", **SAYING)
    assert Registry.alias is None
    Registry.down = False
    finished = moves.promote(settings, "r1", **SAYING)
    assert (Registry.alias, finished.sequence) == ((1, "r1"), 1)
    assert moves.promote(settings, "r1", at=AT + timedelta(days=1), actor="eve") == finished
    assert events(settings) == [("judged", "r1"), ("promoted", "r1")]


def test_a_verdict_against_another_champion_than_the_one_that_stands_does_not_count(settings: Settings) -> None:
    reign(settings, 1)
    judge(settings, 2, before="r1")
    judge(settings, 3, before="r1")
    moves.promote(settings, "r2", **SAYING)
    with pytest.raises(
        MoveRefused, match="r3 was judged against r1, and r2 is champion now: judge it against that one"
    ):
        moves.promote(settings, "r3", **SAYING)
    moves.approve(settings, "r3", reason="both were compared by hand", **SAYING)
    assert moves.promote(settings, "r3", **SAYING).before == "r2"


@pytest.mark.parametrize("approved", [False, True])
def test_of_two_promotions_at_once_one_wins_and_the_other_is_told_why(settings: Settings, approved: bool) -> None:
    reign(settings, 1)
    for number in (2, 3):
        judge(settings, number, before="r1")
        if approved:
            moves.approve(settings, f"r{number}", reason="seen", **SAYING)
    together, won, refused = threading.Barrier(2, timeout=20), [], []
    looked = moves._whole

    def promote(number: int) -> None:
        try:
            won.append(moves.promote(settings, f"r{number}", **SAYING).release_id)
        except MoveRefused as exc:
            refused.append(str(exc))

    def look(*of: Any) -> int:
        version = looked(*of)
        together.wait()
        return version

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moves, "_whole", look)
        threads = [threading.Thread(target=promote, args=(number,)) for number in (2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (len(won), len(refused)) == (1, 1)
    assert f"release {won[0]} became champion while" in refused[0]
    assert Registry.alias is not None
    assert (Registry.alias.release_id, [e for e in events(settings) if e[0] == "promoted"][1:]) == (
        won[0],
        [("promoted", won[0])],
    )


def test_who_was_overtaken_between_line_and_alias_leaves_the_alias_where_the_last_move_put_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    reign(settings, 1)
    judge(settings, 2, before="r1")
    judge(settings, 3, before="r2")
    first = [True]

    def slow(registry: Registry, alias: str, version: int) -> None:
        if first.pop() if first else False:
            moves.promote(settings, "r3", **SAYING)
        Registry.alias = RegisteredRelease(version, f"r{version}")

    monkeypatch.setattr(Registry, "set_alias", slow)
    assert moves.promote(settings, "r2", **SAYING).release_id == "r2"
    assert Registry.alias == moves.champion(settings) == (3, "r3")


def test_a_rollback_goes_to_the_release_that_served_before_and_the_next_one_further_back(settings: Settings) -> None:
    reign(settings, 1, 2, 3)
    assert moves.roll_back(settings, reason="worse", **SAYING).as_dict()["release_id"] == "r2"
    assert Registry.alias == (2, "r2")
    line = ledger.read(settings)[-1]
    assert (line.event, line.facts) == ("rolled_back", {"before": "r3", "reason": "worse"})
    assert moves.roll_back(settings, reason="worse still", **SAYING).release_id == "r1"
    with pytest.raises(MoveRefused, match="no release served before the champion"):
        moves.roll_back(settings, reason="worse yet", **SAYING)


def test_a_rollback_to_a_named_release_asks_that_it_served(settings: Settings) -> None:
    reign(settings, 1, 2)
    judge(settings, 3, before="r2")
    with pytest.raises(MoveRefused, match="release r3 never served: `marquee ledger` lists those that did"):
        moves.roll_back(settings, to="r3", reason="why", **SAYING)
    with pytest.raises(MoveRefused, match="release r2 is the champion"):
        moves.roll_back(settings, to="r2", reason="why", **SAYING)
    assert moves.roll_back(settings, to="r1", reason="why", **SAYING).before == "r2"


def test_a_release_that_was_refused_since_it_served_is_passed_over(settings: Settings) -> None:
    reign(settings, 1, 2, 3)
    moves.refuse(settings, "r2", reason="it leaked", **SAYING)
    with pytest.raises(MoveRefused, match="r2 may not be served: ada refused it"):
        moves.roll_back(settings, to="r2", reason="why", **SAYING)
    assert moves.roll_back(settings, reason="why", **SAYING).release_id == "r1"


def test_nothing_moves_on_a_ledger_that_was_changed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    reign(settings, 1, 2)

    def changed(_: Settings) -> None:
        raise LedgerError("ledger entry 0 does not match its hash: the ledger was changed")

    monkeypatch.setattr(ledger, "read", changed)
    with pytest.raises(LedgerError, match="the ledger was changed"):
        moves.roll_back(settings, reason="why", **SAYING)
    assert Registry.alias == (2, "r2")
