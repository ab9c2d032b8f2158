"""What the gate's demo makes of pages that were asked for during a rollback, and of verdicts."""

from types import SimpleNamespace
from typing import Any

import pytest

from marquee import gate_demo_report, rest
from marquee.gate_demo_releases import CHALLENGERS, FIRST
from marquee.page_watch import Asked, PageWatch
from pipelines.core.errors import StackError
from pipelines.promotion.gate import Verdict
from pipelines.promotion.job import PromotionResult

BEFORE = [Asked(10.0, "r1", "new"), Asked(12.5, "r2", "new"), Asked(13.0, "r3", "old")]


def rolled_back(*more: Asked, mixed: tuple[str, ...] = (), most: float = 30.0) -> bool:
    watch: Any = SimpleNamespace(answers=[*BEFORE, *more], mixed=lambda: list(mixed))
    return gate_demo_report.show_rollback(watch, "new", "old", 10.0, most)


def test_a_rollback_takes_until_the_last_page_of_the_release_that_was_left(capsys: pytest.CaptureFixture[str]) -> None:
    assert rolled_back()
    said = capsys.readouterr().out
    assert "2.5" in said
    assert "Rollback from new to old" in said


@pytest.mark.parametrize(
    "wrong",
    [
        {"more": [Asked(13.1, "r4", None, "answered 503")]},
        {"more": [Asked(13.1, "r4", "old", "3 titles")]},
        {"more": [Asked(13.1, "r4", "third")]},
        {"mixed": ("r2",)},
        {"most": 2.0},
    ],
)
def test_a_page_that_is_lost_short_mixed_or_late_or_of_a_third_release_fails_it(wrong: dict[str, Any]) -> None:
    assert not rolled_back(*wrong.pop("more", ()), **wrong)


def test_an_answer_that_fails_is_kept_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise StackError("POST answered 503")

    monkeypatch.setattr(rest, "post", refused)
    watch = object.__new__(PageWatch)
    watch._headers = {}
    found = watch._answer("http://here/v1/page", {"request_id": "r1", "k": 10})
    assert (found.request_id, found.release_id, found.problem) == ("r1", None, "POST answered 503")


def test_nobody_asks_while_the_api_loads_its_first_release(monkeypatch: pytest.MonkeyPatch) -> None:
    def loading(*_: object, **__: object) -> None:
        raise StackError("GET answered 503")

    monkeypatch.setattr(rest, "get", loading)
    watch = object.__new__(PageWatch)
    watch._headers = {}
    assert watch._members("http://here") == []


def test_waiting_for_pages_gives_up_with_the_demos_clock() -> None:
    def over(waiting_for: str) -> None:
        raise StackError(f"{waiting_for} took too long")

    watch = object.__new__(PageWatch)
    watch.answers = [Asked(1.0, "r1", "old")]
    with pytest.raises(StackError, match="a page of new took too long"):
        watch.until("new", SimpleNamespace(check=over))
    assert watch.until_another("new", SimpleNamespace(check=over)) == "old"


def test_the_verdicts_are_printed_with_what_was_asked_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    verdict = Verdict("reject", tuple(f"reason {n}" for n in range(6)))
    gate_demo_report.show_verdicts([("worse", "harm", "reject", PromotionResult(3, "abc", verdict, False))])
    said = capsys.readouterr().out
    assert "reason 3" in said
    assert "reason 4" not in said
    assert "and 2 more: `marquee release show 3`" in said


def test_the_challengers_are_to_get_each_verdict_once() -> None:
    assert [one.expected for one in CHALLENGERS] == ["promote", "inconclusive", "reject"]
    assert len({(one.ranker, one.seed, one.damaged) for one in (FIRST, *CHALLENGERS)}) == 4
