"""What one retraining takes: import, features, training set, every generator and every ranker, without a search.

``python benchmarks/retraining.py [--impressions N]``: a world of about so many impressions (made first, not counted)
through the jobs of the DAGs in a process of its own, whose memory is watched with that of its children: import,
features of every day, the training set (each row scored by generators that were fitted before its day), the generators
and the blend's weights, then each registered ranker (fitted, calibrated, fitted again), and the seal. A line a stage:
seconds, CPU seconds, and the most memory held meanwhile; then the bars, the exit status being 1 where one is missed.
Where others want more cores than the machine has, the bar is held to CPU seconds, for the clock is not ours alone.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import psutil

from pipelines import backtest, retraining
from pipelines.adapters.feature_store import FeatureStore
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.features import job as features
from pipelines.ranking import RANKERS
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.world import simulate

SEED, DAYS, TEST_DAYS = 7, 49, 7
A_MEMBER_AND_DAY = 4.35
"""Impressions that a normal world shows a member a day."""


@dataclass(frozen=True)
class Stage:
    """What one step took: seconds on the clock and of CPU, and the most bytes held meanwhile."""

    name: str
    seconds: float
    cpu: float
    memory: int


@dataclass
class Watch:
    """Notes the memory of this process and its children, step by step."""

    stages: list[Stage] = field(default_factory=list)
    _peak: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        """Until the last step is over."""
        process = psutil.Process()
        while not self._over.wait(0.05):
            self._peak = max(self._peak, held_by(process))

    def step(self, name: str, call: Callable[[], object]) -> None:
        """Make the call and note what it took."""
        self._peak, began, cpu = 0, time.perf_counter(), cpu_seconds()
        call()
        peak = max(self._peak, held_by(psutil.Process()))
        self.stages.append(Stage(name, time.perf_counter() - began, cpu_seconds() - cpu, peak))
        print(f"  {line(self.stages[-1])}", file=sys.stderr, flush=True)

    def close(self) -> None:
        self._over.set()


def held_by(process: psutil.Process) -> int:
    """Bytes of the process and of those it started."""
    total = 0
    for one in (process, *process.children(recursive=True)):
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:  # It ended between the two questions.
            continue
    return total


def cpu_seconds() -> float:
    """Of this process, its threads, and the children that ended."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def retrained(world: Path, home: Path, config: WorldConfig) -> list[Stage]:
    """Every stage of one retraining, in order."""
    settings, watch = Settings(home=home), Watch()
    watcher = threading.Thread(target=watch.look)
    watcher.start()
    try:
        watch.step("import", lambda: backtest.imported("tables", world, settings=settings, say=lambda step: None))
        test_from = config.start + timedelta(days=config.days - TEST_DAYS)
        window = retraining.plan_window(Lake(settings.lake_path), test_from)
        FeatureStore(settings).apply()
        watch.step("features", lambda: features.refresh(settings, window.fit_from, window.test_to))
        watch.step("training set", lambda: retraining.build_training_set(settings, window, seed=SEED))
        watch.step("generators and blend", lambda: retraining.fit_generators(settings, window, seed=SEED))
        for name in RANKERS:
            watch.step(f"ranker {name}", partial(retraining.fit_ranker, settings, window, seed=SEED, method=name))
        folder = retraining.staging(settings, window) / retraining.RELEASE
        watch.step("seal", lambda: retraining.seal(settings, window, seed=SEED, folder=folder))
    finally:
        watch.close()
        watcher.join()
    return watch.stages


def line(stage: Stage) -> str:
    """A row of the table."""
    return f"{stage.name:<24} {stage.seconds:>9.1f} {stage.cpu:>9.1f} {stage.memory / 1e9:>9.2f}"


def main(impressions: int, minutes: float, memory: float) -> int:
    """Print the table and the bars; 1 where one is missed."""
    config = WorldConfig(seed=SEED, members=max(20, round(impressions / A_MEMBER_AND_DAY / DAYS)), days=DAYS)
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        shown = simulate(config, Path(folder) / "world").rows["impressions"]
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
            stages = alone.submit(retrained, Path(folder) / "world", Path(folder) / "home", config).result()
    whole = Stage(
        "all",
        sum(stage.seconds for stage in stages),
        sum(stage.cpu for stage in stages),
        max(stage.memory for stage in stages),
    )
    cores, busy = os.cpu_count() or 1, os.getloadavg()[1]
    print(f"{shown:,} impressions of {config.members:,} members, {config.media_count:,} titles, {DAYS} days")
    print(f"{'stage':<24} {'seconds':>9} {'cpu':>9} {'GB':>9}")
    for stage in (*stages, whole):
        print(line(stage))
    shared = busy > cores
    print(f"{cores} cores, {busy:.1f} of them wanted: the time is held to {'CPU seconds' if shared else 'the clock'}")
    taken = (whole.cpu if shared else whole.seconds) / 60
    held = [
        ("minutes", f"{taken:.1f}", f"under {minutes:g}", taken < minutes),
        ("peak memory", f"{whole.memory / 1e9:.2f} GB", f"under {memory:g} GB", whole.memory / 1e9 < memory),
    ]
    for name, measured, asked, met in held:
        print(f"bar: retraining on {shown:,} impressions: {name} | {measured} | {asked} | {'met' if met else 'MISSED'}")
    return 0 if all(met for *_, met in held) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--impressions", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=15.0, help="less than so many")
    parser.add_argument("--memory", type=float, default=6.0, help="less than so many GB")
    sys.exit(main(**vars(parser.parse_args())))
