"""The rules of the design that no linter knows, asked of every tracked file."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from marquee import models_page
from pipelines.candidates import GENERATORS
from pipelines.features import catalogue_page
from pipelines.ranking import RANKERS

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("marquee", "pipelines", "serving", "monitoring", "dags", "feature_repo")
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager"}
FILE_LINES = 400
FUNCTION_LINES = 40
# In pieces, so that this file does not name what it forbids.
HOSTS = re.compile(
    r"\b(" + "|".join(["py" + r"pi\.org", "python" + r"hosted\.org", "download" + r"\.pytorch\.org"]) + ")"
)
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X"]) + r")\b")
CLOCKS = {"now", "utcnow", "today"}


def tracked() -> list[Path]:
    """Every file of the repository that git would commit; without git, every file outside hidden folders and var/."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        names = (ROOT / name for name in listed.stdout.split("\0") if name)
        return [path for path in names if path.is_file()]
    hidden = (".venv", "var", ".git")
    return [p for p in ROOT.rglob("*") if p.is_file() and not any(part in hidden for part in p.relative_to(ROOT).parts)]


def python_files(*folders: str) -> list[Path]:
    wanted = folders or (*PACKAGES, "tests", "benchmarks")
    return [p for p in tracked() if p.suffix == ".py" and p.relative_to(ROOT).parts[0] in wanted]


def texts() -> Iterator[tuple[Path, str]]:
    for path in tracked():
        try:
            yield path.relative_to(ROOT), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(tree: ast.Module) -> set[str]:
    """The top-level names of everything a file imports, wherever in it."""
    found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    found |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    return {name.split(".")[0] for name in found}


def test_no_module_has_a_name_that_says_nothing() -> None:
    bad = [named(p) for p in python_files() if {p.stem, *p.relative_to(ROOT).parts[:-1]} & FORBIDDEN_NAMES]
    assert not bad, f"name them for what they hold: {bad}"


def test_no_file_is_longer_than_the_bound() -> None:
    lengths = {named(p): len(p.read_text(encoding="utf-8").splitlines()) for p in python_files()}
    assert not {name: n for name, n in lengths.items() if n > FILE_LINES}, f"split files over {FILE_LINES} lines"


def test_no_function_is_longer_than_the_bound() -> None:
    long = [
        f"{named(path)}:{node.lineno} {node.name} ({length} lines)"
        for path in python_files(*PACKAGES)
        if "migrations" not in path.parts  # A migration is one list of what it makes.
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (length := _code_lines(node)) > FUNCTION_LINES
    ]
    assert not long, f"split functions over {FUNCTION_LINES} lines: {long}"


def _code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function's body, less its docstring and the functions within it, which are counted alone."""
    body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
    inner = [n for n in ast.walk(node) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) and n is not node]
    within = {line for n in inner for line in range(n.lineno, (n.end_lineno or n.lineno) + 1)}
    return len(set(range(body[0].lineno, (body[-1].end_lineno or 0) + 1)) - within)


def test_no_tracked_file_names_the_host_of_a_package_registry() -> None:
    bad = [str(path) for path, text in texts() if HOSTS.search(text)]
    assert not bad, f"pip's own settings say where packages come from: {bad}"


def test_no_tracked_file_leaves_a_note_to_do_later() -> None:
    bad = [str(path) for path, text in texts() if UNFINISHED.search(text)]
    assert not bad, f"do it, or file an issue: {bad}"


def test_only_dags_import_airflow() -> None:
    folders = [name for name in PACKAGES if name != "dags"]
    bad = [named(p) for p in python_files(*folders, "benchmarks") if "airflow" in imports(parsed(p))]
    assert not bad


def test_nobody_imports_the_feature_repository() -> None:
    bad = [named(p) for p in python_files() if "feature_repo" in imports(parsed(p))]
    assert not bad, f"Feast loads feature_repo by its path: {bad}"


def test_the_feature_repository_imports_only_core_and_features_of_ours() -> None:
    bad = [
        f"{named(path)}: {module}"
        for path in python_files("feature_repo")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ImportFrom) and (module := node.module or "").split(".")[0] in PACKAGES
        if not module.startswith(("pipelines.core", "pipelines.features"))
    ]
    assert not bad


def test_a_dag_file_is_named_for_its_dag_and_holds_one() -> None:
    for path in python_files("dags"):
        dags = [
            (decorator, node.name)
            for node in parsed(path).body
            if isinstance(node, ast.FunctionDef)
            for decorator in node.decorator_list
            if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "dag"
        ]
        assert len(dags) <= 1, f"{named(path)} holds {len(dags)} DAGs: one a file"
        for decorator, function in dags:
            given = {word.arg: getattr(word.value, "value", None) for word in decorator.keywords}
            assert given.get("dag_id", function) == path.stem, f"{named(path)} holds {given.get('dag_id', function)}"


def test_time_is_an_argument_below_the_front_door() -> None:
    """The API's app is where serving gets its clock; everything else is told what time it is."""
    bad = [
        f"{named(path)}:{node.lineno}"
        for path in python_files("pipelines", "serving", "monitoring")
        if named(path) != "serving/app.py"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and _reads_the_clock(node.func)
    ]
    assert not bad, f"take the time as an argument: {bad}"


def _reads_the_clock(function: ast.expr) -> bool:
    if not isinstance(function, ast.Attribute):
        return False
    owner = getattr(function.value, "id", getattr(function.value, "attr", ""))
    return (function.attr in CLOCKS and owner in {"datetime", "date", "Timestamp"}) or (
        function.attr in {"time", "time_ns"} and owner == "time"
    )


@pytest.mark.parametrize("source", ["datetime.now(UTC)", "date.today()", "time.time()", "dt.datetime.utcnow()"])
def test_the_clock_rule_sees_every_clock(source: str) -> None:
    call = ast.parse(source).body[0]
    assert isinstance(call, ast.Expr)
    assert isinstance(call.value, ast.Call)
    assert _reads_the_clock(call.value.func)


def test_the_page_of_features_is_that_of_the_catalogue() -> None:
    written = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
    assert written == catalogue_page.page(), f"docs/features.md is out of date: {catalogue_page.REMEDY}"


@pytest.mark.parametrize(("part", "methods"), [("generators", GENERATORS), ("rankers", RANKERS)])
def test_the_page_of_models_compares_every_method(part: str, methods: dict[str, object]) -> None:
    written = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    assert not models_page.missing(written, part, list(methods)), "run marquee models --docs"


def test_constraints_pin_exact_versions_and_name_no_address() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line.strip() and not line.startswith("#")]
    bad = [line for line in pins if not re.match(r"^[A-Za-z0-9._-]+(\[[^]]*\])?==[^ +]+( ; .+)?$", line)]
    assert len(pins) > 100
    assert not bad, f"not an exact pin without an address or local version: {bad}"
