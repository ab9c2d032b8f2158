"""The benchmark of off-policy estimates, on fewer logs; and what it says of two policies that really served."""

import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BANDIT = ROOT.parent / "shared" / "data" / "open-bandit-women"


@pytest.fixture(scope="module")
def benchmark() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "benchmarks" / "off_policy.py"), run_name="off_policy")


@pytest.fixture(scope="module")
def bandit() -> Path:
    if not BANDIT.is_dir():
        pytest.skip(f"{BANDIT} is not here: it holds the real data for developers and CI")
    return BANDIT


def test_intervals_on_a_world_hold_the_truth_about_as_often_as_they_say(benchmark):
    estimates, gains = benchmark["coverage"](benchmark["population"](5, members=400), 300, 60, beside=False)
    for rows in (estimates, gains):
        held = rows.groupby(["policy", "method"])["holds"].mean()
        # 60 logs say it to 3 points; five policies and three estimators err in different directions.
        assert held.min() >= 0.86
        assert 0.93 <= held.mean() <= 0.98


def test_a_missed_bar_is_a_failure(benchmark, capsys):
    assert benchmark["main"](["--seeds", "3", "--members", "60"]) in (0, 1)
    said = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("bar: ")]
    assert len(said) == 27
    assert {line[3] for line in said} <= {"met", "missed"}


@pytest.mark.data
def test_a_log_that_holds_one_heavy_row_cannot_tell_what_chance_would_have_earned(benchmark, bandit):
    found = benchmark["uniform_from_thompson"](bandit)
    assert found.overlap.effective_rows == pytest.approx(2.08, abs=0.01)
    assert found.verdict == "inconclusive"


@pytest.mark.data
def test_thompson_sampling_is_told_from_the_log_of_chance(benchmark, bandit):
    found, earned = benchmark["thompson_from_uniform"](bandit)
    assert found.verdict == "supported"
    assert found.value.low < earned < found.value.high
    assert found.value.high - found.value.low < 0.006
