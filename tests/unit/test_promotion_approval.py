"""Who is asked, what a person is shown, and each word written once however often its task runs."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from shelves import AT, REASON, empty_home, register, seal, served

from pipelines.adapters.model_registry import CHAMPION, ModelRegistry
from pipelines.core.errors import MoveRefused, RequestError, SettingsError
from pipelines.core.settings import Settings
from pipelines.promotion import approval, ledger, moves
from pipelines.promotion.policy import Floor, Policy, read

pytestmark = [
    # MLflow 3.17 maps its tables with a loader strategy that SQLAlchemy 2.1 deprecates.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
    # MLflow keeps one engine a database file for the life of the process.
    pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning"),
]
LATER = AT + timedelta(hours=1)


def policy(asks: Any) -> Policy:
    return Policy(primary="page.ndcg@10", floors=(Floor(metric="page.ndcg@10"),), approval=asks)


@pytest.fixture
def settings(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return empty_home(tmp_path / "home", tmp_path_factory.getbasetemp())


@pytest.fixture
def releases(settings: Settings, tmp_path: Path) -> dict[str, str]:
    """The champion, which serves; one that the gate could not tell about; one that it rejected."""
    made = {}
    for seed, verdict in enumerate(("promote", "inconclusive", "reject"), 1):
        made[verdict] = seal(tmp_path / verdict, seed)
        version = register(settings, tmp_path / verdict, verdict)
        if verdict == "promote":
            moves.promote(settings, made[verdict], at=AT, actor="the gate")
            served(settings, made[verdict], version)
    return made


def events(settings: Settings, release_id: str) -> list[str]:
    return [e.event for e in ledger.read(settings) if e.release_id == release_id]


@pytest.mark.parametrize(
    ("asks", "who"),
    [("never", set()), ("inconclusive", {"inconclusive"}), ("always", {"inconclusive", "promote"})],
)
def test_the_policy_says_of_which_verdicts_a_person_is_asked(asks: str, who: set[str]) -> None:
    assert {v for v in ("promote", "reject", "inconclusive") if policy(asks).asks(v)} == who
    judged = {"verdict": "inconclusive", "champion": False}
    assert approval.awaited(judged, policy(asks)) == ("inconclusive" in who)
    assert not approval.awaited({"verdict": "promote", "champion": True}, policy(asks))


def test_a_policy_with_another_word_for_approval_is_refused(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("primary: a.b\nfloors: [{metric: a.b}]\napproval: sometimes\n")
    with pytest.raises(SettingsError, match="approval: Input should be 'never', 'inconclusive' or 'always'"):
        read(tmp_path / "policy.yaml")


def test_an_undecided_release_needs_a_person_and_the_message_says_how(
    settings: Settings, releases: dict[str, str]
) -> None:
    undecided = releases["inconclusive"]
    with pytest.raises(MoveRefused, match=f"{undecided} may not be served: the gate said inconclusive; tick ask"):
        approval.consider(settings, undecided, ask=False, policy=policy("never"))
    assert approval.consider(settings, undecided, ask=True, policy=policy("never"))["ask"]
    assert approval.consider(settings, undecided, ask=False, policy=policy("inconclusive"))["ask"]
    moves.approve(settings, undecided, at=AT, actor="grace", reason="half the size")
    assert not approval.consider(settings, undecided, ask=False, policy=policy("always"))["ask"]


def test_the_challenger_is_meant_where_no_release_is_named_and_the_champion_asks_nobody(
    settings: Settings, releases: dict[str, str]
) -> None:
    assert approval.consider(settings, None, ask=True)["release_id"] == releases["reject"]
    champion = approval.consider(settings, "champion", ask=True, policy=policy("always"))
    assert (champion["release_id"], champion["ask"]) == (releases["promote"], False)
    with pytest.raises(RequestError, match="no release is called 'latest'"):
        approval.consider(settings, "latest", ask=True)


def test_a_person_is_shown_the_verdict_its_reasons_both_figures_and_what_differs(
    settings: Settings, releases: dict[str, str]
) -> None:
    told = approval.consider(settings, "2", ask=True)["told"]
    assert f"Release **{releases['inconclusive']}**, version 2. The gate said **inconclusive**:" in told
    assert f"- {REASON}" in told
    assert "| page.ndcg@10 | 0.2000 (0.0000 to 1.0000) | 0.1000 (0.0000 to 1.0000) |" in told
    assert "| data: seed | 2 | 1 |" in told


def test_an_approval_that_is_run_again_is_written_once(settings: Settings, releases: dict[str, str]) -> None:
    said: dict[str, Any] = {"at": LATER, "actor": "grace", "reason": "half the size"}
    for _ in range(2):
        assert approval.approve(settings, releases["inconclusive"], **said)["champion"]
    assert events(settings, releases["inconclusive"]) == ["judged", "approved", "promoted"]


def test_an_approval_killed_before_the_alias_moved_is_finished_by_the_next(
    settings: Settings, releases: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    said: dict[str, Any] = {"at": LATER, "actor": "grace", "reason": "half the size"}
    with monkeypatch.context() as patch:
        patch.setattr(ModelRegistry, "set_alias", killed)
        with pytest.raises(KeyboardInterrupt):
            approval.approve(settings, releases["inconclusive"], **said)
    approval.approve(settings, releases["inconclusive"], **said)
    assert ModelRegistry(settings).alias(CHAMPION) == (2, releases["inconclusive"])
    assert events(settings, releases["inconclusive"]) == ["judged", "approved", "promoted"]


def test_an_old_approval_that_is_run_again_leaves_the_champion_that_came_after_it(
    settings: Settings, releases: dict[str, str]
) -> None:
    said: dict[str, Any] = {"at": LATER, "actor": "grace", "reason": "half the size"}
    approval.approve(settings, releases["inconclusive"], **said)
    served(settings, releases["inconclusive"], 2)
    back = {"at": LATER, "actor": "ada (roll_back run 1)", "reason": "members complained"}
    assert approval.roll_back(settings, None, **back)["release_id"] == releases["promote"]
    again = approval.approve(settings, releases["inconclusive"], **said)
    assert (again["champion"], again["champion_now"]) == (False, releases["promote"])


def test_a_refusal_that_is_run_again_is_written_once_and_the_champion_stays(
    settings: Settings, releases: dict[str, str]
) -> None:
    said: dict[str, Any] = {"at": LATER, "actor": "timeout", "reason": "nobody answered within 5 min"}
    first, second = (approval.refuse(settings, releases["inconclusive"], **said) for _ in range(2))
    assert first == second
    assert (first["refused_by"], first["reason"]) == ("timeout", "nobody answered within 5 min")
    assert events(settings, releases["inconclusive"]) == ["judged", "refused"]
    held = moves.champion(settings)
    assert held is not None
    assert held.release_id == releases["promote"]


def test_a_run_goes_back_once_and_another_run_goes_further(
    settings: Settings, releases: dict[str, str], tmp_path: Path
) -> None:
    for release_id, version in ((releases["inconclusive"], 2), (releases["reject"], 3)):
        approval.approve(settings, release_id, at=LATER, actor="grace", reason="for this test")
        served(settings, release_id, version)
    runs: list[dict[str, Any]] = [{"at": LATER, "actor": f"ada (run {n})", "reason": "it is worse"} for n in (1, 2)]
    went = [approval.roll_back(settings, None, **run)["release_id"] for run in (runs[0], runs[0], runs[1])]
    assert went == [releases["inconclusive"], releases["inconclusive"], releases["promote"]]
    late = approval.roll_back(settings, None, **runs[0])
    assert (late["champion"], late["champion_now"]) == (False, releases["promote"])


def test_a_run_promotes_once(settings: Settings, releases: dict[str, str]) -> None:
    moves.approve(settings, releases["inconclusive"], at=AT, actor="grace", reason="half the size")
    run: dict[str, Any] = {"at": LATER, "actor": "ada (run 1)", "reason": None}
    first, again = (approval.promote(settings, releases["inconclusive"], **run) for _ in range(2))
    assert first["champion"]
    assert again["champion"]
    assert events(settings, releases["inconclusive"]) == ["judged", "approved", "promoted"]
