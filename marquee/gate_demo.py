"""`marquee demo-gate`: challengers that are better, equal and worse in a part; a person's approval; a timed rollback.

Nothing here tells the gate what to say.
"""

import time
from functools import partial

from marquee import console, gate_demo_report
from marquee.airflow_api import Airflow, Question, Run
from marquee.demo import POLL_SECONDS, Clock, bring_in, clean, log_in
from marquee.gate_demo_releases import CHALLENGERS, FIRST, judge_all, refresh
from marquee.local import GATE_DEMO, Stack
from marquee.page_watch import PageWatch
from pipelines.core.errors import StackError
from pipelines.core.settings import Settings

WORLD = {"seed": 20260105, "members": 1600, "days": 42}
SERVERS = ("mlflow", "airflow", "api")
MOVERS = ("promote_release", "roll_back")
WOKEN = ("simulate_traffic", "monitor_behaviour")
"""DAGs that a moved champion wakes, and which this demo does not need."""
WHY = "as good as the champion, and its seed is the one we keep"
ROLLBACK_SECONDS = 30.0


def run(settings: Settings, limit_seconds: float) -> bool:
    """Train, judge, approve, roll back in a fresh ``<home>/demo-gate``; False where something came out otherwise.

    Raises:
        StackError: a server did not start, or time ran out.
    """
    clock = Clock(time.monotonic(), limit_seconds)
    home = settings.model_copy(update={"home": settings.root / GATE_DEMO})
    clean(home)
    bring_in(home, "world", None, WORLD)
    refresh(home, partial(_say, clock))
    results = judge_all(home, partial(_say, clock), clock.check)
    rows = [(one, results[one.name]) for one in (FIRST, *CHALLENGERS)]
    gate_demo_report.show_verdicts([(one.name, one.made, one.expected, result) for one, result in rows])
    as_asked = all(result.verdict.verdict == one.expected for one, result in rows)
    if results["equal"].champion:
        console.error("the equal challenger was promoted at once, so there is nothing for a person to decide")
        return False
    moved = _moved(home, results["equal"].release_id, clock)
    gate_demo_report.show_ledger(home)
    console.say(f"done in {clock.seconds:.0f} s")
    return moved and as_asked


def _moved(home: Settings, release_id: str, clock: Clock) -> bool:
    """The release approved by a person and served, then taken back, on servers of the demo's own."""
    stack = Stack(home.root, say=console.say)
    try:
        stack.up(only=SERVERS)
        airflow = log_in(stack, clock, (*MOVERS, *WOKEN))
        for dag_id in WOKEN:
            airflow.pause(dag_id)
        served = home.model_copy(update={"mlflow_url": stack.url("mlflow"), "api_url": stack.url("api")})
        return _approved(airflow, served, release_id, clock) and _rolled_back(airflow, served, release_id, clock)
    finally:
        console.say("stopping the servers")
        stack.down()


def _approved(airflow: Airflow, home: Settings, release_id: str, clock: Clock) -> bool:
    """A person is asked about the inconclusive release, and answers through Airflow's REST API."""
    run = _triggered(airflow, "promote_release", {"release": release_id, "ask_a_person": True})
    question = _question(airflow, run, clock)
    gate_demo_report.show_question(question)
    person = airflow.answer(question, "Approve", {"why": WHY})
    _say(clock, f"{person} approved {release_id} through Airflow's REST API: {WHY}")
    ended = _ended(airflow, run, clock)
    with PageWatch(home) as watch:
        arrived = watch.until(release_id, clock)
    _say(clock, f"promote_release: {ended.state}; every page is of {release_id} now")
    return ended.state == "success" and arrived


def _rolled_back(airflow: Airflow, home: Settings, left: str, clock: Clock) -> bool:
    """Back to the release before, while pages are asked for all the time."""
    with PageWatch(home) as watch:
        watch.until(left, clock)
        began = time.monotonic()
        run = _triggered(airflow, "roll_back", {"reason": "the demo goes back"})
        to = str(watch.until_another(left, clock))
        ended = _ended(airflow, run, clock)
        time.sleep(1.0)
    return gate_demo_report.show_rollback(watch, left, to, began, ROLLBACK_SECONDS) and ended.state == "success"


def _triggered(airflow: Airflow, dag_id: str, form: dict[str, object]) -> Run:
    run_id = airflow.trigger(dag_id, form)
    return next(run for run in airflow.runs() if run.run_id == run_id)


def _question(airflow: Airflow, run: Run, clock: Clock) -> Question:
    while not (questions := airflow.questions(run)):
        if _state(airflow, run).ended:
            raise StackError(f"{run.dag_id} ended without asking anybody: read its log in Airflow")
        clock.check("the question to a person")
        time.sleep(POLL_SECONDS / 3)
    return questions[0]


def _ended(airflow: Airflow, run: Run, clock: Clock) -> Run:
    while not (now := _state(airflow, run)).ended:
        clock.check(run.dag_id)
        time.sleep(POLL_SECONDS / 3)
    return now


def _state(airflow: Airflow, run: Run) -> Run:
    return next(one for one in airflow.runs() if (one.dag_id, one.run_id) == (run.dag_id, run.run_id))


def _say(clock: Clock, what: str) -> None:
    console.say(f"{clock.seconds:4.0f} s  {what}")
