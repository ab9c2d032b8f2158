"""`marquee release` on a real registry and ledger: what is listed, shown, compared, promoted and taken back."""

import json
from pathlib import Path
from typing import Any

import pytest
from shelves import AT, REASON, empty_home, register, seal, served
from typer.testing import CliRunner

from marquee.cli import app
from pipelines.adapters.model_registry import ModelRegistry
from pipelines.core.settings import Settings
from pipelines.promotion import ledger, moves

pytestmark = [
    # MLflow 3.17 maps its tables with a loader strategy that SQLAlchemy 2.1 deprecates.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
    # MLflow keeps one engine a database file for the life of the process.
    pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning"),
]


Two = tuple[str, str]


def filled(settings: Settings, folder: Path) -> Two:
    """The champion, which serves, and a better challenger with a ranker and a feature of its own."""
    first = seal(folder / "one", 1, ranker="logistic")
    register(settings, folder / "one", "promote")
    moves.promote(settings, first, at=AT, actor="the gate")
    served(settings, first, 1)
    second = seal(folder / "two", 2, generators=("als", "popularity"), features=("user_age", "user_watches"))
    register(settings, folder / "two", "promote")
    return first, second


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Two]:
    """Two releases for tests that only look."""
    home = tmp_path_factory.mktemp("shelf")
    settings = empty_home(home / "home", tmp_path_factory.getbasetemp())
    return settings, filled(settings, home)


@pytest.fixture
def two(shelf: tuple[Settings, Two], monkeypatch: pytest.MonkeyPatch) -> Two:
    monkeypatch.setenv("MARQUEE_HOME", str(shelf[0].root))
    return shelf[1]


