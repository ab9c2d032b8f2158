"""How fast a world is made, how hard it is, and what memory it takes: ``python benchmarks/world.py [SEED ...]``."""

import resource
import sys
import tempfile
import time
from pathlib import Path

from pipelines.simulation.config import WorldConfig
from pipelines.simulation.exam import examine
from pipelines.simulation.world import simulate

UNTUNED = (7_001, 7_002, 7_003)
"""Seeds that nothing was tuned on."""


def measure(config: WorldConfig) -> None:
    """Print one line of speed and one of the exam."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        report = simulate(config, Path(folder))
        took = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        shown = report.rows["impressions"]
        print(f"{report.name}: {config.members} members, {config.days} days, hash {report.fingerprint[:16]}")
        print(
            f"  {shown:,} impressions in {took:.1f} s: {100_000 * took / shown:.2f} s per 100,000, "
            f"{sum(report.rows.values()) / took:,.0f} rows/s, peak {peak:.0f} MiB"
        )
        print("  " + ", ".join(f"{name} {value:.3f}" for name, value in examine(Path(folder)).as_dict().items()))


def main(seeds: list[int]) -> None:
    """Both difficulties of every seed, then more members and more days, for the growth of memory."""
    for seed in seeds:
        measure(WorldConfig(seed=seed, members=1_000, days=28, difficulty="normal"))
        measure(WorldConfig(seed=seed, members=1_000, days=28, difficulty="hard"))
    for members, days in ((1_000, 56), (4_000, 14)):
        measure(WorldConfig(seed=seeds[0], members=members, days=days))


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]] or list(UNTUNED))
