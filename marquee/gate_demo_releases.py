"""The releases of `marquee demo-gate`: a first champion, and challengers better, equal, and worse in a part.

Each is trained and judged by the steps of the retrain DAG. What makes one better or worse is what it learnt from.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipelines.core.errors import StackError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.window import Window
from pipelines.promotion.job import PromotionResult

ACTOR = "demo-gate"
FIRST_DAYS, FIRST_TEST_DAYS, TEST_DAYS = 8, 2, 7
SMALLEST_PART = 150
"""Members that the age band has on the test days: with fewer its part decides nothing."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Challenger:
    """How a release is made, and what the gate should find out about it."""

    name: str
    made: str
    ranker: str
    seed: int
    expected: str
    damaged: bool = False


FIRST = Challenger("first", f"the first {FIRST_DAYS} days, a logistic ranker", "logistic", 7, "promote")
CHALLENGERS = (
    Challenger("better", "all days, gradient boosting", "gbdt", 7, "promote"),
    Challenger("equal", "the same days and method, another seed", "gbdt", 8, "inconclusive"),
    Challenger("worse in a part", "the same, one age band's outcomes swapped", "gbdt", 7, "reject", damaged=True),
)


def refresh(home: Settings, say: Say) -> None:
    """Features of every day, members online, a snapshot to serve from."""
    from pipelines import refreshing

    say("features of every day")
    interval = refreshing.plan(home, None, None)
    refreshing.compute(home, interval)
    refreshing.publish(home, interval)


def judge_all(home: Settings, say: Say, check: Callable[[str], None]) -> dict[str, PromotionResult]:
    """Each release fitted, judged against the champion of its moment, and registered; by name.

    The first one is of long ago. The others share a training set, and those of one seed their generators, so they come
    in the order of their seeds.
    """
    from pipelines import retraining

    lake = Lake(home.lake_path)
    begin = lake.days("impressions")[0] + timedelta(days=FIRST_DAYS)
    early = retraining.plan_window(lake, begin, begin + timedelta(days=FIRST_TEST_DAYS - 1))
    _learn_from(home, early, say)
    _generators(home, early, FIRST, say)
    results = {FIRST.name: _judged(home, early, FIRST, say)}
    planned = retraining.plan(home, None, TEST_DAYS)
    if planned is None:
        raise StackError(f"{home.root} was trained already: remove it")
    window, seed = Window(**planned), None
    _learn_from(home, window, say)
    for one in sorted(CHALLENGERS, key=lambda one: one.seed):
        check(f"training {one.name}")
        if one.seed != seed:
            _generators(home, window, one, say)
            seed = one.seed
        results[one.name] = _judged(home, window, one, say)
    return results


def _learn_from(home: Settings, window: Window, say: Say) -> None:
    from pipelines import retraining

    say(f"training set {window.fit_from} to {window.last_fitted}, test {window.test_from} to {window.test_to}")
    retraining.build_training_set(home, window, seed=FIRST.seed)


def _generators(home: Settings, window: Window, one: Challenger, say: Say) -> None:
    """Fitted by the seed of the release; the training set left those of the first seed behind."""
    from pipelines import retraining

    say(f"{one.name}: generators, seed {one.seed}")
    if one.seed != FIRST.seed:
        shutil.rmtree(retraining.staging(home, window) / retraining.CHECKPOINTS)
    retraining.fit_generators(home, window, seed=one.seed)


def _judged(home: Settings, window: Window, one: Challenger, say: Say) -> PromotionResult:
    from pipelines import retraining

    say(f"{one.name}: {one.made}")
    with _damaged(home, window, say) if one.damaged else nullcontext():
        retraining.fit_ranker(home, window, seed=one.seed, method=one.ranker)
    retraining.judge_challenger(home, window, seed=one.seed, at=datetime.now(UTC), actor=ACTOR)
    result = retraining.promote(home, window, at=datetime.now(UTC), actor=ACTOR)
    say(f"{one.name}: {result.verdict.verdict} on {window.test_from} to {window.test_to}")
    return result


@contextmanager
def _damaged(home: Settings, window: Window, say: Say) -> Iterator[None]:
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
    say(f"until the calibration, the app of the {len(members)} members aged {band} says finished for abandoned")
    lake.publish(table, swapped_outcomes(rows, members))
    try:
        yield
    finally:
        lake.publish(table, rows)
