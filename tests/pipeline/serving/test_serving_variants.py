"""Two releases at once over real HTTP: the variant decides which answers, and what answered is logged."""

import contextlib
import sqlite3
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.adapters.event_store import EventStore
from pipelines.adapters.experiment_store import ExperimentStore
from pipelines.core.errors import StackError
from pipelines.experiments import lifecycle
from pipelines.experiments.assignment import assign
from pipelines.experiments.definition import Definition, parse

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MEMBERS = [f"u{n}" for n in range(24)]


def begin(api: Any, versions: dict[str, int], **other: Any) -> Definition:
    """An experiment of the champion (1) against the release of another version, begun an hour ago."""
    champion, challenger = versions
    variants = {"champion": {"release": champion, "share": 1}, "challenger": {"release": challenger, "share": 1}}
    content = {"name": "spring", "variants": variants, "control": "champion", "planned_end": "2026-03-14"}
    asked = parse(content | {"minimum_effect": 0.02, "start": NOON - timedelta(hours=1)} | other)
    registered = [SimpleNamespace(version=version, release_id=release) for release, version in versions.items()]
    registry = SimpleNamespace(releases=lambda: registered, tags=lambda _: {})
    with EventStore(api.settings.event_store_address) as store:
        return lifecycle.start(ExperimentStore(store), registry, asked, actor="ada", reason="to see", at=NOON)


def end(api: Any) -> None:
    with EventStore(api.settings.event_store_address) as store:
        lifecycle.stop(ExperimentStore(store), "spring", actor="ada", reason="seen", at=NOON)


def exposures(api: Any) -> set[tuple[str, str, str]]:
    with EventStore(api.settings.event_store_address) as store:
        found = ExperimentStore(store).exposures("spring", NOON + timedelta(days=1))
    return {(user, variant, release) for user, variant, release, _ in found}


def state(api: Any) -> dict[str, Any]:
    return dict(api.client.get("/readyz").json()["experiments"])


def releases(api: Any) -> dict[str, int]:
    return {api.page()["release_id"]: 1, api.shelf.add(2, seed=2): 2}


def test_each_member_is_answered_by_their_variant_and_both_are_named(own_api: Any) -> None:
    versions = releases(own_api)
    first, second = versions
    running = begin(own_api, versions)
    own_api.until(lambda: state(own_api)["loaded"] == [second])

    pages = {user: own_api.page(user) for user in MEMBERS}
    expected = {user: assign(user, running.assignment) for user in MEMBERS}
    assert {user: page["variant"] for user, page in pages.items()} == expected
    assert {page["experiment"] for page in pages.values()} == {"spring"}
    by_variant = {"champion": first, "challenger": second}
    assert {user: page["release_id"] for user, page in pages.items()} == {u: by_variant[v] for u, v in expected.items()}
    assert set(expected.values()) == set(by_variant)
    assert not any(page["degraded"] for page in pages.values())
    assert exposures(own_api) == {(user, variant, by_variant[variant]) for user, variant in expected.items()}


def test_what_is_logged_as_shown_names_the_release_that_answered(own_api: Any) -> None:
    begin(own_api, releases(own_api))
    own_api.until(lambda: bool(state(own_api)["loaded"]))
    pages = [own_api.page(user) for user in MEMBERS]
    with contextlib.closing(sqlite3.connect(own_api.settings.root / "events.db", timeout=30)) as database:
        shown = dict(database.execute("SELECT DISTINCT request_id, release_id FROM impressions"))
    assert all(shown[page["request_id"]] == page["release_id"] for page in pages)


def test_who_takes_no_part_is_answered_by_the_champion(own_api: Any) -> None:
    versions = releases(own_api)
    begin(own_api, versions, traffic=0.3)
    own_api.until(lambda: bool(state(own_api)["loaded"]))
    pages = [own_api.page(user) for user in MEMBERS]
    outside = [page for page in pages if page["experiment"] is None]
    assert 0 < len(outside) < len(pages)
    assert {(page["release_id"], page["variant"]) for page in outside} == {(next(iter(versions)), None)}


def test_a_release_that_cannot_be_loaded_leaves_its_members_to_the_champion_and_is_logged_so(own_api: Any) -> None:
    versions = releases(own_api)
    first, second = versions
    (own_api.shelf.root / "2" / "manifest.json").write_text("{")
    running = begin(own_api, versions)
    own_api.until(lambda: "cannot be read" in state(own_api)["refused"].get(second, ""))

    challenged = next(user for user in MEMBERS if assign(user, running.assignment) == "challenger")
    page = own_api.page(challenged)
    assert (page["release_id"], page["variant"], page["degraded"]) == (first, "challenger", True)
    assert f"release {second} of variant challenger is not served" in page["degradations"][0]
    assert exposures(own_api) == {(challenged, "challenger", first)}
    assert own_api.client.get("/readyz").status_code == 200


def test_when_the_experiment_stops_everybody_is_answered_by_the_champion(own_api: Any) -> None:
    versions = releases(own_api)
    begin(own_api, versions)
    own_api.until(lambda: bool(state(own_api)["loaded"]))
    end(own_api)
    own_api.until(lambda: state(own_api) == {"running": [], "loaded": [], "refused": {}})
    pages = [own_api.page(user) for user in MEMBERS]
    assert {(page["release_id"], page["experiment"]) for page in pages} == {(next(iter(versions)), None)}


def test_a_new_snapshot_reaches_every_variant_without_another_download(own_api: Any, new_snapshot: Any) -> None:
    begin(own_api, releases(own_api))
    own_api.until(lambda: bool(state(own_api)["loaded"]))
    new_snapshot(own_api.settings.root, "s2")
    own_api.until(lambda: {own_api.page(user)["snapshot"] for user in MEMBERS} == {"s2"})
    assert sorted(own_api.shelf.downloads) == [1, 2]


def test_a_champion_that_moves_leaves_the_control_with_its_own_release(own_api: Any) -> None:
    versions = releases(own_api)
    first = next(iter(versions))
    running = begin(own_api, versions)
    third = own_api.shelf.add(3, seed=3)
    own_api.shelf.alias = 3
    own_api.until(lambda: own_api.recommender.live.version == 3 and len(state(own_api)["loaded"]) == 2)
    control = next(user for user in MEMBERS if assign(user, running.assignment) == "champion")
    assert own_api.page(control)["release_id"] == first != third


def test_before_its_start_an_experiment_has_no_members(own_api: Any) -> None:
    begin(own_api, releases(own_api), start=NOON + timedelta(hours=1))
    own_api.until(lambda: bool(state(own_api)["loaded"]))
    assert own_api.page()["experiment"] is None
    assert own_api.page(at=(NOON + timedelta(hours=2)).isoformat())["experiment"] == "spring"


def test_a_page_whose_exposure_cannot_be_kept_says_that_it_is_not_logged(
    own_api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(own_api, releases(own_api))
    own_api.until(lambda: bool(state(own_api)["loaded"]))

    def down(*_: object) -> None:
        raise StackError("the event store did not answer")

    monkeypatch.setattr(ExperimentStore, "expose", down)
    page = own_api.page()
    assert len(page["items"]) == 10
    assert any("not logged" in said for said in page["degradations"])
