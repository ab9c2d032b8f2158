"""The DAG files as Airflow reads them: whole, documented, typed, joined by assets, and light."""

import ast
import importlib
import inspect
import runpy
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pipelines.promotion import policy as policies

DAGS = Path(__file__).resolve().parents[2] / "dags"
SHARED = {"asking.py", "assets.py", "forms.py", "promotion_policy.py"}
LOOP = {"refresh_features", "retrain", "simulate_traffic", "monitor_behaviour"}
MOVERS = {"promote_release", "roll_back"}
WATCHERS = {"read_experiment", "reconcile"}
SPREAD = "**"
FEATURES, RELEASE, TRAFFIC = "marquee://features/", "marquee://release/", "marquee://traffic/"


@pytest.fixture(scope="module")
def described(ask_airflow) -> dict[str, Any]:
    return ask_airflow("describe")


def test_every_file_is_read_and_holds_one_dag_of_its_name(described):
    assert described["errors"] == {}
    files = {path.name for path in DAGS.glob("*.py")} - SHARED
    assert {f"{dag_id}.py": dag["file"] for dag_id, dag in described["dags"].items()} == {f: f for f in files}
    assert set(described["dags"]) == LOOP | MOVERS | WATCHERS


def test_reading_the_files_imports_nothing_heavy(described):
    assert described["brought"] == []


def test_every_dag_says_what_it_is_for_and_what_its_form_means(described):
    for dag_id, dag in described["dags"].items():
        assert dag["doc"].strip().startswith(f"### {dag_id}: ")
        assert "**Form.** " in dag["doc"]
        assert "marquee" in dag["tags"]
        assert len(dag["tags"]) > 1
        assert dag["catchup"] is False


def test_a_retraining_shows_the_policy_by_which_the_gate_decides(described):
    doc = described["dags"]["retrain"]["doc"]
    told = policies.read().model_dump(mode="json", exclude_unset=True)
    assert "**Policy** by which the gate decides" in doc
    assert all(f"**{key.replace('_', ' ')}**" in doc for key in told)
    for rule in (*told["floors"], *told["guardrails"], *told["slices"]["guardrails"]):
        assert f"- {rule['metric']}: " in doc
    assert "- release.size_mb: most 2000" in doc
    assert "**names**: tenure, warmth, age_band" in doc


@pytest.mark.parametrize("text", [None, "primary: [", "- a list", ""])
def test_a_policy_that_cannot_be_read_takes_no_dag_away(tmp_path, text):
    file = tmp_path / "policy.yaml"
    if text is not None:
        file.write_text(text)
    told = runpy.run_path(str(DAGS / "promotion_policy.py"))["as_markdown"](file)
    assert "nothing is promoted until it can" in told


def test_every_field_of_a_form_has_a_type_a_description_and_a_default(described):
    fields = {(dag, name): field for dag, of in described["dags"].items() for name, field in of["params"].items()}
    assert len(fields) >= 13
    for field in fields.values():
        kinds = {field["type"]} if isinstance(field["type"], str) else {*field["type"]} - {"null"}
        assert len(kinds) == 1
        assert kinds <= {"integer", "string", "boolean", "object"}
        assert field["said"].endswith(".")
        must_be_given = field["type"] == "string" and "minLength" in field
        assert (field["default"] is None) == ("null" in field["type"] or must_be_given)
    assert fields["retrain", "ranker"]["enum"] == ["ensemble", "gbdt", "lambdarank", "deep", "forest", "logistic"]
    assert fields["retrain", "through"]["format"] == "date"
    assert (fields["retrain", "test_days"]["minimum"], fields["retrain", "test_days"]["maximum"]) == (1, 60)


def test_each_dag_wakes_the_next_by_an_asset(described):
    told = {dag_id: (dag["wakes_on"], dag["tells"]) for dag_id, dag in described["dags"].items()}
    assert told == {
        "refresh_features": ([], [FEATURES]),
        "retrain": ([FEATURES], [RELEASE]),
        "reconcile": ([], []),
        "simulate_traffic": ([RELEASE], [TRAFFIC]),
        "monitor_behaviour": ([TRAFFIC], []),
        "read_experiment": ([], []),
        "promote_release": ([], [RELEASE]),
        "roll_back": ([], [RELEASE]),
    }


def test_an_asset_is_told_of_only_when_the_last_task_has_succeeded(described):
    """After it retraining only asks a person, which changes nothing yet."""
    for dag in described["dags"].values():
        follows = {(task, below) for task, below in dag["edges"] if task in dag["tellers"]}
        assert follows <= {("promote", "awaits_a_person")}


def test_the_tasks_of_a_retraining_follow_one_another(described):
    order = ["plan", "build_training_set", "fit_generators", "fit_ranker", "judge", "promote"]
    order += ["awaits_a_person", "ask_a_person"]
    edges = {tuple(edge) for edge in described["dags"]["retrain"]["edges"]}
    assert set(pairwise(order)) <= edges
    assert all(order.index(task) < order.index(below) for task, below in edges)


def test_a_promotion_is_by_the_verdict_or_by_a_person_who_approves_or_refuses(described):
    edges = {tuple(edge) for edge in described["dags"]["promote_release"]["edges"]}
    ways = {("who_decides", "promote"), ("who_decides", "ask_a_person")}
    assert ways | {("ask_a_person", "approve"), ("ask_a_person", "refuse")} <= edges
    assert described["dags"]["promote_release"]["tellers"] == ["approve", "promote"]


def test_a_reason_must_be_given_to_go_back_and_a_form_bounds_how_long_a_person_has(described):
    back, forth = (described["dags"][name]["params"] for name in ("roll_back", "promote_release"))
    assert (back["reason"]["type"], back["reason"]["minLength"], back["reason"]["default"]) == ("string", 3, None)
    assert (forth["release"]["default"], forth["ask_a_person"]["default"]) == (None, False)
    assert (forth["answer_within"]["minimum"], forth["answer_within"]["maximum"]) == (1, 20160)


def calls() -> Iterator[tuple[str, str, int, tuple[str, ...]]]:
    """(module, function, positional arguments, names of the others) of what tasks call in modules that they import.

    SPREAD stands for the names that only the call itself knows.
    """
    for path in sorted(DAGS.glob("*.py")):
        for task in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            body = task.body if isinstance(task, ast.FunctionDef) else []
            imports = [node for node in body if isinstance(node, ast.ImportFrom) and node.module != "datetime"]
            held = {alias.name: f"{node.module}.{alias.name}" for node in imports for alias in node.names}
            for call in (node for part in body for node in ast.walk(part) if isinstance(node, ast.Call)):
                match call.func:
                    case ast.Attribute(value=ast.Name(id=name), attr=function) if name in held:
                        yield held[name], function, len(call.args), tuple(k.arg or SPREAD for k in call.keywords)


@pytest.mark.parametrize(("module", "function", "given", "named"), sorted(set(calls())))
def test_what_a_task_calls_exists_and_takes_what_it_is_given(module, function, given, named):
    called = getattr(importlib.import_module(module), function)
    names = [name for name in named if name != SPREAD]
    signature = inspect.signature(called)
    bind = signature.bind if len(names) == len(named) else signature.bind_partial
    assert len(bind(*[None] * given, **dict.fromkeys(names)).arguments) == given + len(names)
