"""
### promote_release: a registered release becomes champion

Looks up the release, what the gate said of it and what it differs in from the champion. A promote verdict is enough;
where the form or the promotion policy asks for it, a person decides first, under *Required Actions*. The line in the
ledger comes before the alias in MLflow moves, and serving follows within seconds, the whole set at once.

**Form.** `release` is a version, a release id or an alias (empty: the challenger). `ask_a_person` waits for an approval
even where the verdict alone would do; an inconclusive release can be promoted in no other way. `reason` goes into the
ledger. `answer_within` is how many minutes a person has; after that the release is refused, and the ledger says so.

**Approve or reject.** Whoever answers is named in the ledger. A rejection needs a reason; a later approval takes it
back.

**When it fails.** The message says what is missing: a verdict, an approval, a file of the set, or that another release
became champion meanwhile. Nothing has moved then. Every task may run again; promoting the champion changes nothing.
"""

from airflow.sdk import dag, task
from asking import WHY, AskAPerson, actor
from assets import RELEASE
from forms import count, switch, text


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=8,
    doc_md=__doc__,
    tags=["marquee", "releases"],
    params={
        "release": text("A version, a release id or an alias. Leave empty for the challenger."),
        "ask_a_person": switch("Wait until a person approves or rejects it."),
        "reason": text("Why it is promoted, for the ledger."),
        "answer_within": count(1440, 1, 20160, "Minutes to wait for an answer; silence is a rejection."),
    },
)
def promote_release():
    @task
    def consider(params: dict) -> dict:
        from pipelines.core.settings import load
        from pipelines.promotion import approval

        return approval.consider(load(), params["release"], ask=params["ask_a_person"])

    @task.branch
    def who_decides(case: dict) -> str:
        return "ask_a_person" if case["ask"] else "promote"

    @task(outlets=[RELEASE])
    def promote(case: dict, params: dict, dag_run) -> dict:
        from datetime import UTC, datetime

        from pipelines.core.settings import load
        from pipelines.promotion import approval

        at, by = datetime.now(UTC), actor(dag_run)
        return approval.promote(load(), case["release_id"], at=at, actor=by, reason=params["reason"])

    @task(outlets=[RELEASE])
    def approve(case: dict, ti) -> dict:
        from datetime import datetime

        from pipelines.core.settings import load
        from pipelines.promotion import approval

        said = ti.xcom_pull(task_ids="ask_a_person", key="answer")
        at = datetime.fromisoformat(said["at"])
        return approval.approve(load(), case["release_id"], at=at, actor=said["by"], reason=said["why"])

    @task
    def refuse(case: dict, ti) -> dict:
        from datetime import datetime

        from pipelines.core.settings import load
        from pipelines.promotion import approval

        said = ti.xcom_pull(task_ids="ask_a_person", key="answer")
        at = datetime.fromisoformat(said["at"])
        return approval.refuse(load(), case["release_id"], at=at, actor=said["by"], reason=said["why"])

    case = consider()
    ask = AskAPerson(
        task_id="ask_a_person",
        subject="Promote release {{ ti.xcom_pull(task_ids='consider')['release_id'] }}?",
        body="{{ ti.xcom_pull(task_ids='consider')['told'] }}",
        approve="approve",
        refuse="refuse",
        params=WHY,
    )
    who_decides(case) >> [ask, promote(case)]
    ask >> [approve(case), refuse(case)]


promote_release()
