"""
### roll_back: the champion goes back to a release that served before

Moves the whole set back: generators, ranker, settings, one alias. Serving takes it within seconds, and every page is of
one release or of the other. The release that was left stays registered and may be promoted again.

**Form.** `to` is a version or a release id that has served (empty: the one that served before the champion).
`reason` must be given; it goes into the ledger with the name of whoever started the run.

**When it fails.** The message says why nothing moved: no release served before, the one named never served or was
refused since, its files were changed, or it is the champion already. A task that is run again does not go back twice.
"""

from airflow.sdk import dag, task
from asking import actor
from assets import RELEASE
from forms import text, words


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["marquee", "releases"],
    params={
        "to": text("A version or a release id that has served. Leave empty for the one before the champion."),
        "reason": words("Why, for the ledger. Must be given."),
    },
)
def roll_back():
    @task(outlets=[RELEASE])
    def go_back(params: dict, dag_run) -> dict:
        from datetime import UTC, datetime

        from pipelines.core.settings import load
        from pipelines.promotion import approval

        at, by = datetime.now(UTC), actor(dag_run)
        return approval.roll_back(load(), params["to"], at=at, actor=by, reason=params["reason"])

    go_back()


roll_back()
