"""The `marquee` command as a person or a script calls it: output, exit codes, messages."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from marquee.cli import app
from pipelines import backtest
from pipelines.core.errors import DataError, ReleaseError
from pipelines.core.settings import Settings

FIGURE = {"value": 0.861, "low": 0.858, "high": 0.864}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MARQUEE_HOME", str(tmp_path / "var"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "var"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    made = call("world", "--to", str(folder), "--members", "30", "--days", "3", "--seed", "3")
    assert made.exit_code == 0, made.output
    return folder


def call(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


def test_help_names_every_command() -> None:
    said = call("--help").stdout
    for command in ("import", "world", "features", "backtest", "up", "down", "status", "demo"):
        assert command in said


def test_import_prints_a_table_of_what_happened_to_the_rows(world: Path) -> None:
    done = call("import", "tables", "--path", str(world))
    assert done.exit_code == 0, done.output
    assert "quarantined" in done.stdout
    assert "impressions" in done.stdout


def test_import_with_json_prints_one_object_and_nothing_else(world: Path) -> None:
    done = call("import", "tables", "--path", str(world), "--json")
    tables = json.loads(done.stdout)["tables"]
    assert tables["users"] == {"rows_in": 30, "published": 30, "duplicates": 0, "quarantined": 0, "reasons": {}}


def test_importing_again_publishes_nothing_new(world: Path) -> None:
    call("import", "tables", "--path", str(world))
    again = json.loads(call("import", "tables", "--path", str(world), "--json").stdout)["tables"]
    assert {table["published"] for table in again.values()} == {0}
    assert all(table["duplicates"] == table["rows_in"] for table in again.values())


def test_the_description_of_a_world_is_kept_beside_its_tables(world: Path, home: Path) -> None:
    call("import", "tables", "--path", str(world))
    assert (home / "lake" / "world.json").read_bytes() == (world / "world.json").read_bytes()


def test_a_world_prints_its_hash_and_rows_as_json(tmp_path: Path, world: Path) -> None:
    words = ("world", "--to", str(tmp_path / "w"), "--members", "30", "--days", "3", "--seed", "3", "--json")
    made = json.loads(call(*words).stdout)
    assert made["fingerprint"] == json.loads((world / "world.json").read_text(encoding="utf-8"))["fingerprint"]
    assert made["rows"]["users"] == 30


@pytest.mark.parametrize("source", ["kuairand", "movielens", "tables"])
def test_a_folder_that_is_not_there_is_one_line_on_stderr_and_exit_code_2(source: str, tmp_path: Path) -> None:
    done = call("import", source, "--path", str(tmp_path / "nowhere"))
    assert_refused(done, 2, str(tmp_path / "nowhere"))


def test_a_layout_that_is_not_known_is_refused_with_the_choice() -> None:
    done = call("import", "netflix", "--path", ".")
    assert done.exit_code == 2
    assert "kuairand" in done.stderr


def test_a_day_that_is_no_day_is_refused() -> None:
    done = call("backtest", "kuairand", "--path", ".", "--test-from", "29.04.2022")
    assert done.exit_code == 2
    assert "%Y-%m-%d" in done.stderr


def test_features_of_an_empty_lake_say_what_to_do_first() -> None:
    assert_refused(call("features"), 2, "run `marquee import` first")


def test_debug_shows_where_an_error_comes_from() -> None:
    done = call("--debug", "features")
    assert isinstance(done.exception, DataError)


def test_a_wrong_setting_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARQUEE_PROFILE", "hunter2")
    done = call("status")
    assert_refused(done, 2, "MARQUEE_PROFILE")
    assert "hunter2" not in done.output


def test_backtest_prints_the_figures_as_json_and_throws_its_folder_away(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    asked: dict[str, Any] = {}

    def run(source: str, path: Path, **given: Any) -> dict[str, Any]:
        asked.update(given, source=source)
        assert given["settings"].home.is_dir()
        given["say"]("fit")
        return {"ranker": {"auc": FIGURE}, "release": "abc"}

    monkeypatch.setattr(backtest, "run", run)
    words = ("backtest", "kuairand", "--path", "d", "--test-from", "2022-04-29", "--test-to", "2022-05-01", "--json")
    done = call(*words)
    assert json.loads(done.stdout) == {"ranker": {"auc": FIGURE}, "release": "abc"}
    assert "fit" in done.stderr
    assert (asked["source"], asked["test_from"], asked["test_to"]) == ("kuairand", date(2022, 4, 29), date(2022, 5, 1))
    assert list(home.iterdir()) == []


def test_backtest_keeps_a_folder_that_was_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def run(source: str, path: Path, *, settings: Settings, **given: Any) -> dict[str, Any]:
        settings.root.mkdir()
        return {"ranker": {"auc": FIGURE}}

    monkeypatch.setattr(backtest, "run", run)
    done = call("backtest", "tables", "--path", "d", "--test-from", "2026-01-20", "--home", str(tmp_path / "kept"))
    assert "0.8610 (0.8580 to 0.8640)" in done.stdout
    assert (tmp_path / "kept").is_dir()


def test_backtest_takes_the_ranker_and_the_settings_that_a_search_wrote(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {}

    def run(source: str, path: Path, **given: Any) -> dict[str, Any]:
        asked.update(given)
        return {"ranker": {"auc": FIGURE}}

    monkeypatch.setattr(backtest, "run", run)
    tuned = tmp_path / "tuned.json"
    tuned.write_text('{"rounds": 40}', encoding="utf-8")
    words = ("backtest", "tables", "--path", "d", "--test-from", "2026-01-20", "--ranker", "gbdt")
    assert call(*words, "--options", str(tuned)).exit_code == 0
    assert (asked["method"], asked["options"]) == ("gbdt", {"rounds": 40})
    assert_refused(call(*words, "--folds", "2"), 2, "--ranker")
    tuned.write_text("[1]", encoding="utf-8")
    assert_refused(call(*words, "--options", str(tuned)), 2, "tuned.json")


def test_what_fails_for_no_fault_of_the_caller_has_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: Any, **__: Any) -> dict[str, Any]:
        raise ReleaseError("release abc is not whole: model.txt was changed")

    monkeypatch.setattr(backtest, "run", run)
    assert_refused(call("backtest", "tables", "--path", "d", "--test-from", "2026-01-20"), 1, "model.txt was changed")


def test_status_of_nothing_is_exit_code_1_and_an_empty_list() -> None:
    done = call("status", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["servers"] == []
    assert "nothing is up: run `marquee up`" in call("status").stderr


def test_down_of_nothing_is_done() -> None:
    assert call("down").exit_code == 0


@pytest.mark.parametrize("pair", ["api", "api=", "api=http", "api=0", "api=65536"])
def test_a_port_must_be_a_server_and_a_number(pair: str) -> None:
    assert_refused(call("up", "--port", pair), 2, "is not SERVER=PORT")


def test_a_server_that_is_not_known_is_refused_with_the_choice() -> None:
    assert_refused(call("up", "--only", "spark"), 2, "choose from airflow, mlflow, evidently, api")


def test_the_demo_on_real_logs_needs_their_folder_and_the_world_takes_none() -> None:
    assert_refused(call("demo", "--source", "kuairand"), 2, "--source kuairand needs --data")
    assert_refused(call("demo", "--data", "d"), 2, "--source world takes no --data")


def assert_refused(done: Result, code: int, message: str) -> None:
    """One line on stderr that holds the message, nothing on stdout, no traceback."""
    assert done.exit_code == code, done.output
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("words", "module", "given"),
    [
        (("--ablation", "--group", "X6", "--group", "X7"), "ablation", {"only": ["X6", "X7"]}),
        (("--ratings",), "explicit", {}),
        (
            ("--folds", "3", "--window", "sliding", "--gap", "2"),
            "cross_validation",
            {"number": 3, "kind": "sliding", "gap_days": 2},
        ),
    ],
)
def test_backtest_can_leave_groups_out_and_test_in_folds(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], module: str, given: dict[str, Any]
) -> None:
    asked: dict[str, Any] = {}

    def run(source: str, path: Path, **options: Any) -> dict[str, Any]:
        asked.update(options)
        return {"done": module}

    monkeypatch.setattr(f"pipelines.{module}.run", run)
    done = call("backtest", "tables", "--path", "d", "--test-from", "2026-01-20", *words, "--json")
    assert json.loads(done.stdout) == {"done": module}
    assert {name: asked[name] for name in given} == given


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--ablation", "--folds", "2"), "--ablation and --folds: give one at a time"),
        (("--gap", "1"), "give --folds too"),
        (("--group", "X7"), "give --ablation too"),
        (("--ablation", "--group", "X9"), "no group X9: choose from X1, X2"),
        (("--window", "sliding"), "give --folds too"),
    ],
)
def test_backtest_refuses_options_that_do_not_go_together(words: tuple[str, ...], message: str) -> None:
    assert_refused(call("backtest", "tables", "--path", "d", "--test-from", "2026-01-20", *words), 2, message)
