"""What a person sees of a running stack: Airflow's retrain form, the servers' pages, and nothing left after `down`."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from marquee.airflow_api import Airflow, Run

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

Keep = Callable[[str], None]
FORM = {
    "through": "Last day of the test window. Leave empty for the default.",
    "test_days": "How many days judge the release. Leave empty for a seventh of all days.",
    "ranker": "The ranking method; docs/models.md says when to choose which.",
    "options": "Settings of the ranker other than its own, as marquee tune --to FILE writes them.",
    "seed": "Seed of every random choice.",
    "force": "Retrain although nothing is new.",
}


@pytest.fixture(scope="module")
def urls(chromium: str, home: Any) -> dict[str, str]:
    """The four addresses of a stack that is up."""
    said = home.marquee("up")
    urls: dict[str, str] = home.addresses()
    assert set(urls) == {"airflow", "mlflow", "evidently", "api"}
    assert all(url in said and url.startswith("http://127.0.0.1:") for url in urls.values())
    return urls


def logins(home: Any) -> dict[str, str]:
    found: dict[str, str] = json.loads((home.folder / "airflow" / "logins.json").read_text())
    return found


def log_in(page: Any, url: str, password: str) -> None:
    page.goto(url)
    page.locator("input[name=username]").fill("admin")
    page.locator("input[name=password]").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda now: "login" not in now)


def open_form(page: Any, url: str) -> Any:
    """The trigger form of retrain, which Airflow makes from the DAG's params."""
    page.goto(f"{url}/dags/retrain")
    page.get_by_role("button", name="Trigger").first.click()
    form = page.get_by_role("dialog")
    form.get_by_text("Run Parameters").wait_for()
    return form


def test_a_second_up_says_what_is_already_up(urls: dict[str, str], home: Any) -> None:
    said = home.marquee("up")
    assert all(f"{name} is already up at {url}" in said for name, url in urls.items())


def test_the_retrain_form_is_documented_and_starts_a_run_with_what_was_filled_in(
    urls: dict[str, str], home: Any, page: Any, keep: Keep
) -> None:
    password = logins(home)["admin"]
    log_in(page, urls["airflow"], password)
    form = open_form(page, urls["airflow"])
    for label, meaning in FORM.items():
        assert form.get_by_text(re.compile(rf"^{label}\s*\*?$")).first.is_visible()
        assert form.get_by_text(meaning).is_visible()
    form.get_by_role("spinbutton", name="test_days").fill("1")
    form.get_by_role("spinbutton", name="seed").fill("11")
    page.keyboard.press("Tab")
    keep("airflow-form")
    form.get_by_test_id("trigger-dag-submit").click()
    page.wait_for_url("**/dags/retrain/runs/manual__*")
    keep("airflow-run")

    airflow = Airflow(urls["airflow"], "admin", password)
    run = next(run for run in airflow.runs() if run.dag_id == "retrain")
    assert run.run_id in page.url.replace("%3A", ":").replace("%2B", "+")
    filled = {"through": None, "test_days": 1, "ranker": "ensemble", "options": None, "seed": 11, "force": False}
    assert conf(airflow, run) == filled
    page.goto(f"{urls['airflow']}/dags/retrain/runs")
    page.get_by_text(run.run_id).wait_for()
    keep("airflow-runs")
    assert planned(airflow, run) == "success"


def conf(airflow: Airflow, run: Run) -> dict[str, Any]:
    """What the run was asked to do, in Airflow's own words."""
    runs = airflow._get("dags/retrain/dagRuns?run_type=manual")["dag_runs"]
    found: dict[str, Any] = next(one["conf"] for one in runs if one["dag_run_id"] == run.run_id)
    return found


def planned(airflow: Airflow, run: Run) -> str | None:
    """How the run's first task ended, which checks the form against the lake."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        plan = next((task for task in airflow.tasks(run) if task.task_id == "plan"), None)
        if plan and plan.state in {"success", "failed", "skipped"}:
            return plan.state
        time.sleep(1)
    return None


def test_the_dags_documentation_is_drawn_as_text(urls: dict[str, str], home: Any, page: Any, keep: Keep) -> None:
    log_in(page, urls["airflow"], logins(home)["admin"])
    page.goto(f"{urls['airflow']}/dags/retrain")
    page.get_by_role("button", name="Dag Docs").click()
    drawn = page.get_by_role("dialog")
    drawn.get_by_role("heading", name="retrain: features become a release").wait_for()
    keep("airflow-docs")
    assert not [mark for mark in ("###", "**", "`") if mark in drawn.inner_text()]


def test_the_page_says_in_words_that_there_is_no_champion_yet(
    urls: dict[str, str], home: Any, page: Any, keep: Keep
) -> None:
    key = (home.folder / "api_key").read_text().strip()
    page.goto(f"{urls['api']}/#key={key}")
    notice = page.get_by_text("No release is champion: run the retrain DAG")
    notice.wait_for()
    keep("page")
    assert key not in page.url


def test_the_reference_is_drawn_without_another_host(urls: dict[str, str], page: Any, keep: Keep) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{urls['api']}/docs")
    page.get_by_role("heading", name="POST/v1/page").wait_for()
    keep("reference")
    assert all(url.startswith(urls["api"]) for url in asked)
    assert page.get_by_text("the member; a stranger gets a page too").is_visible()


@pytest.mark.parametrize(
    ("server", "title", "drawn"), [("mlflow", "MLflow", "Recent Experiments"), ("evidently", "Evidently", "Projects")]
)
def test_the_other_servers_show_their_pages(
    server: str, title: str, drawn: str, urls: dict[str, str], page: Any, keep: Keep
) -> None:
    answer = page.goto(urls[server])
    page.get_by_text(drawn).first.wait_for()
    keep(server)
    assert answer.status == 200
    assert title in page.title()


def runs(process: psutil.Process) -> bool:
    """Whether it still does anything. A zombie is only a number that the machine's init has not read yet."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def test_down_leaves_no_process_behind_although_a_run_is_under_way(urls: dict[str, str], home: Any) -> None:
    servers = json.loads((home.folder / "stack.json").read_text())["servers"]
    leaders = [psutil.Process(server["process"]["pid"]) for server in servers.values()]
    family = [*leaders, *(child for leader in leaders for child in leader.children(recursive=True))]
    assert len(leaders) == 4
    assert len(home.living()) >= 4
    said = home.marquee("down")
    assert all(f"{name} is down" in said for name in urls)
    assert home.living() == []
    assert not [process for process in family if runs(process)]
    assert home.marquee("down").startswith("nothing is up in ")
