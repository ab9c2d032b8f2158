"""
### monitor_behaviour: where offline and online behaviour part

Compares the champion's training window with the latest days it served (or, where it served none, the latest logged
ones): an Evidently report, a table of each offline metric beside the same metric on the following days, and alerts.
It runs after simulated traffic, and every night from the first promotion on.

**Form.** `first` and `last` name the days to look at; empty means every day after the champion's test window.

**What to do with an alert.** Each names the thing, the value and the remedy; docs/runbooks/drift.md says the rest.
"""

from airflow.sdk import dag, task
from airflow.timetables.assets import AssetOrTimeSchedule
from airflow.timetables.trigger import CronTriggerTimetable
from assets import TRAFFIC
from forms import count, day


def _has_champion(context) -> bool:
    """Nights before the first release have nothing to look at; a person who asks is told so by an error."""
    if context["dag_run"].run_type != "scheduled":
        return True
    from pipelines.core.settings import load
    from pipelines.promotion import moves

    return moves.champion(load()) is not None


@dag(
    schedule=AssetOrTimeSchedule(timetable=CronTriggerTimetable("45 1 * * *", timezone="UTC"), assets=[TRAFFIC]),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["marquee", "monitoring"],
    params={
        "first": day("First day to look at."),
        "last": day("Last day to look at, included."),
        "seed": count(7, 0, 2**31 - 1, "Seed of the report's sample."),
    },
)
def monitor_behaviour():
    @task.run_if(_has_champion, skip_message="nothing was promoted yet: there is no champion to watch")
    @task
    def plan(params: dict) -> dict:
        from monitoring import job
        from pipelines.core.settings import load

        return job.plan(load(), params["first"], params["last"])

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

    @task
    def report(interval: dict, params: dict) -> dict:
        from datetime import UTC, datetime

        from monitoring import job
        from pipelines.core.settings import load

        return job.report(load(), interval, seed=params["seed"], at=datetime.now(UTC))

    interval = plan()
    export_events(interval) >> compute(interval) >> report(interval)


monitor_behaviour()
