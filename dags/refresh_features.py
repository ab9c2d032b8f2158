"""
### refresh_features: events become features

Brings what the API heard into the lake, computes the feature views, loads member rows into the online store and
publishes a new media snapshot for serving.

**Form.** `first` and `last` name the days; empty means everything since the last refresh. Any interval can be run
again: each day's partition is replaced whole.

**When it fails.** The message names the table and the day. Mend the data, clear the failed task, and it goes on.
"""

from airflow.sdk import dag, task
from assets import FEATURES
from forms import day


@dag(
    schedule="15 0 * * *",
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["marquee", "features"],
    params={"first": day("First day to compute."), "last": day("Last day to compute, included.")},
)
def refresh_features():
    @task
    def plan(params: dict) -> dict:
        from pipelines import refreshing
        from pipelines.core.settings import load

        return refreshing.plan(load(), params["first"], params["last"])

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

    @task(outlets=[FEATURES])
    def publish(interval: dict) -> str:
        from pipelines import refreshing
        from pipelines.core.settings import load

        return refreshing.publish(load(), interval)

    interval = plan()
    export_events(interval) >> compute(interval) >> publish(interval)


refresh_features()
