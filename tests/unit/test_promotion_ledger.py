"""The ledger only grows, and shows where it was changed."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from pipelines.core.errors import ReleaseError, SettingsError
from pipelines.promotion.ledger import Ledger, last

AT = datetime(2022, 5, 3, 12, tzinfo=UTC)


def add(ledger, release_id="r1", **facts):
    return ledger.append("decided", at=AT, actor="ada", release_id=release_id, version=1, facts=facts)


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "home" / "ledger.jsonl")


def test_a_ledger_without_lines_is_empty(ledger):
    assert ledger.read() == []


def test_lines_come_back_in_order_and_each_names_the_one_before(ledger):
    written = [add(ledger, f"r{i}", verdict="promote", gain=0.1) for i in range(3)]
    assert ledger.read() == written
    assert [e.previous for e in written[1:]] == [e.hash for e in written[:2]]
    assert last(written, "r1") == written[1]
    assert last(written, "r9") is None


@pytest.mark.parametrize(
    "tamper",
    [
        lambda lines: [lines[0].replace("promote", "reject"), *lines[1:]],
        lambda lines: lines[1:],
        lambda lines: [lines[0], lines[2]],
        lambda lines: [lines[1], lines[0], lines[2]],
        lambda lines: ["not json", *lines[1:]],
    ],
)
def test_a_line_that_was_changed_lost_or_moved_is_found(ledger, tamper):
    for i in range(3):
        add(ledger, f"r{i}", verdict="promote")
    ledger.path.write_text("\n".join(tamper(ledger.path.read_text().splitlines())) + "\n")
    with pytest.raises(ReleaseError, match=r"ledger\.jsonl line [12] does not follow"):
        ledger.read()
    with pytest.raises(ReleaseError, match="does not follow"):
        add(ledger)


def test_a_line_cut_off_by_a_kill_is_dropped(ledger):
    first = add(ledger)
    with ledger.path.open("a") as handle:
        handle.write('{"sequence": 1, "at"')
    assert ledger.read() == [first]
    second = add(ledger, "r2")
    assert ledger.read() == [first, second]


def test_a_time_without_a_zone_is_refused(ledger):
    with pytest.raises(SettingsError, match="has no zone"):
        ledger.append("decided", at=AT.replace(tzinfo=None), actor="a", release_id="r", version=1, facts={})


def test_writers_at_once_take_turns(ledger):
    with ThreadPoolExecutor(4) as writers:
        list(writers.map(lambda i: add(Ledger(ledger.path), f"r{i}"), range(20)))
    entries = ledger.read()
    assert [e.sequence for e in entries] == list(range(20))
    assert {e.release_id for e in entries} == {f"r{i}" for i in range(20)}
