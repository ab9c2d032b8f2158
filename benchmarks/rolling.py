"""What a week of the rolling backtest takes: one retraining, the judgement of up to three releases, and the gate.

``python benchmarks/rolling.py [--members N] [--weeks N]``: a world of so many members (made first, not counted) through
``pipelines.rolling`` as `marquee backtest --rolling` runs it: learning in one process, judging in another. A line a
week, then the bar, the exit status being 1 where it is missed. Where others want more cores than the machine has, the
clock is not ours alone: the bar is then held to the CPU seconds a week of the busier of the two processes, which is
what two idle cores would need.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pipelines import rolling
from pipelines.core.settings import Settings
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.world import simulate

SEED = 11
CONFIG = rolling.WEEKLY


def measured(members: int, weeks: int, root: Path) -> tuple[dict[str, Any], float, float, float]:
    """The run, and seconds a week: on the clock, CPU of judging, CPU of learning."""
    days = CONFIG.least_days + weeks * CONFIG.every_days
    simulate(WorldConfig(seed=SEED, members=members, days=days), root / "world")
    begun: list[tuple[float, float]] = []

    def say(told: str) -> None:
        print(f"  {told}", file=sys.stderr, flush=True)

    def clock() -> float:
        begun.append((time.perf_counter(), time.process_time()))
        return begun[-1][0]

    settings = Settings(home=root / "home")
    found = rolling.run("tables", root / "world", settings=settings, config=CONFIG, say=say, ahead=True, clock=clock)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    whole, judging = (last - first for first, last in zip(begun[0], begun[-1], strict=True))
    return found, whole / weeks, judging / weeks, (spent.ru_utime + spent.ru_stime) / weeks


def main(members: int, weeks: int, seconds: float) -> int:
    """Print the weeks and the bar; 1 where it is missed."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        found, whole, judging, learning = measured(members, weeks, Path(folder))
    for week in found["weeks"]:
        print(
            f"{week['first']}  {week['verdict']:<13} {week['members']:>6,} pages a release  {week['seconds']:>7.1f} s"
        )
    print(f"a week: {whole:.1f} s on the clock; CPU of judging {judging:.1f} s, of learning {learning:.1f} s")
    cores, busy = os.cpu_count() or 1, os.getloadavg()[1]
    shared = busy > cores
    print(f"{cores} cores, {busy:.1f} of them wanted: held to {'CPU seconds' if shared else 'the clock'}")
    taken = max(judging, learning) if shared else whole
    met = taken < seconds
    print(
        f"bar: rolling week of {members:,} members | {taken:.1f} s | under {seconds:g} s | {'met' if met else 'missed'}"
    )
    return 0 if met else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=1000)
    parser.add_argument("--weeks", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=60.0, help="less than so many a week")
    sys.exit(main(**vars(parser.parse_args())))