@pytest.fixture
def settings(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home of the test's own."""
    monkeypatch.setenv("MARQUEE_HOME", str(tmp_path / "home"))
    return empty_home(tmp_path / "home", tmp_path_factory.getbasetemp())


@pytest.fixture
def own(settings: Settings, tmp_path: Path) -> Two:
    """The same two, for a test that changes them."""
    return filled(settings, tmp_path)


def call(*words: str) -> Any:
    return CliRunner().invoke(app, ["release", *words])


def answered(*words: str) -> Any:
    done = call(*words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def refused(*words: str) -> tuple[int, str]:
    done = call(*words)
    assert done.stdout == ""
    return done.exit_code, done.stderr


def test_the_list_names_every_release_with_verdict_aliases_and_days(two: Two) -> None:
    newest, oldest = answered("list")["releases"]
    assert (newest["version"], newest["release_id"], newest["aliases"]) == (2, two[1], ["challenger"])
    assert (oldest["version"], oldest["release_id"], oldest["aliases"]) == (1, two[0], ["champion"])
    assert (newest["verdict"], newest["watermark"]) == ("promote", "2022-04-28")
    assert (newest["test_from"], newest["test_to"]) == ("2022-04-29", "2022-05-02")
    printed = call("list").stdout
    assert all(word in printed for word in (*two, "champion", "2022-04-29 to 2022-05-02"))


def test_a_release_whose_manifest_was_changed_is_listed_with_what_is_wrong(settings: Settings, own: Two) -> None:
    for manifest in (settings.root / "mlflow").rglob("manifest.json"):
        if own[1] not in manifest.read_text() and '"seed": 2' in manifest.read_text():
            manifest.write_text(manifest.read_text().replace('"seed": 2', '"seed": 3'))
    newest, _ = answered("list")["releases"]
    assert f"is tagged {own[1]} and its manifest is of" in newest["problem"]
    assert refused("show", "2")[0] == 1


@pytest.mark.parametrize("name", ["2", "challenger", "id"])
def test_a_release_is_shown_by_version_alias_or_id(two: Two, name: str) -> None:
    shown = answered("show", two[1] if name == "id" else name)
    assert shown["release_id"] == two[1]
    assert shown["manifest"]["generators"] == ["als", "popularity"]
    assert shown["gate"] == {"verdict": "promote", "reasons": [REASON]}


def test_what_is_shown_for_a_person_has_figures_with_intervals_and_the_gates_reasons(two: Two) -> None:
    printed = call("show", "2").stdout
    assert all(word in printed for word in ("als, popularity", "page.ndcg@10", "0.0000 to 1.0000", f"- {REASON}"))


def test_a_name_that_nothing_bears_is_refused_with_what_there_is(two: Two) -> None:
    code, said = refused("show", "7")
    assert code == 2
    assert (
        f"no release is called '7': give a version, a release id, champion or challenger; there is 2 ({two[1]})" in said
    )


def test_the_difference_names_parts_and_not_files_alone(two: Two) -> None:
    found = {(d["part"], d["thing"]): (d["left"], d["right"]) for d in answered("diff", "1", "2")["differences"]}
    assert found == {
        ("generators", "popularity"): ("-", "has it"),
        ("ranker", "method"): ("logistic", "gbdt"),
        ("features", "media_genre"): ("has it", "-"),
        ("features", "user_watches"): ("-", "has it"),
        ("data", "seed"): ("1", "2"),
        ("content", "monitoring"): ("1 file", "1 file"),
        ("content", "ranker"): ("1 file", "1 file"),
    }


def test_figures_stand_side_by_side(two: Two) -> None:
    left, right = answered("diff", "champion", "challenger")["figures"]["page.ndcg@10"]
    assert (left["value"], right["value"]) == (0.1, 0.2)
    assert "0.1000 (0.0000 to 1.0000)" in call("diff", "1", "2").stdout


def test_a_release_does_not_differ_from_itself(two: Two) -> None:
    assert "are the same release" in call("diff", "1", "champion").stdout


def test_a_promotion_and_a_rollback_move_the_champion_and_are_in_the_ledger(settings: Settings, own: Two) -> None:
    moved = answered("promote", "challenger", "--by", "grace", "--reason", "it is better")
    assert (moved["release_id"], moved["before"], moved["champion"]) == (own[1], own[0], True)
    assert ModelRegistry(settings).champion() == (2, own[1])
    served(settings, own[1], 2)
    back = answered("rollback", "--by", "ada", "--reason", "members complained")
    assert (back["release_id"], back["before"]) == (own[0], own[1])
    assert ModelRegistry(settings).champion() == (1, own[0])
    told = [(e.event, e.actor, e.facts.get("reason")) for e in ledger.read(settings) if e.actor in ("grace", "ada")]
    assert told == [("promoted", "grace", "it is better"), ("rolled_back", "ada", "members complained")]


def test_what_the_gate_could_not_tell_is_promoted_only_by_somebody_who_says_why(
    settings: Settings, own: Two, tmp_path: Path
) -> None:
    third = seal(tmp_path / "three", 3)
    register(settings, tmp_path / "three", "inconclusive")
    code, said = refused("promote", "3")
    assert (code, f"release {third} may not be served: the gate said inconclusive" in said) == (1, True)
    assert refused("promote", "3", "--approve") == (2, "error: " + WHY + "\n")
    assert answered("promote", "3", "--approve", "--reason", "half the size")["release_id"] == third


WHY = "what is approved needs a reason: say why, for whoever reads the ledger"


def test_a_release_whose_file_was_changed_is_not_promoted(settings: Settings, own: Two) -> None:
    for model in (settings.root / "mlflow").rglob("model.txt"):
        model.write_text("another model")
    code, said = refused("promote", "2")
    assert (code, "model.txt was changed" in said) == (1, True)
    assert ModelRegistry(settings).champion() == (1, own[0])


def test_a_rollback_without_a_reason_or_to_what_never_served_is_refused(two: Two) -> None:
    assert "a rollback needs a reason" in refused("rollback")[1]
    code, said = refused("rollback", "2", "--reason", "it is worse")
    assert (code, f"release {two[1]} never served" in said) == (1, True)
    assert "no release served before the champion" in refused("rollback", "--reason", "it is worse")[1]
