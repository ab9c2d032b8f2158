"""Airflow as a person with the admin login sees it: trigger a run, follow runs, read a task's log."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from marquee import rest

ENDED = {"success", "failed"}
WAITING, SETTLES = "awaiting_input", timedelta(seconds=3)
"""Airflow 3.3 fails a task that is answered before its scheduler has heard that the asking process ended: no person is
so quick, a program is."""


@dataclass(frozen=True)
class Run:
    """One run of a DAG."""

    dag_id: str
    run_id: str
    state: str
    seconds: float | None

    @property
    def ended(self) -> bool:
        return self.state in ENDED


@dataclass(frozen=True)
class TaskRun:
    """One task of a run; ``state`` is None until the scheduler has seen it."""

    task_id: str
    state: str | None
    tries: int
    seconds: float | None


@dataclass(frozen=True)
class Question:
    """What a task waits for a person to answer."""

    run: Run
    task_id: str
    subject: str
    body: str
    options: tuple[str, ...]


class Airflow:
    """The REST API of the server at ``url``."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        token = rest.post(f"{url}/auth/token", {"username": user, "password": password})["access_token"]
        self._headers = {"Authorization": f"Bearer {token}"}

    def dag_ids(self) -> set[str]:
        """The DAGs that have been parsed so far."""
        return {dag["dag_id"] for dag in self._get("dags?limit=100")["dags"]}

    def import_errors(self) -> list[str]:
        """What kept DAG files from being parsed, with the file's name first."""
        return [f"{e['filename']}: {e['stack_trace']}" for e in self._get("importErrors")["import_errors"]]

    def trigger(self, dag_id: str, conf: dict[str, Any]) -> str:
        """Start a run with this form; returns its id. StackError carries Airflow's words when the form is wrong."""
        body = {"logical_date": None, "conf": conf}
        run = rest.post(f"{self.url}/api/v2/dags/{quote(dag_id)}/dagRuns", body, headers=self._headers)
        return str(run["dag_run_id"])

    def runs(self) -> list[Run]:
        """Every run, oldest first."""
        found = self._get("dags/~/dagRuns?limit=100&order_by=id")["dag_runs"]
        return [Run(run["dag_id"], run["dag_run_id"], run["state"], _seconds(run)) for run in found]

    def tasks(self, run: Run) -> list[TaskRun]:
        """The tasks of a run, in the order they started."""
        found = self._get(f"{_path(run)}/taskInstances")["task_instances"]
        found.sort(key=lambda task: task["start_date"] or "~")
        return [TaskRun(task["task_id"], task["state"], task["try_number"], _seconds(task)) for task in found]

    def log(self, run: Run, task: TaskRun, lines: int = 25) -> str:
        """The last lines of a task's log."""
        said = self._get(f"{_path(run)}/taskInstances/{quote(task.task_id)}/logs/{max(1, task.tries)}")["content"]
        return "\n".join([_line(entry) for entry in said][-lines:])

    def pause(self, dag_id: str) -> None:
        """Let no new run of a DAG begin, whatever wakes it."""
        rest.patch(f"{self.url}/api/v2/dags/{quote(dag_id)}", {"is_paused": True}, headers=self._headers)

    def questions(self, run: Run) -> list[Question]:
        """What the tasks of a run wait for a person to answer, once they have waited for SETTLES."""
        found = self._get(f"{_path(run)}/hitlDetails?response_received=false")["hitl_details"]
        settled = datetime.now(UTC) - SETTLES
        return [
            Question(run, f["task_instance"]["task_id"], f["subject"], f["body"] or "", tuple(f["options"]))
            for f in found
            if f["task_instance"]["state"] == WAITING and datetime.fromisoformat(f["created_at"]) < settled
        ]

    def answer(self, question: Question, option: str, words: dict[str, str]) -> str:
        """Answer it as whoever is logged in; returns that name. StackError where it was answered already."""
        path = f"{_path(question.run)}/taskInstances/{quote(question.task_id)}/-1/hitlDetails"
        body = {"chosen_options": [option], "params_input": words}
        answered = rest.patch(f"{self.url}/api/v2/{path}", body, headers=self._headers)
        return str(answered["responded_by"]["name"])

    def _get(self, path: str) -> Any:
        return rest.get(f"{self.url}/api/v2/{path}", headers=self._headers)


def _path(run: Run) -> str:
    return f"dags/{quote(run.dag_id)}/dagRuns/{quote(run.run_id, safe='')}"


def _seconds(stretch: dict[str, Any]) -> float | None:
    if not stretch["start_date"] or not stretch["end_date"]:
        return None
    began, ended = (datetime.fromisoformat(stretch[name]) for name in ("start_date", "end_date"))
    return (ended - began).total_seconds()


def _line(entry: Any) -> str:
    """A log entry as a line; an exception's own words, and where it was raised, go below it."""
    if not isinstance(entry, dict):
        return str(entry)
    return "\n".join([str(entry.get("event", "")), *map(_raised, entry.get("error_detail") or [])])


def _raised(error: dict[str, Any]) -> str:
    place = "".join(f" ({frame['filename']}:{frame['lineno']})" for frame in error.get("frames", [])[-1:])
    return f"{error.get('exc_type')}: {error.get('exc_value')}{place}"
