"""The benchmark of training-set assembly, small: it measures all sides, and a missed bar is a failure."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_benchmark_finds_equal_values_and_fails_where_a_bar_is_missed():
    script = str(ROOT / "benchmarks" / "training_assembly.py")
    impossible = ["--rows", "500", "--repeats", "1", "--within", "1000", "--faster", "1000000", "--memory", "1000"]
    ran = subprocess.run([sys.executable, script, *impossible], capture_output=True, text=True, cwd=ROOT, check=False)
    bars = [line for line in ran.stdout.splitlines() if line.startswith(("met", "MISSED"))]
    assert [line.split()[0] for line in bars] == ["met", "MISSED", "met", "met"], ran.stdout + ran.stderr
    assert "values of all sides are equal" in bars[0]
    assert "times faster than feast, 1e+06 asked" in bars[1]
    assert ran.returncode == 1
