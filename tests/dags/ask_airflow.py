"""Run by the tests of this folder in a process of its own, so that Airflow's import changes nothing in theirs.

ask_airflow.py describe             what the DAG files define, as JSON
ask_airflow.py run DAG_ID FORM...   dag.test() for each DAG with its JSON form; the states of runs and tasks, as JSON
"""

import json
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
HEAVY = ("feast", "mlflow", "duckdb", "ibis", "lightgbm", "evidently", "torch", "sklearn", "implicit", "pipelines")


def bag() -> Any:
    from airflow.dag_processing.dagbag import BundleDagBag

    return BundleDagBag(dag_folder=str(REPOSITORY / "dags"), bundle_path=REPOSITORY / "dags", bundle_name="dags-folder")


def describe() -> dict[str, Any]:
    """What the bag holds, and which heavy modules reading the files brought in."""
    from airflow.dag_processing.dagbag import BundleDagBag  # noqa: F401  What Airflow itself imports is not the files' doing.

    before = set(sys.modules)
    found = bag()
    return {
        "errors": found.import_errors,
        "brought": sorted(m for m in set(sys.modules) - before if m.split(".")[0] in HEAVY),
        "dags": {dag_id: _described(dag) for dag_id, dag in found.dags.items()},
    }


def _described(dag: Any) -> dict[str, Any]:
    condition = dag.timetable.asset_condition
    return {
        "file": Path(dag.fileloc).name,
        "doc": dag.doc_md,
        "tags": sorted(dag.tags),
        "catchup": dag.catchup,
        "wakes_on": sorted(asset.uri for asset in condition.objects) if condition else [],
        "tells": sorted({outlet.uri for task in dag.tasks for outlet in task.outlets}),
        "tellers": sorted(task.task_id for task in dag.tasks if task.outlets),
        "params": {name: {"default": p.value, **p.schema} | {"said": p.description} for name, p in dag.params.items()},
        "edges": sorted([task.task_id, below] for task in dag.tasks for below in task.downstream_task_ids),
    }


def run(forms: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Each run's state and its tasks' states, one run after the other."""
    # Read anew for each: a test run leaves its form in the DAG's own parameters.
    runs = [bag().dags[dag_id].test(run_conf=json.loads(form)) for dag_id, form in forms]
    return [{"state": str(r.state), "tasks": {t.task_id: str(t.state) for t in r.get_task_instances()}} for r in runs]


if __name__ == "__main__":
    given = sys.argv[2:]
    answer = describe() if sys.argv[1] == "describe" else run(list(zip(given[::2], given[1::2], strict=True)))
    print("\n" + json.dumps(answer))
