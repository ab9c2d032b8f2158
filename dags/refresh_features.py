"""
### refresh_features: events become features

Brings what the API heard into the lake, computes the feature views, loads member rows into the online store and
publishes a new media snapshot for serving.

**Form.** `first` and `last` name the days; empty means everything since the last refresh. Any interval can be run
again: each day's partition is replaced whole.

**The plan.** What the task `plan` returns says, before anything runs, which days, rows and partitions come, which of
them are overwritten, and how many minutes earlier refreshes let expect. `dry_run` goes on from there on a copy of the
lake made of links: the same tasks run, `compute` returns what would be new, changed or the same, `publish` is skipped.

**A backfill** computes and publishes like any run and wakes nothing: it skips `announce`, the task whose event starts
`retrain`. Where it brought days that nothing was trained on, `reconcile` starts the one retraining that is due.

**When it fails.** The message names the table and the day. Mend the data, clear the failed task, and it goes on.
"""

from airflow.sdk import dag, task
from assets import FEATURES
from forms import day, switch


@dag(
    schedule="15 0 * * *",
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["marquee", "features"],
    params={
        "first": day("First day to compute."),
        "last": day("Last day to compute, included."),
        "dry_run": switch("Run everything on a copy of the lake and publish nothing."),
    },
)
def refresh_features():
    @task
    def plan(params: dict) -> dict:
        from pipelines import refreshing
        from pipelines.core.settings import load

        return refreshing.plan(load(), params["first"], params["last"], dry_run=params["dry_run"])

    @task
    def export_events(interval: dict) -> dict:
        from pipelines import refreshing
        from pipelines.core.settings import load

        return refreshing.export_events(load(), interval)

    @task
    def compute(interval: dict) -> dict:
        from pipelines import refreshing
        from pipelines.core.settings import load

        return refreshing.compute(load(), interval)

    @task.run_if(lambda context: not context["params"]["dry_run"], skip_message="a dry run publishes nothing")
    @task
    def publish(interval: dict) -> str:
        from pipelines import refreshing
        from pipelines.core.settings import load

        return refreshing.publish(load(), interval)

    @task.run_if(lambda context: context["dag_run"].run_type != "backfill", skip_message="a backfill wakes nothing")
    @task(outlets=[FEATURES])
    def announce(version: str) -> str:
        return version

    interval = plan()
    published = publish(interval)
    export_events(interval) >> compute(interval) >> published
    announce(published)


refresh_features()
