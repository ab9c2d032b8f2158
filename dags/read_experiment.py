"""
### read_experiment: a night's look at the experiments that run

Brings the latest events into the lake and reads each experiment out: M1 to M3 by variant with intervals that hold
however often somebody looks, the guardrails, and one decision, *ship*, *stop* or *keep running*. The page lies under
`reports/experiments/` in the home. It decides nothing by itself: `marquee experiment stop` and a promotion are a
person's.

**Form.** `experiment` is one experiment's name; empty means every one that runs. `through` is the last day to count,
empty means yesterday; days after an experiment's planned end never count.

**When it says refused.** The variants' members do not match their shares: something loses members of one variant, and
no figure can be believed until it is found.
"""

from airflow.sdk import dag, task
from forms import day, text


@dag(
    schedule="30 2 * * *",
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["marquee", "experiments"],
    params={
        "experiment": text("The experiment's name. Leave empty for every one that runs."),
        "through": day("Last day to count, included."),
    },
)
def read_experiment():
    @task.short_circuit
    def plan(params: dict) -> dict | None:
        from datetime import UTC, datetime

        from pipelines.core.settings import load
        from pipelines.experiments import job

        return job.due(load(), params["experiment"], params["through"], at=datetime.now(UTC))

    @task
    def export_events(interval: dict) -> dict:
        from pipelines import refreshing
        from pipelines.core.settings import load

        return refreshing.export_events(load(), interval)

    @task
    def read(interval: dict) -> list[dict]:
        from datetime import UTC, datetime

        from monitoring import experiments
        from pipelines.core.settings import load

        return experiments.read_all(load(), interval, at=datetime.now(UTC))

    interval = plan()
    export_events(interval) >> read(interval)


read_experiment()
