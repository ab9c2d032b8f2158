"""Following the DAG runs of the demo, against an Airflow that plays a script; and what the demo prints of a release."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from marquee import demo, demo_report, rest
from marquee.airflow_api import Airflow, Run, TaskRun
from pipelines.core.errors import StackError
from pipelines.core.ledger import Draft
from pipelines.core.settings import Settings
from pipelines.promotion import ledger


class Played:
    """Plays one list of (run, its tasks) after the other; the last one stays."""

    def __init__(self, *scenes: list[tuple[Run, list[TaskRun]]]) -> None:
        self.scenes = list(scenes)
        self.now: list[tuple[Run, list[TaskRun]]] = []

    def runs(self) -> list[Run]:
        self.now = self.scenes.pop(0) if len(self.scenes) > 1 else self.scenes[0]
        return [run for run, _ in self.now]

    def tasks(self, run: Run) -> list[TaskRun]:
        return next(tasks for held, tasks in self.now if held == run)

    def log(self, run: Run, task: TaskRun) -> str:
        return "DataError: watches has no rows for 2026-02-13"


def run_of(dag_id: str, state: str) -> Run:
    return Run(dag_id, f"{dag_id}-1", state, 2.0)


def task(name: str, state: str | None) -> TaskRun:
    return TaskRun(name, state, 1, 1.5)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Time passes only where somebody sleeps."""
    now = [0.0]
    monkeypatch.setattr(demo.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(demo.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


def follow(airflow: Any, limit: float = 600.0) -> list[Run]:
    return demo.follow(airflow, demo.Clock(0.0, limit))


def test_a_run_that_skipped_its_last_task_ends_the_demo_at_once_because_it_wakes_nobody() -> None:
    ended = [(run_of("simulate_traffic", "success"), [task("due", "success"), task("visit", "skipped")])]
    assert [run.dag_id for run in follow(Played(ended), limit=5.0)] == ["simulate_traffic"]


def test_a_run_that_the_clock_started_is_no_part_of_the_demo() -> None:
    nightly = (
        Run("monitor_behaviour", "scheduled__2026-11-26T01:45:00+00:00", "failed", 2.0),
        [task("plan", "failed")],
    )
    ended = [(run_of(dag_id, "success"), [task("work", "success")]) for dag_id in demo.CHAIN]
    assert [run.dag_id for run in follow(Played([nightly], [nightly, *ended]))] == list(demo.CHAIN)


def test_a_retraining_that_asks_nobody_at_its_end_is_no_end_of_the_demo() -> None:
    asked_nobody = [task("plan", "success"), task("promote", "success"), task("ask_a_person", "skipped")]
    retrained = [(run_of("retrain", "success"), asked_nobody)]
    done = [(run_of(dag, "success"), asked_nobody) for dag in demo.CHAIN]
    assert len(follow(Played(retrained, retrained, done))) == len(demo.CHAIN)


def test_it_says_why_the_gate_promoted_nothing(tmp_path) -> None:
    settings = Settings(home=tmp_path)
    assert "nothing was judged" in (demo_report.why_no_champion(settings) or "")
    facts = {"verdict": "inconclusive", "reasons": ["page.ndcg@10 is too close"]}
    about = {"event": "judged", "at": datetime(2026, 1, 1, tzinfo=UTC), "actor": "demo"}
    judged = Draft(release_id="abc", facts=facts, **about)
    ledger.append(settings, "promoter", lambda _: judged)
    assert "inconclusive: page.ndcg@10 is too close" in (demo_report.why_no_champion(settings) or "")
    better = Draft(release_id="def", facts={**facts, "verdict": "promote"}, **about)
    ledger.append(settings, "promoter", lambda _: better)
    assert demo_report.why_no_champion(settings) is None


def test_it_ends_when_every_dag_of_the_chain_has_run_and_says_each_task_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    working = [(run_of("refresh_features", "running"), [task("plan", "success"), task("compute", "running")])]
    done = [(run_of(dag, "success"), [task("plan", "success")]) for dag in demo.CHAIN]
    runs = follow(Played(working, working, done))
    assert [run.state for run in runs] == ["success"] * 4
    said = capsys.readouterr().err
    assert said.count("refresh_features.plan: success (1.5 s)") == 1
    assert said.count("monitor_behaviour.plan: success") == 1


def test_a_failed_task_is_shown_with_the_end_of_its_log(capsys: pytest.CaptureFixture[str]) -> None:
    failed = [(run_of("refresh_features", "failed"), [task("plan", "success"), task("compute", "failed")])]
    runs = follow(Played(failed))
    assert runs[0].state == "failed"
    said = capsys.readouterr().err
    assert "refresh_features.compute failed; the end of its log:" in said
    assert "DataError: watches has no rows for 2026-02-13" in said


def test_a_dag_that_no_asset_woke_is_named() -> None:
    done = [(run_of("refresh_features", "success"), [])]
    with pytest.raises(StackError, match="retrain was not started within 90 s"):
        follow(Played(done))


def test_time_runs_out_with_the_name_of_what_still_runs() -> None:
    working = [(run_of("refresh_features", "running"), [task("compute", "running")])]
    with pytest.raises(StackError, match=r"the DAG runs \(refresh_features\) took too long: gave up after 30 s"):
        follow(Played(working), limit=30.0)


def test_airflow_is_asked_as_its_api_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, Any]] = []

    def post(url: str, body: Any, **_: Any) -> Any:
        sent.append((url, body))
        return {"access_token": "t", "dag_run_id": "manual__1"}

    monkeypatch.setattr(rest, "post", post)
    airflow = Airflow("http://a", "admin", "secret")
    assert airflow.trigger("refresh_features", {"first": None}) == "manual__1"
    assert sent == [
        ("http://a/auth/token", {"username": "admin", "password": "secret"}),
        ("http://a/api/v2/dags/refresh_features/dagRuns", {"logical_date": None, "conf": {"first": None}}),
    ]


def test_a_task_log_shows_the_words_of_the_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [{"filename": "dags/retrain.py", "lineno": 3}, {"filename": "pipelines/judgement.py", "lineno": 9}]
    raised = {"exc_type": "DataError", "exc_value": "no rows", "frames": frames}
    entries = ["::group::", {"event": "Task failed", "error_detail": [raised]}]
    monkeypatch.setattr(rest, "post", lambda *_, **__: {"access_token": "t"})
    monkeypatch.setattr(rest, "get", lambda *_, **__: {"content": entries})
    said = Airflow("http://a", "admin", "s").log(run_of("retrain", "failed"), task("judge", "failed"))
    assert said.splitlines() == ["::group::", "Task failed", "DataError: no rows (pipelines/judgement.py:9)"]


def test_every_figure_of_a_release_is_shown_with_its_interval() -> None:
    metrics = {"ranker": {"auc": {"value": 0.75, "low": 0.7, "high": 0.8}}, "counts": {"rows": 12}}
    assert demo_report.figures(metrics) == [("ranker.auc", "0.7500", "0.7000 to 0.8000")]
