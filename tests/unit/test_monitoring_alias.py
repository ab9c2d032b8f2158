"""What on-call is told of an alias that was moved in MLflow itself."""

from datetime import UTC, datetime
from typing import Any

from monitoring.alerts import of_alias
from pipelines.core.ledger import Entry

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def line(number: int, event: str, release_id: str, version: int | None = 1, **facts: Any) -> Entry:
    about = {"event": event, "at": AT, "actor": "ada", "release_id": release_id, "version": version, "facts": facts}
    return Entry.model_validate(about | {"sequence": number, "previous": "", "key_id": ""})


PROMOTED = [line(0, "judged", "r1", verdict="promote"), line(1, "promoted", "r1")]


def test_a_promotion_raises_nothing() -> None:
    assert of_alias([]) == []
    assert of_alias(PROMOTED) == []


def test_a_move_to_what_may_not_serve_is_to_act_on() -> None:
    (alert,) = of_alias([*PROMOTED, line(2, "alias_moved", "r2", 2, accepted=False)])
    assert (alert.severity, alert.thing) == ("act", "alias champion")
    assert alert.value == (
        "moved in MLflow to version 2 (r2) at 2026-03-01T12:00:00+00:00: the ledger holds no verdict on it, so r1 stays"
    )
    assert "set the alias back" in alert.remedy


def test_an_alias_that_was_taken_away_is_to_act_on() -> None:
    (alert,) = of_alias([*PROMOTED, line(2, "alias_moved", "r1", None, accepted=False, removed=True)])
    assert (alert.severity, "moved in MLflow to nothing" in alert.value) == ("act", True)


def test_a_move_to_what_may_serve_is_to_look_at_until_the_next_promotion() -> None:
    moved = [*PROMOTED, line(2, "judged", "r2", 2, verdict="promote"), line(3, "alias_moved", "r2", 2, accepted=True)]
    assert [a.severity for a in of_alias(moved)] == ["look"]
    assert of_alias([*moved, line(4, "promoted", "r2", 2)]) == []
