"""read_experiment as Airflow runs it: where nothing runs there is nothing to read, and a wrong name fails."""

from pathlib import Path
from typing import Any


def test_a_night_without_experiments_is_skipped_and_an_unknown_name_fails(ask_airflow: Any, tmp_path: Path) -> None:
    quiet, wrong = ask_airflow(
        "run", "read_experiment", "{}", "read_experiment", '{"experiment": "nobody-knows"}', home=tmp_path
    )
    assert quiet == {"state": "success", "tasks": {"plan": "success", "export_events": "skipped", "read": "skipped"}}
    assert (wrong["state"], wrong["tasks"]["plan"]) == ("failed", "failed")
