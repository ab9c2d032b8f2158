"""The true process through past time: each week retrain on the days before, let the gate decide, serve the next.

A week's days are first served by the champion that stands and then test the release that was learnt before them, as
the retrain DAG does when it runs on the morning after: the same training, the same judgement, the same gate. Nothing is
known on a morning that had not arrived by then. Features are made once, for a feature is of its moment; a generator's
fit is of its day, and the days lie on a grid of the step, so that weeks share fits.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import Any

from pydantic import Field

from pipelines import backtest, retraining
from pipelines.adapters.feature_store import FeatureStore
from pipelines.backtest import Say
from pipelines.candidates.scores import CheckpointConfig
from pipelines.core import days
from pipelines.core.config import Config
from pipelines.core.errors import DataError
from pipelines.core.evidence import Evidence
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.window import Window
from pipelines.features import job as features
from pipelines.judgement import Judgement, exam, judge
from pipelines.metrics.intervals import Interval
from pipelines.promotion import gains as gains_of
from pipelines.promotion import policy as policies
from pipelines.promotion.comparison import compare
from pipelines.promotion.gains import PAGE, Gain, of_verdict, worth
from pipelines.promotion.gate import Verdict, decide, primary_of
from pipelines.promotion.policy import Policy
from pipelines.ranking import DEFAULT

Advance = Callable[[int, int], None]
"""Told how many weeks are done, of how many."""
SECONDS_A_WEEK, MEMBERS_OF_IT = 60.0, 1000
"""What a week of so many members takes on two cores: good for a first guess, replaced by what the first week took."""


class RollingConfig(Config):
    """How long a week is, and how many days the first release learns from at least."""

    every_days: int = Field(default=7, ge=1)
    least_days: int = Field(default=21, ge=2)


WEEKLY = RollingConfig()


@dataclass(frozen=True)
class Faced:
    """A decision that the next week will show right or wrong: the two sides, None for popularity, and its gain."""

    challenger: Path
    champion: Path | None
    gain: Gain | None


@dataclass(frozen=True)
class Stage:
    """What every week shares."""

    settings: Settings
    config: RollingConfig
    policy: Policy
    seed: int
    method: str

    @property
    def checkpoints(self) -> Path:
        return self.settings.root / "staging" / retraining.CHECKPOINTS


def run(
    source: str,
    path: Path,
    *,
    settings: Settings,
    test_from: date | None = None,
    test_to: date | None = None,
    config: RollingConfig = WEEKLY,
    seed: int = 7,
    method: str = DEFAULT,
    policy: Policy | None = None,
    say: Say = lambda step: None,
    advance: Advance = lambda done, of: None,
    ahead: bool = False,
    clock: Callable[[], float] = perf_counter,
) -> dict[str, Any]:
    """Import into ``settings.home``, which must be empty, and run week after week; all JSON.

    ``weeks``: what served, its page beside popularity's, the verdict at the week's end. ``gains``: what each decision
    predicted and what the next week showed, and ``worth``: how much of a predicted gain came true.
    ``ahead``: learn in a process of its own while earlier weeks are judged, which no learning depends on.

    Raises:
        DataError: as a backtest does, and where the days hold no whole week after those that are learnt from.
    """
    lake, _ = backtest.imported(source, path, settings=settings, say=say)
    windows = weeks(lake, config, test_from, test_to)
    say(plan(lake, windows, config))
    FeatureStore(settings).apply()
    features.refresh(settings, windows[0].fit_from, windows[-1].test_to)
    stage = Stage(settings, config, policy or policies.read(), seed, method)
    told: list[dict[str, Any]] = []
    champion: Path | None = None
    faced: Faced | None = None
    began = clock()
    with _trained(stage, windows, ahead) as releases:
        for number, (window, challenger) in enumerate(zip(windows, releases, strict=True), start=1):
            week, gained, faced = _week(stage, window, challenger, champion, faced)
            if gained:
                told[-1]["gain"] = gained.as_dict()
            champion = challenger if week["verdict"] == "promote" else champion
            told.append(week | {"seconds": round(clock() - began - sum(w["seconds"] for w in told), 1)})
            say(_progress(told, len(windows)))
            advance(number, len(windows))
    return _report(lake, stage, told)


def weeks(lake: Lake, config: RollingConfig, first: date | None = None, last: date | None = None) -> list[Window]:
    """The windows, one a step: each tests its own days and learns from all before. Days left over at the end are none.

    ``first``: the day that the first test begins; as soon as ``least_days`` lie before it, where it is not given.

    Raises:
        DataError: where no whole step fits.
    """
    held = lake.days("impressions") or lake.days("watches")
    if not held:
        raise DataError(f"the lake {lake.root} holds no impressions and no watches: import them first")
    step = timedelta(days=config.every_days)
    begin, end = first or held[0] + timedelta(days=config.least_days), min(last or held[-1], held[-1])
    found = []
    while begin + step - timedelta(days=1) <= end:
        found.append(retraining.plan_window(lake, begin, begin + step - timedelta(days=1)))
        begin += step
    if not found:
        raise DataError(
            f"{held[0]} to {end} hold no {config.every_days} days from {begin} on: take a shorter step (--every), an "
            f"earlier --test-from, or more days"
        )
    return found


def plan(lake: Lake, windows: list[Window], config: RollingConfig) -> str:
    """How many weeks there are, and about how long they take, before anything is computed."""
    members = lake.read("users", columns=["user_id"]).num_rows
    seconds = SECONDS_A_WEEK * max(members / MEMBERS_OF_IT, 0.2)
    return (
        f"plan: {len(windows)} retrainings, one every {config.every_days} days, {windows[0].test_from} to "
        f"{windows[-1].test_to}, {members:,} members; "
        f"about {seconds * len(windows) / 60:.0f} min at {seconds:.0f} s each"
    )


def _progress(told: list[dict[str, Any]], of: int) -> str:
    done, week = len(told), told[-1]
    rest = f", about {fmean(w['seconds'] for w in told) * (of - done) / 60:.0f} min to go" if done < of else ""
    return f"week {done} of {of} ({week['first']} to {week['last']}): {week['verdict']}{rest}"


@contextmanager
def _trained(stage: Stage, windows: list[Window], ahead: bool) -> Iterator[Iterator[Path]]:
    """The releases of the windows in their order, each learnt when it is asked for, or ahead of that."""
    if not ahead:
        yield (_train(stage, window) for window in windows)
        return
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(_train, stage, window) for window in windows]
        try:
            yield (release.result() for release in running)
        finally:
            for release in running:
                release.cancel()


def _week(
    stage: Stage, window: Window, challenger: Path, champion: Path | None, faced: Faced | None
) -> tuple[dict[str, Any], Gain | None, Faced]:
    """Judge on the week and decide: the week, what the decision before it was worth on it, and the new one."""
    sides = [side for side in (challenger, champion, *((faced.challenger, faced.champion) if faced else ())) if side]
    asked = exam(stage.settings, window, seed=stage.seed)
    judged = {s: judge(stage.settings, s, window, seed=stage.seed, asked=asked) for s in dict.fromkeys(sides)}
    ours, gained = judged[challenger], None
    if faced and faced.gain:
        gained = replace(faced.gain, realised={PAGE: _realised(stage, faced, faced.gain, judged, ours.floor)})
    verdict = decide(
        ours.evidence, judged[champion].evidence if champion else None, ours.floor, stage.policy, stage.seed
    )
    gain = of_verdict(
        verdict.as_dict(),
        stage.policy.primaries,
        release_id=_id(ours),
        before=_id(judged[champion]) if champion else None,
        decided=(window.test_to + timedelta(days=1)).isoformat(),
        promoted=verdict.verdict == "promote",
    )
    week = _told(stage, window, judged[champion] if champion else None, ours, verdict)
    return week | {"gain": gain.as_dict() if gain else None}, gained, Faced(challenger, champion, gain)


def _train(stage: Stage, window: Window) -> Path:
    """The release that the morning after the window would have made and judged on it."""
    settings, seed, kept = stage.settings, stage.seed, stage.checkpoints
    morning = days.start(window.test_to + timedelta(days=1), Lake(settings.lake_path).dataset.time_zone)
    grid = CheckpointConfig(every_days=stage.config.every_days, most=(window.test_from - window.fit_from).days)
    retraining.build_training_set(settings, window, seed=seed, kept=kept, config=grid, known_by=morning)
    retraining.fit_generators(settings, window, seed=seed, kept=kept)
    retraining.fit_ranker(settings, window, seed=seed, method=stage.method, kept=kept)
    folder = retraining.staging(settings, window) / retraining.RELEASE
    retraining.seal(settings, window, seed=seed, folder=folder)
    return folder


def _realised(stage: Stage, faced: Faced, gain: Gain, judged: Mapping[Path, Judgement], floor: Evidence) -> Interval:
    """The gain of the last decision's challenger on this week, paired by member, over what it was compared with.

    ``floor``: popularity as it was on the week's first morning.
    """
    mine, other = judged[faced.challenger].evidence, judged[faced.champion].evidence if faced.champion else floor
    return compare(gain.metric, gain.against, mine, other, 0.0, stage.policy, stage.seed).gain


def _told(
    stage: Stage, window: Window, served: Judgement | None, challenger: Judgement, verdict: Verdict
) -> dict[str, Any]:
    """The week's figures; pages in the metric that the gate decides by."""
    metric = primary_of(stage.policy, challenger.evidence)
    return {
        "first": window.test_from.isoformat(),
        "last": window.test_to.isoformat(),
        "learnt": {"from": window.fit_from.isoformat(), "to": window.last_fitted.isoformat()},
        "champion": _id(served) if served else None,
        "metric": metric,
        "page": _figure(served.figures, metric) if served else None,
        "popularity": _figure(challenger.popularity, metric),
        "challenger": _id(challenger),
        "challenger_page": _figure(challenger.figures, metric),
        "verdict": verdict.verdict,
        "reasons": list(verdict.reasons),
        "members": challenger.counts["page_members"],
    }


def _figure(figures: Mapping[str, Mapping[str, Interval]], metric: str) -> dict[str, float]:
    part, _, name = metric.partition(".")
    return figures[part][name].as_dict()


def _id(judgement: Judgement) -> str:
    return str(judgement.evidence.release_id)


def _report(lake: Lake, stage: Stage, told: list[dict[str, Any]]) -> dict[str, Any]:
    gains = [gains_of.read(week["gain"]) for week in told if week["gain"]]
    return {
        "dataset": lake.dataset.name,
        "seed": stage.seed,
        "every_days": stage.config.every_days,
        "method": stage.method,
        "metric": told[-1]["metric"] if told else stage.policy.primary,
        "weeks": told,
        "gains": [gain.as_dict() for gain in gains],
        "worth": {
            "promotions": worth([gain for gain in gains if gain.promoted], PAGE).as_dict(),
            "decisions": worth(gains, PAGE).as_dict(),
        },
    }
