"""`marquee demo-gate`: challengers that are better, equal and worse in a part; a person's approval; a timed rollback.

Nothing here tells the gate what to say. Each release is really trained and judged: what makes one better or worse is
what it learnt from and with which method.
"""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime

from marquee import console, gate_demo_report
from marquee.airflow_api import Airflow, Question, Run
from marquee.demo import POLL_SECONDS, Clock, bring_in, clean, log_in
from marquee.local import GATE_DEMO, Stack
from marquee.page_watch import PageWatch
from pipelines.core.errors import StackError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.window import Window
from pipelines.promotion.job import PromotionResult

WORLD = {"seed": 20260105, "members": 2000, "days": 28}
SERVERS = ("mlflow", "airflow", "api")
MOVERS = ("promote_release", "roll_back")
WOKEN = ("simulate_traffic", "monitor_behaviour")
"""DAGs that a moved champion wakes, and which this demo does not need."""
WHY = "as good as the champion, and its seed is the one we keep"
ACTOR = "demo-gate"
SMALLEST_PART = 150
"""Members that the age band has on the test days: with fewer its part decides nothing."""
ROLLBACK_SECONDS = 30.0


@dataclass(frozen=True)
class Challenger:
    """How a release is made, and what the gate should find out about it."""

    name: str
    made: str
    ranker: str
    seed: int
    expected: str
    damaged: bool = False


FIRST = Challenger("first", "a logistic ranker", "logistic", 7, "promote")
CHALLENGERS = (
    Challenger("better", "the same days by gradient boosting", "gbdt", 7, "promote"),
    Challenger("equal", "the same days and method, another seed", "gbdt", 8, "inconclusive"),
    Challenger("worse in a part", "one age band's outcomes swapped", "gbdt", 7, "reject", damaged=True),
)


def run(settings: Settings, limit_seconds: float) -> bool:
    """Train, judge, approve, roll back in a fresh ``<home>/demo-gate``; False where something came out otherwise.

    Raises:
        StackError: a server did not start, or time ran out.
    """
    clock = Clock(time.monotonic(), limit_seconds)
    home = settings.model_copy(update={"home": settings.root / GATE_DEMO})
    clean(home)
    bring_in(home, "world", None, WORLD)
    results = _judged(home, _prepared(home, clock), clock)
    rows = [(one, results[one.name]) for one in CHALLENGERS]
    gate_demo_report.show_verdicts([(one.name, one.made, one.expected, result) for one, result in rows])
    equal = results["equal"].release_id
    stack = Stack(home.root, say=console.say)
    try:
        stack.up(only=SERVERS)
        airflow = log_in(stack, clock, (*MOVERS, *WOKEN))
        for dag_id in WOKEN:
            airflow.pause(dag_id)
        served = home.model_copy(update={"mlflow_url": stack.url("mlflow"), "api_url": stack.url("api")})
        moved = _approved(airflow, served, equal, clock) and _rolled_back(airflow, served, equal, clock)
    finally:
        console.say("stopping the servers")
        stack.down()
    gate_demo_report.show_ledger(home)
    console.say(f"done in {clock.seconds:.0f} s")
    return moved and all(result.verdict.verdict == one.expected for one, result in rows)


def _prepared(home: Settings, clock: Clock) -> Window:
    """Features, snapshot and one training set, which all releases share."""
    from pipelines import refreshing, retraining

    _say(clock, "features of every day")
    interval = refreshing.plan(home, None, None)
    refreshing.compute(home, interval)
    refreshing.publish(home, interval)
    planned = retraining.plan(home, None, None)
    if planned is None:
        raise StackError(f"{home.root} was trained already: remove it")
    window = Window(**planned)
    _say(clock, f"training set {window.fit_from} to {window.last_fitted}, test {window.test_from} to {window.test_to}")
    retraining.build_training_set(home, window, seed=FIRST.seed)
    return window


def _judged(home: Settings, window: Window, clock: Clock) -> dict[str, PromotionResult]:
    """Each release fitted, judged against the champion of its moment, and registered."""
    from pipelines import retraining

    results, fitted = dict[str, PromotionResult](), None
    for one in (FIRST, *sorted(CHALLENGERS, key=lambda one: one.seed)):
        clock.check(f"training {one.name}")
        if fitted != one.seed:
            _fit_generators(home, window, one, clock, anew=fitted is not None)
            fitted = one.seed
        _say(clock, f"{one.name}: {one.made}")
        with _damaged(home, window, clock) if one.damaged else nullcontext():
            retraining.fit_ranker(home, window, seed=one.seed, method=one.ranker)
        retraining.judge_challenger(home, window, seed=one.seed, at=datetime.now(UTC), actor=ACTOR)
        results[one.name] = retraining.promote(home, window, at=datetime.now(UTC), actor=ACTOR)
        _say(clock, f"{one.name}: {results[one.name].verdict.verdict} on {window.test_from} to {window.test_to}")
    return results


def _fit_generators(home: Settings, window: Window, one: Challenger, clock: Clock, *, anew: bool) -> None:
    """The generators of a seed; those that the training set left behind are of the first one."""
    from pipelines import retraining

    _say(clock, f"{one.name}: generators, seed {one.seed}")
    if anew:
        shutil.rmtree(retraining.staging(home, window) / retraining.CHECKPOINTS)
    retraining.fit_generators(home, window, seed=one.seed)


@contextmanager
def _damaged(home: Settings, window: Window, clock: Clock) -> Iterator[None]:
    """Within the block the outcomes of one age band are swapped in what is learnt from; the test days are as ever."""
    from pipelines.evaluation.slices import age_band
    from pipelines.simulation.faults import swapped_outcomes

    lake, table = Lake(home.lake_path), f"training/{window.test_from}"
    rows = lake.read(table)
    people = rows.select(["user_id", "user_age", "split"]).to_pandas()
    people["band"] = people.user_age.map(age_band)
    tested = people[people.split == "test"].drop_duplicates("user_id").band.value_counts()
    band = tested[tested >= SMALLEST_PART].index[-1]
    members = set(people[people.band == band].user_id)
    _say(clock, f"until the test, the app of the {len(members)} members aged {band} says finished for abandoned")
    lake.publish(table, swapped_outcomes(rows, members))
    try:
        yield
    finally:
        lake.publish(table, rows)


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
