"""`marquee demo`: data in, the DAGs round once under the real scheduler, pages out, everything down again."""

import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from marquee import console, data_commands, demo_report, servers
from marquee.airflow_api import Airflow, Run
from marquee.local import DEMO, Stack
from pipelines.core.errors import StackError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings

NIGHTLY = "scheduled__"
"""How the runs begin that Airflow starts by the clock: at some hours a fresh stack makes one at once."""
CHAIN = ("refresh_features", "retrain", "simulate_traffic", "monitor_behaviour")
"""The first is triggered; each of the others is woken by the asset of the one before it."""

WORLD = {"seed": 20260105, "members": 3000, "days": 42}
HELD_BACK_DAYS = 2
"""Days of the data that the first release does not see, so that there is a future to serve and to compare with."""

POLL_SECONDS = 1.5
WAKE_SECONDS = 90.0


@dataclass
class Clock:
    """How long the demo has run, and until when it may."""

    began: float
    limit: float

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def check(self, waiting_for: str) -> None:
        if self.seconds > self.limit:
            raise StackError(f"{waiting_for} took too long: gave up after {self.limit:.0f} s (--minutes allows more)")


def run(settings: Settings, source: str, data: Path | None, limit_seconds: float) -> bool:
    """Run the loop once in a fresh ``<home>/demo`` and print what came out. False when a DAG run failed.

    Raises:
        StackError: a server did not start, a DAG file cannot be parsed, or time ran out.
    """
    clock = Clock(time.monotonic(), limit_seconds)
    home = settings.model_copy(update={"home": settings.root / DEMO})
    clean(home)
    bring_in(home, source, data, WORLD)
    stack = Stack(home.root, say=console.say)
    try:
        stack.up()
        airflow = log_in(stack, clock, CHAIN)
        last = (Lake(home.lake_path).days("watches")[-1] - timedelta(days=HELD_BACK_DAYS)).isoformat()
        airflow.trigger(CHAIN[0], {"first": None, "last": last})
        console.say(f"triggered {CHAIN[0]} through {last}; the other DAGs follow by assets")
        runs = follow(airflow, clock)
        demo_report.show_runs(runs)
        if any(run.state == "failed" for run in runs):
            return False
        if told := demo_report.why_no_champion(home):
            console.error(told)
            return False
        demo_report.show(home.model_copy(update={"mlflow_url": stack.url("mlflow"), "api_url": stack.url("api")}))
        demo_report.show_addresses(stack)
    finally:
        console.say("stopping the servers")
        stack.down()
    console.say(f"done in {clock.seconds:.0f} s")
    return True


def clean(home: Settings) -> None:
    """Begin with an empty folder; servers that an interrupted demo left there are stopped first."""
    if home.root.exists():
        Stack(home.root, say=console.say).down()
        shutil.rmtree(home.root)
    home.root.mkdir(parents=True)


def bring_in(home: Settings, source: str, data: Path | None, world: Mapping[str, int]) -> None:
    """Import the data, or a world made for it where there is none."""
    if data is None:
        folder = home.root / "world"
        made = data_commands.make_world(folder, **world, difficulty="normal")
        console.say(f"world of {world['members']} members and {world['days']} days, hash {made['fingerprint'][:12]}")
        source, data = "tables", folder
    report = data_commands.import_folder(home, source, data)
    demo_report.show_import(report)


def log_in(stack: Stack, clock: Clock, dags: Iterable[str]) -> Airflow:
    """A session with Airflow, once it has parsed these DAGs."""
    airflow = Airflow(stack.url("airflow"), "admin", servers.logins(stack.home)["admin"])
    while missing := set(dags) - airflow.dag_ids():
        if errors := airflow.import_errors():
            raise StackError("DAG files cannot be parsed:\n" + "\n".join(errors))
        clock.check(f"parsing {', '.join(sorted(missing))}")
        time.sleep(POLL_SECONDS)
    return airflow


def follow(airflow: Airflow, clock: Clock) -> list[Run]:
    """Print each task as it ends, until every DAG of the chain has run or one failed; returns the runs."""
    told: set[tuple[str, str]] = set()
    quiet_since = clock.seconds
    spinner = console.notes().status("") if sys.stderr.isatty() else None
    with spinner or nullcontext():
        while True:
            runs = [run for run in airflow.runs() if run.dag_id in CHAIN and not run.run_id.startswith(NIGHTLY)]
            running = [task for run in runs for task in _tell(airflow, run, told, clock)]
            if spinner:
                spinner.update(f"{clock.seconds:.0f} s  {', '.join(running) or 'waiting for the scheduler'}")
            failed = [run for run in runs if run.state == "failed"]
            turned_away = [run for run in runs if run.ended and _turned_away(airflow, run)]
            if failed or turned_away or ({run.dag_id for run in runs} >= set(CHAIN) and all(run.ended for run in runs)):
                _tell_failures(airflow, failed)
                return runs
            quiet_since = clock.seconds if not all(run.ended for run in runs) else quiet_since
            _check_awake(runs, clock, quiet_since)
            time.sleep(POLL_SECONDS)


def _tell(airflow: Airflow, run: Run, told: set[tuple[str, str]], clock: Clock) -> list[str]:
    """Say which tasks ended since the last look; returns the names of those at work."""
    if (run.run_id, "") in told:
        return []
    tasks = airflow.tasks(run)
    for task in tasks:
        key = (run.run_id, task.task_id)
        if task.state in {"success", "failed", "skipped", "upstream_failed"} and key not in told:
            told.add(key)
            console.say(
                f"{clock.seconds:4.0f} s  {run.dag_id}.{task.task_id}: {task.state} ({task.seconds or 0:.1f} s)"
            )
    if run.ended:
        told.add((run.run_id, ""))
    return [f"{run.dag_id}.{task.task_id}" for task in tasks if task.state == "running"]


def _turned_away(airflow: Airflow, run: Run) -> bool:
    """Whether the run ended by its own decision, so that its asset wakes nobody."""
    tasks = airflow.tasks(run)
    return len(tasks) > 1 and all(task.state == "skipped" for task in tasks[1:])


def _tell_failures(airflow: Airflow, failed: list[Run]) -> None:
    for run in failed:
        for task in airflow.tasks(run):
            if task.state == "failed":
                console.error(f"{run.dag_id}.{task.task_id} failed; the end of its log:")
                console.say(airflow.log(run, task))


def _check_awake(runs: list[Run], clock: Clock, quiet_since: float) -> None:
    """StackError when time is up, or when nothing runs and no asset woke the next DAG."""
    clock.check(f"the DAG runs ({', '.join(run.dag_id for run in runs if not run.ended) or 'none running'})")
    if clock.seconds - quiet_since > WAKE_SECONDS:
        asleep = [dag_id for dag_id in CHAIN if dag_id not in {run.dag_id for run in runs}]
        raise StackError(f"{asleep[0]} was not started within {WAKE_SECONDS:.0f} s: look at its asset in Airflow")
