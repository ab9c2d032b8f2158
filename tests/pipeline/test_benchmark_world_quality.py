"""The benchmark against the world's truth, by hand: what a page is worth, and that a missed bar is a failure."""

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.metrics.intervals import Interval

ROOT = Path(__file__).resolve().parents[2]
ASKED = {"oracle": 0.8, "popular": 1.4, "cold": 1.1, "ece": 0.02}


@pytest.fixture(scope="module")
def benchmark() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "benchmarks" / "world_quality.py"), run_name="world_quality")


def measured(benchmark: dict[str, Any], page: float, ece: float) -> Any:
    """Two members for whom the oracle's page is worth 4 and popularity's 2, the second of them cold."""
    steps = {benchmark["ORACLE"]: 4.0, benchmark["PAGE_STEP"]: page, benchmark["POPULAR"]: 2.0}
    worth = {step: {"watches": np.full(2, value)} for step, value in steps.items()}
    slices = {benchmark["EVERYONE"]: np.ones(2, dtype=bool), benchmark["COLD"]: np.array([False, True])}
    return benchmark["Measured"](worth, slices, {"ece": Interval(ece, ece, ece)}, {})


def test_a_page_near_the_oracles_meets_every_bar(benchmark, capsys):
    assert benchmark["bars"]("w", measured(benchmark, 3.4, 0.01), ASKED)
    lines = [line.split(" | ") for line in capsys.readouterr().out.splitlines()]
    assert [line[-1] for line in lines] == ["met"] * 4
    assert lines[0] == ["bar: w: expected watches to the oracle's", "0.8500 [0.8500, 0.8500]", "at least 0.8", "met"]


def test_one_missed_bar_is_a_failure_and_says_so(benchmark, capsys):
    assert not benchmark["bars"]("w", measured(benchmark, 3.0, 0.01), ASKED)
    lines = [line.split(" | ") for line in capsys.readouterr().out.splitlines()]
    assert [line[-1] for line in lines] == ["MISSED", "met", "met", "met"]
    assert not benchmark["bars"]("w", measured(benchmark, 3.4, 0.02), ASKED)


def test_the_best_page_holds_only_what_is_allowed_and_pads_where_there_is_too_little(benchmark):
    score = np.arange(12.0)[None, :].repeat(2, axis=0)
    allowed = np.ones((2, 12), dtype=bool)
    allowed[0, 11], allowed[1, 2:] = False, False
    page = benchmark["best"](score, allowed)
    assert page[0].tolist() == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert page[1].tolist() == [1, 0, *[-1] * 8]
