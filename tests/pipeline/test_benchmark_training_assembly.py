"""The benchmark of training-set assembly, small: it measures all sides, and a missed bar is a failure."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_benchmark_finds_equal_values_and_fails_where_a_bar_is_missed():
    script = str(ROOT / "benchmarks" / "training_assembly.py")
    impossible = ["--rows", "500", "--repeats", "1", "--within", "1000", "--faster", "1000000", "--memory", "1000"]
    ran = subprocess.run([sys.executable, script, *impossible], capture_output=True, text=True, cwd=ROOT, check=False)
    bars = [line.split(" | ") for line in ran.stdout.splitlines() if line.startswith("bar: ")]
    assert [bar[-1] for bar in bars] == ["met", "missed", "met", "met"], ran.stdout + ran.stderr
    assert bars[0][0].endswith("values of all sides")
    assert bars[1][2] == "at least 1e+06"
    assert ran.returncode == 1
