"""A task that waits for a person: approve, reject with a reason, or nobody answers in time, which is a rejection."""

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLBranchOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowFailException

APPROVE, REJECT = "Approve", "Reject"
TIMEOUT = "timeout"
WHY = {
    "why": Param(
        "", type="string", maxLength=500, description="Why, for whoever reads the ledger. A rejection needs it."
    )
}


class AskAPerson(HITLBranchOperator):
    """Goes on to ``approve`` or ``refuse``. XCom ``answer`` says by whom and why.

    How many minutes it waits stands in the form's field ``answer_within``; it takes no worker while it waits. Give it
    ``params=WHY``: Airflow hands the constructor the DAG's own fields too, and shows a person those of the task.
    """

    def __init__(self, *, approve: str, refuse: str, **others: Any) -> None:
        ways = {APPROVE: approve, REJECT: refuse}
        super().__init__(options=[APPROVE, REJECT], defaults=REJECT, options_mapping=ways, **others)

    def execute(self, context: Any) -> Any:
        self.response_timeout = timedelta(minutes=context["params"]["answer_within"])
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """Airflow's own checks come with the branch, below."""
        if "error" not in event:
            context["ti"].xcom_push("answer", answer(event, context["params"]["answer_within"]))
        return super().execute_complete(context, event)


def answer(event: dict[str, Any], minutes: int) -> dict[str, str]:
    """Who answered, when and why; AirflowFailException for a rejection by a person who does not say why."""
    person, at = event["responded_by_user"], event["responded_at"].isoformat()
    if person is None:
        return {"by": TIMEOUT, "at": at, "why": f"nobody answered within {minutes} min"}
    why = str((event["params_input"] or {}).get("why") or "").strip()
    if not why and event["chosen_options"] == [REJECT]:
        raise AirflowFailException(
            f"{person['name']} rejected without a reason: clear this task, then answer again and fill in why"
        )
    return {"by": person["name"], "at": at, "why": why or "approved without a remark"}


def actor(dag_run: Any) -> str:
    """The person who started a run, and the run; scheduled and triggered runs have none."""
    person = getattr(dag_run, "triggering_user_name", None)
    run = f"{dag_run.dag_id} {dag_run.run_id}"
    return f"{person} ({run})" if person else run
