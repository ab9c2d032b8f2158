"""
### simulate_traffic: members come to the page

Asks the running API for pages as members would, on the days after the champion was trained, and sends back what they
watch. On the synthetic world their answer follows the world's truth; on real logs a title counts as watched exactly
where the log says that this member watched it. It writes events, so in profile `production` it skips itself,
and so it does where no champion can answer.

**Form.** `members` is how many pages to ask for on each day, `days` how many days after the last refreshed one.
"""

from airflow.sdk import dag, task
from assets import RELEASE, TRAFFIC
from forms import count


@dag(
    schedule=[RELEASE],
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["marquee", "simulation"],
    params={
        "members": count(150, 1, 100_000, "Pages to ask for on each day."),
        "days": count(1, 1, 30, "Days to simulate."),
        "seed": count(7, 0, 2**31 - 1, "Seed of every random choice."),
    },
)
def simulate_traffic():
    @task.short_circuit
    def due() -> bool:
        from pipelines.core.settings import load
        from pipelines.simulation import job

        return job.due(load())

    @task(outlets=[TRAFFIC])
    def visit(params: dict) -> list[dict]:
        from pipelines.core.settings import load
        from pipelines.simulation import job

        return job.visit(load(), members=params["members"], days=params["days"], seed=params["seed"])

    due() >> visit()


simulate_traffic()
