"""What learning the blend is worth on a day that it has not seen.

``python benchmarks/blend.py [SOURCE --path DIR --day D]``; where nothing is named, the last day of a world. Every
registered generator is fitted on what was known when the day before D began, the blend is learned from what members
first engaged with on that day, the generators are fitted anew at the start of D and all members of D who had a history
are asked. Beside the learned blend: equal weights, and weights alone by plain recall@100 on a grid of four, which is
what was learned before. Recall is of the whole catalogue, intervals are over members, paired. The exit status is 1
where the learned blend's interval lies below 0 beside either, or learning and asking a thousand members take 20 s.
"""

import argparse
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from pipelines.backtest import imported
from pipelines.candidates import GENERATORS
from pipelines.candidates.blend import BlendConfig
from pipelines.candidates.contribution import report
from pipelines.candidates.interactions import interactions
from pipelines.candidates.job import MOST_MEMBERS, proposals
from pipelines.candidates.proposed import Proposed
from pipelines.candidates.weights import DEPTH, learn
from pipelines.core import days
from pipelines.core.contracts import FittedGenerator, Floats
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.metrics.intervals import bootstrap_mean, paired_difference
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.world import simulate
from pipelines.sources import SOURCES

SEED, EVERYONE, WITHIN = 7, 1_000_000, 20.0
WORLD = WorldConfig(seed=5, members=1000, days=56)


def asked(lake: Lake, day: date, most: int) -> tuple[Proposed, float]:
    """What the generators of that morning propose to the day's members, and the seconds that asking took."""
    since, until = (days.start(d, lake.dataset.time_zone) for d in (day, day + timedelta(days=1)))
    known = interactions(lake, since)
    generators: dict[str, FittedGenerator] = {}
    for name, method in GENERATORS.items():
        began = time.perf_counter()
        generators[name] = method().fit(known, as_of=since, seed=SEED)
        print(f"{day} {name} fitted in {time.perf_counter() - began:.1f} s", flush=True)
    began = time.perf_counter()
    found = proposals(lake, generators, since, until, seed=SEED, most=most)
    return found, time.perf_counter() - began


def recall(proposed: Proposed, config: BlendConfig, depth: int = DEPTH) -> Floats:
    """(n,) recall of the blend."""
    parts = [proposed.fused(name, config.worth(name, proposed.k)) for name in proposed.ranks]
    return proposed.recall(np.asarray(sum(parts)), depth)


def by_plain_recall(proposed: Proposed) -> BlendConfig:
    """Weights alone, one at a time, twice round, by recall@100 on a grid of four."""
    weights = dict.fromkeys(proposed.ranks, 1.0)
    for name in [*weights, *weights]:
        tried = {
            w: float(np.nanmean(recall(proposed, BlendConfig(weights=weights | {name: w}))))
            for w in (0.1, 0.25, 0.5, 1.0)
        }
        weights[name] = max(tried, key=lambda w: (tried[w], w))
    return BlendConfig(weights=weights)


def compare(lake: Lake, day: date) -> int:
    """Print a line a blend and the report of sources; 1 where a bar is missed."""
    learned_on, took = asked(lake, day - timedelta(days=1), MOST_MEMBERS)
    began = time.perf_counter()
    learned = learn(learned_on, BlendConfig())
    seconds = time.perf_counter() - began
    a_thousand = (took + seconds) * 1000 / max(1, len(learned_on.engaged))
    tested, _ = asked(lake, day, EVERYONE)
    sides = {"equal": BlendConfig(), "plain recall": by_plain_recall(learned_on), "learned": learned}
    found = {name: recall(tested, config) for name, config in sides.items()}
    print(f"learned on {len(learned_on.engaged):,} members, tested on {len(tested.engaged):,}")
    for name, values in found.items():
        mean, beside = bootstrap_mean(values, SEED), paired_difference(values, found["equal"], SEED)
        deep = np.nanmean(recall(tested, sides[name], BlendConfig().candidates))
        print(
            f"  {name:<13} recall@{DEPTH} {mean.value:.4f} ({mean.low:.4f} to {mean.high:.4f}), beside equal weights "
            f"{beside.value:+.4f} ({beside.low:+.4f} to {beside.high:+.4f}), recall@300 {deep:.4f}"
        )
    for name, one in report(tested, learned, SEED)["sources"].items():
        figures = ", ".join(f"{what} {one[what]['value']:.4f}" for what in ("own", "unique", "share", "alone"))
        print(f"  {name:<13} weight {one['weight']:g}, smoothing {one['smoothing']:g}: {figures}")
    bars = [("learning and asking 1,000 members", f"{a_thousand:.1f} s", f"under {WITHIN:g} s", a_thousand < WITHIN)]
    for name in ("equal", "plain recall"):
        more = paired_difference(found["learned"], found[name], SEED)
        told = f"{more.value:+.4f} ({more.low:+.4f} to {more.high:+.4f})"
        bars.append((f"recall@{DEPTH} of the learned blend less that of {name}", told, "not below 0", more.high >= 0))
    for name, figure, wanted, met in bars:
        print(f"bar: blend, {day}: {name} | {figure} | {wanted} | {'met' if met else 'missed'}")
    return 0 if all(met for *_, met in bars) else 1


def main(source: str | None, path: Path | None, day: date | None) -> int:
    """Compare on the data set that is named, or on a world."""
    with tempfile.TemporaryDirectory() as folder:
        if source is None or path is None:
            source, path = "tables", Path(folder) / "world"
            simulate(WORLD, path)
        lake, _ = imported(source, path, settings=Settings(home=Path(folder) / "home"), say=lambda step: None)
        return compare(lake, day or lake.days("watches")[-1])


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("source", choices=sorted(SOURCES), nargs="?")
    options.add_argument("--path", type=Path)
    options.add_argument("--day", type=date.fromisoformat, help="by default the last")
    given = options.parse_args()
    if (given.source is None) != (given.path is None):
        options.error("give SOURCE and --path together, or neither")
    sys.exit(main(**vars(given)))
