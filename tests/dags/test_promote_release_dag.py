"""promote_release and roll_back on a real Airflow: a person approves, rejects, or stays silent; and back again."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from shelves import AT, empty_home, register, seal, served

from marquee import servers
from marquee.airflow_api import Airflow, Question, Run
from marquee.local import Stack
from pipelines.adapters.model_registry import ModelRegistry
from pipelines.core.errors import StackError
from pipelines.core.settings import Settings
from pipelines.promotion import ledger, moves

pytestmark = [
    pytest.mark.timeout(600),
    # MLflow 3.17 maps its tables with a loader strategy that SQLAlchemy 2.1 deprecates.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
    # MLflow keeps one engine a database file for the life of the process.
    pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning"),
]
PATIENCE_SECONDS = 240.0
DAGS = {"promote_release", "roll_back", "simulate_traffic"}


@dataclass
class Workshop:
    """A home with a champion and releases that the gate could not tell about, and a real Airflow on it."""

    settings: Settings
    releases: dict[str, str]
    airflow: Airflow

    def run(self, dag_id: str, **form: Any) -> Run:
        run_id = self.airflow.trigger(dag_id, form)
        return next(run for run in self.airflow.runs() if run.run_id == run_id)

    def asked(self, name: str) -> tuple[Run, Question]:
        """A run for a release, once it waits for a person."""
        run = self.run("promote_release", release=self.releases[name], ask_a_person=True)
        self.until(lambda: bool(self.airflow.questions(run)), run)
        return run, self.airflow.questions(run)[0]

    def ended(self, run: Run) -> dict[str, str | None]:
        """How each task ended."""
        self.until(lambda: self.now(run).ended, run)
        return self.states(run)

    def now(self, run: Run) -> Run:
        return next(one for one in self.airflow.runs() if one.run_id == run.run_id)

    def states(self, run: Run) -> dict[str, str | None]:
        return {task.task_id: task.state for task in self.airflow.tasks(run)}

    def until(self, state: Callable[[], bool], run: Run) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not state():
            assert time.monotonic() < deadline, f"{run.run_id}: {self.states(run)}"
            time.sleep(0.3)

    def lines(self, name: str) -> list[tuple[str, str, str | None]]:
        """What the ledger says of a release: event, actor, reason."""
        entries = [e for e in ledger.read(self.settings) if e.release_id == self.releases[name]]
        return [(e.event, e.actor, e.facts.get("reason")) for e in entries]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    folder = tmp_path_factory.mktemp("workshop")
    settings = empty_home(folder / "home", tmp_path_factory.getbasetemp())
    releases = {"champion": seal(folder / "champion", 1)}
    served(settings, releases["champion"], register(settings, folder / "champion", "promote"))
    moves.promote(settings, releases["champion"], at=AT, actor="the gate")
    for seed, name in enumerate(("approved", "rejected", "forgotten", "speechless"), 2):
        releases[name] = seal(folder / name, seed)
        register(settings, folder / name, "inconclusive")
    stack = Stack(settings.root, say=lambda line: None)
    try:
        stack.up(only=("mlflow", "airflow"))
        airflow = Airflow(stack.url("airflow"), "admin", servers.logins(settings.root)["admin"])
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not airflow.dag_ids() >= DAGS:
            assert time.monotonic() < deadline, airflow.import_errors()
            time.sleep(0.5)
        airflow.pause("simulate_traffic")
        yield Workshop(settings, releases, airflow)
    finally:
        stack.down()


def test_a_wrong_form_starts_no_run(workshop: Workshop) -> None:
    wrong = {
        "promote_release": ({"answer_within": 0}, {"release": 3}, {"ask_a_person": "yes"}),
        "roll_back": ({}, {"reason": "no"}, {"reason": "    "}, {"to": 1, "reason": "it is worse"}),
    }
    for dag_id, forms in wrong.items():
        for form in forms:
            with pytest.raises(StackError, match="answered 400"):
                workshop.airflow.trigger(dag_id, form)


def test_without_a_person_the_undecided_release_is_not_promoted_and_the_message_says_how_it_could_be(
    workshop: Workshop,
) -> None:
    run = workshop.run("promote_release", release=workshop.releases["approved"])
    assert workshop.ended(run)["consider"] == "failed"
    (task,) = [task for task in workshop.airflow.tasks(run) if task.task_id == "consider"]
    said = workshop.airflow.log(run, task)
    assert "the gate said inconclusive; tick ask_a_person to have a person decide" in said


def test_a_person_who_rejects_must_say_why_and_is_named_in_the_ledger(workshop: Workshop) -> None:
    before = moves.champion(workshop.settings)
    run, question = workshop.asked("rejected")
    assert question.options == ("Approve", "Reject")
    assert f"Release **{workshop.releases['rejected']}**" in question.body
    workshop.airflow.answer(question, "Reject", {"why": "the logo was missing"})
    states = workshop.ended(run)
    assert (states["refuse"], states["approve"], states["promote"]) == ("success", "skipped", "skipped")
    assert workshop.lines("rejected")[1:] == [("refused", "admin", "the logo was missing")]
    assert moves.champion(workshop.settings) == before
    with pytest.raises(StackError, match="answered 409"):
        workshop.airflow.answer(question, "Approve", {"why": "after all"})


def test_a_rejection_without_a_reason_is_no_answer(workshop: Workshop) -> None:
    run, question = workshop.asked("speechless")
    workshop.airflow.answer(question, "Reject", {"why": " "})
    assert workshop.ended(run)["ask_a_person"] == "failed"
    assert [event for event, _, _ in workshop.lines("speechless")] == ["judged"]


def test_silence_is_a_rejection_and_the_ledger_says_so(workshop: Workshop) -> None:
    run, _ = workshop.asked("forgotten")
    with sqlite3.connect(workshop.settings.root / "airflow" / "airflow.db", timeout=60) as database:
        # A day passes: only the deadline is moved, and the scheduler finds it over.
        database.execute("UPDATE task_instance SET trigger_timeout = '2026-01-01' WHERE state = 'awaiting_input'")
    database.close()
    states = workshop.ended(run)
    assert (states["refuse"], states["approve"]) == ("success", "skipped")
    assert workshop.lines("forgotten")[1:] == [("refused", "timeout", "nobody answered within 1440 min")]


def test_only_who_may_act_may_answer(workshop: Workshop) -> None:
    run, question = workshop.asked("approved")
    viewer = Airflow(workshop.airflow.url, "viewer", servers.logins(workshop.settings.root)["viewer"])
    with pytest.raises(StackError, match="answered 403"):
        viewer.answer(question, "Approve", {"why": "I like it"})
    assert workshop.airflow.answer(question, "Approve", {"why": "half the size"}) == "admin"
    states = workshop.ended(run)
    assert (states["approve"], states["refuse"], states["promote"]) == ("success", "skipped", "skipped")
    said = [("approved", "admin", "half the size"), ("promoted", "admin", "half the size")]
    assert workshop.lines("approved")[1:] == said
    held = moves.champion(workshop.settings)
    assert held is not None
    assert held.release_id == workshop.releases["approved"]
    assert ModelRegistry(workshop.settings).champion() == held


def test_a_rollback_says_who_asked_and_its_run_goes_back_once(workshop: Workshop) -> None:
    served(workshop.settings, workshop.releases["approved"], 2)
    run = workshop.run("roll_back", reason="members complained")
    assert workshop.ended(run) == {"go_back": "success"}
    event, actor, reason = workshop.lines("champion")[-1]
    assert (event, reason) == ("rolled_back", "members complained")
    assert actor == f"admin (roll_back {run.run_id})"
    held = moves.champion(workshop.settings)
    assert held is not None
    assert held.release_id == workshop.releases["champion"]
