"""An experiment is described by a file, started and stopped by decisions that are kept, and alone with its members."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.adapters.event_store import EventStore
from pipelines.adapters.experiment_store import ExperimentStore
from pipelines.core.errors import DataError, RequestError
from pipelines.experiments import lifecycle
from pipelines.experiments.definition import overlaps, parse, read

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WHO = {"actor": "ada", "reason": "the gate was inconclusive", "at": NOON}


def content(**other: Any) -> dict[str, Any]:
    variants = {"champion": {"release": "aaa", "share": 1}, "challenger": {"release": "bbb", "share": 3}}
    about = {"name": "spring", "variants": variants, "control": "champion", "planned_end": "2026-03-14"}
    return about | {"minimum_effect": 0.02} | other


class Shelf:
    """A registry of three releases, of which the gate rejected one."""

    def releases(self) -> list[Any]:
        return [SimpleNamespace(version=n, release_id=name) for n, name in enumerate(("aaa", "bbb", "bad"), start=1)]

    def tags(self, version: int) -> dict[str, str]:
        return {"verdict": "reject" if version == 3 else "inconclusive"}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/events.db"


@pytest.fixture
def store(url: str) -> Iterator[ExperimentStore]:
    with EventStore(url) as opened:
        opened.migrate()
        assert opened.differences() == []
        yield ExperimentStore(opened)


def start(store: ExperimentStore, **other: Any) -> Any:
    return lifecycle.start(store, Shelf(), parse(content(**other)), **WHO)


def test_what_was_started_is_found_again_by_another_process(store: ExperimentStore, url: str) -> None:
    kept = start(store)
    assert kept.start == NOON
    assert {name: variant.version for name, variant in kept.variants.items()} == {"champion": 1, "challenger": 2}
    with EventStore(url) as other:
        found = lifecycle.find(ExperimentStore(other), "spring")
    assert (found.definition, found.running) == (kept, True)
    assert (found.started["actor"], found.started["reason"]) == ("ada", "the gate was inconclusive")


def test_a_stop_is_kept_beside_the_start(store: ExperimentStore) -> None:
    start(store)
    lifecycle.stop(store, "spring", actor="grace", reason="shipped", at=NOON + timedelta(days=3))
    found = lifecycle.find(store, "spring")
    assert not found.running
    assert found.stopped is not None
    assert (found.stopped["actor"], found.stopped["reason"]) == ("grace", "shipped")
    assert [row["action"] for row in store.decisions()] == ["start", "stop"]
    with pytest.raises(RequestError, match="was stopped"):
        lifecycle.stop(store, "spring", **WHO)


def test_a_name_is_used_once(store: ExperimentStore) -> None:
    start(store)
    lifecycle.stop(store, "spring", **WHO)
    with pytest.raises(RequestError, match="was started before"):
        start(store)


def test_two_experiments_with_the_same_members_do_not_run_at_once(store: ExperimentStore) -> None:
    start(store, traffic=0.4)
    with pytest.raises(RequestError, match=r"takes members that 'spring' has, from 0 to 0.4"):
        start(store, name="summer", traffic=0.5, traffic_from=0.3)
    assert [row["name"] for row in store.decisions()] == ["spring"]
    start(store, name="summer", traffic=0.5, traffic_from=0.4)
    lifecycle.stop(store, "spring", **WHO)
    start(store, name="autumn", traffic=0.4)


def test_of_starts_at_once_one_holds(store: ExperimentStore) -> None:
    def tried(number: int) -> bool:
        try:
            start(store, name=f"race-{number}")
        except RequestError:
            return False
        return True

    with ThreadPoolExecutor(6) as racers:
        assert sum(racers.map(tried, range(6))) == 1


def test_ranges_that_touch_share_nobody() -> None:
    low, high = parse(content(traffic=0.5)), parse(content(traffic=0.5, traffic_from=0.5))
    assert not overlaps(low, high)
    assert overlaps(low, parse(content(traffic=0.1, traffic_from=0.45)))


@pytest.mark.parametrize(
    ("release", "said"),
    [("zzz", "names release 'zzz', which is not registered"), ("bad", "release bad, which the gate rejected")],
)
def test_a_release_that_is_unknown_or_was_rejected_is_refused(store: ExperimentStore, release: str, said: str) -> None:
    wrong = content()["variants"] | {"challenger": {"release": release, "share": 1}}
    with pytest.raises(RequestError, match=said):
        start(store, variants=wrong)
    assert store.decisions() == []


def test_an_experiment_that_nobody_started_is_not_found(store: ExperimentStore) -> None:
    with pytest.raises(RequestError, match="no experiment 'spring': none was started"):
        lifecycle.find(store, "spring")


def test_an_exposure_keeps_its_first_moment_and_a_second_release_shows(store: ExperimentStore) -> None:
    for release, hours in (("bbb", 2), ("bbb", 1), ("aaa", 3)):
        store.expose("spring", "challenger", "u1", release, NOON + timedelta(hours=hours))
    store.expose("other", "challenger", "u1", "bbb", NOON)
    assert store.exposures("spring", NOON + timedelta(days=1)) == [
        ("u1", "challenger", "bbb", NOON + timedelta(hours=2)),
        ("u1", "challenger", "aaa", NOON + timedelta(hours=3)),
    ]
    assert store.exposures("spring", NOON + timedelta(hours=2)) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"variants": content()["variants"] | {"challenger": {"release": "b", "share": 0}}},
            "variants.challenger.share",
        ),
        ({"variants": {"champion": {"release": "aaa", "share": 1}}}, "variants: .*at least 2"),
        ({"control": "nobody"}, "control 'nobody' is none of champion, challenger"),
        ({"traffic": 0.6, "traffic_from": 0.5}, "ends beyond 1"),
        ({"traffic": 0}, "traffic"),
        ({"primary": "joy"}, "primary"),
        ({"guardrails": [{"metric": "sessions", "margin": 0}]}, "guardrails.0.margin"),
        ({"minimum_effect": 0}, "minimum_effect"),
        ({"name": "Spring 26"}, "name"),
        ({"start": "2026-04-01T00:00:00Z"}, "planned_end 2026-03-14 lies before the start 2026-04-01"),
        ({"owner": "ada"}, "owner"),
    ],
)
def test_a_wrong_experiment_is_refused_by_key(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        parse(content(**wrong))


def test_the_example_of_the_guide_is_an_experiment(tmp_path: Path) -> None:
    guide = (Path(__file__).resolve().parents[2] / "docs" / "experiments.md").read_text(encoding="utf-8")
    file = tmp_path / "spring.yaml"
    file.write_text(guide.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    found = read(file)
    assert found.challengers
    assert found.guardrails


def test_a_file_that_is_no_yaml_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("name: [", encoding="utf-8")
    with pytest.raises(DataError, match=r"broken.yaml cannot be read as YAML"):
        read(file)
    with pytest.raises(DataError, match=r"absent.yaml cannot be read"):
        read(tmp_path / "absent.yaml")
