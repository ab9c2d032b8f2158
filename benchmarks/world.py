"""How fast a world is made, how hard it is, and what memory it takes: ``python benchmarks/world.py [SEED ...]``."""

import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from pipelines.simulation.config import WorldConfig
from pipelines.simulation.exam import examine
from pipelines.simulation.world import WorldReport, simulate

UNTUNED = (7_001, 7_002, 7_003)
"""Seeds that nothing was tuned on."""


def measure(config: WorldConfig) -> None:
    """Print a line of cost and a line of the exam; the world is made in a process of its own, for its own peak."""
    with tempfile.TemporaryDirectory() as folder:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
            report, took, peak = alone.submit(make, config, Path(folder)).result()
        shown = report.rows["impressions"]
        print(f"{report.name}: {config.members} members, {config.days} days, hash {report.fingerprint[:16]}")
        print(
            f"  {shown:,} impressions in {took:.1f} s: {100_000 * took / shown:.2f} s per 100,000, "
            f"{sum(report.rows.values()) / took:,.0f} rows/s, peak {peak:.0f} MiB above the imports"
        )
        print("  " + ", ".join(f"{name} {value:.3f}" for name, value in examine(Path(folder)).as_dict().items()))


def make(config: WorldConfig, folder: Path) -> tuple[WorldReport, float, float]:
    """The report, the seconds and the MiB that one world takes."""
    before, began = _peak(), time.perf_counter()
    report = simulate(config, folder)
    return report, time.perf_counter() - began, _peak() - before


def _peak() -> float:
    """The most MiB this process has held, as Linux counts it since the process began."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def main(seeds: list[int]) -> None:
    """Both difficulties of every seed, then more members and more days, for the growth of memory."""
    for seed in seeds:
        measure(WorldConfig(seed=seed, members=1_000, days=28, difficulty="normal"))
        measure(WorldConfig(seed=seed, members=1_000, days=28, difficulty="hard"))
    for members, days in ((1_000, 56), (4_000, 14), (16_000, 7)):
        measure(WorldConfig(seed=seeds[0], members=members, days=days))


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]] or list(UNTUNED))
