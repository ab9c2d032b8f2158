"""
### reconcile: no retraining is lost

Features that nothing was trained on, and no run under way that will: then the asset event that should have started
`retrain` was lost, and this starts exactly one run in its place. The watermarks decide; nothing else is read.

**Form.** `grace_minutes` is how long the watermark of the features must have stood still before an event counts as
lost.

**When it starts nothing.** `due` logs why: nothing is new, a run is queued or running, `retrain` is paused, or the
catch-up ran already and failed. docs/runbooks/reconcile.md says what to do then.
"""

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import dag, task
from forms import count

UNDER_WAY = ["queued", "running"]


@dag(
    schedule="*/15 * * * *",
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["marquee", "models"],
    params={"grace_minutes": count(10, 0, 1440, "Minutes that an asset event is given to arrive.")},
)
def reconcile():
    @task
    def runs(ti=None) -> dict:
        from pipelines import reconciling
        from pipelines.core.settings import load

        return {
            "refreshing": ti.get_dr_count("refresh_features", states=UNDER_WAY),
            "retraining": ti.get_dr_count("retrain", states=UNDER_WAY),
            "caught_up": ti.get_dr_count("retrain", run_ids=[reconciling.awaited(load())]),
            "paused": ti.get_dag("retrain").is_paused,
        }

    @task.short_circuit
    def due(seen: dict, params: dict) -> dict | None:
        from datetime import UTC, datetime

        from pipelines import reconciling
        from pipelines.core.settings import load

        return reconciling.catch_up(load(), seen, at=datetime.now(UTC), grace_minutes=params["grace_minutes"])

    found = due(runs())
    found >> TriggerDagRunOperator(
        task_id="catch_up",
        trigger_dag_id="retrain",
        trigger_run_id="{{ ti.xcom_pull(task_ids='due')['run_id'] }}",
        logical_date=None,
        skip_when_already_exists=True,
    )


reconcile()
