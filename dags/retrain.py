"""
### retrain: features become a release, and evidence decides whether it is served

Builds a point-in-time training set, fits the generators and the ranker on past days, judges them on later ones beside
the champion and the popularity floor, and registers the release in MLflow. The verdict is *promote*, *reject* or
*inconclusive*; only *promote* moves the alias `champion`. Where the promotion policy asks for a person's approval, the
last task starts `promote_release`, which waits for it, and the next retraining need not.

**Form.** `through` is the last day to test on (empty: the last day with features), `test_days` how many days judge
(empty: about a seventh of all days). `force` retrains although the watermark says that nothing is new.

**When it is skipped.** Nothing new since the last retraining: the asset event was a wake-up, the watermark decided.
"""

import promotion_policy
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import dag, task
from assets import FEATURES, RELEASE
from forms import choice, count, day, fields, switch

RELEASE_ID = "{{ ti.xcom_pull(task_ids='promote')['release_id'] }}"


@dag(
    schedule=[FEATURES],
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__ + promotion_policy.as_markdown(),
    tags=["marquee", "models"],
    params={
        "through": day("Last day of the test window."),
        "test_days": count(None, 1, 60, "How many days judge the release. Leave empty for a seventh of all days."),
        "ranker": choice(
            "ensemble",
            ["ensemble", "gbdt", "lambdarank", "deep", "forest", "logistic"],
            "The ranking method; docs/models.md says when to choose which.",
        ),
        "options": fields("Settings of the ranker other than its own, as marquee tune --to FILE writes them."),
        "seed": count(7, 0, 2**31 - 1, "Seed of every random choice."),
        "force": switch("Retrain although nothing is new."),
    },
)
def retrain():
    @task.short_circuit
    def plan(params: dict) -> dict | None:
        from pipelines import retraining
        from pipelines.core.settings import load

        asked = {"force": params["force"], "method": params["ranker"], "options": params["options"] or {}}
        return retraining.plan(load(), params["through"], params["test_days"], **asked)

    @task
    def build_training_set(window: dict, params: dict) -> dict:
        from pipelines import retraining
        from pipelines.core.settings import load
        from pipelines.core.window import Window

        return retraining.build_training_set(load(), Window(**window), seed=params["seed"])

    @task
    def fit_generators(window: dict, params: dict) -> None:
        from pipelines import retraining
        from pipelines.core.settings import load
        from pipelines.core.window import Window

        retraining.fit_generators(load(), Window(**window), seed=params["seed"])

    @task
    def fit_ranker(window: dict, params: dict) -> None:
        from pipelines import retraining
        from pipelines.core.settings import load
        from pipelines.core.window import Window

        told = {"method": params["ranker"], "options": params["options"] or {}}
        retraining.fit_ranker(load(), Window(**window), seed=params["seed"], **told)

    @task
    def judge(window: dict, params: dict, run_id: str) -> dict:
        from datetime import UTC, datetime

        from pipelines import retraining
        from pipelines.core.settings import load
        from pipelines.core.window import Window

        at, actor = datetime.now(UTC), f"retrain {run_id}"
        judged = retraining.judge_challenger(load(), Window(**window), seed=params["seed"], at=at, actor=actor)
        return judged.as_dict()

    @task(outlets=[RELEASE])
    def promote(window: dict, run_id: str) -> dict:
        from datetime import UTC, datetime

        from pipelines import retraining
        from pipelines.core.settings import load
        from pipelines.core.window import Window

        return retraining.promote(load(), Window(**window), at=datetime.now(UTC), actor=f"retrain {run_id}").as_dict()

    @task.short_circuit
    def awaits_a_person(judged: dict) -> bool:
        from pipelines.promotion import approval

        return approval.awaited(judged)

    ask_a_person = TriggerDagRunOperator(
        task_id="ask_a_person",
        trigger_dag_id="promote_release",
        trigger_run_id="asked_for__" + RELEASE_ID,
        conf={"release": RELEASE_ID, "ask_a_person": True},
        skip_when_already_exists=True,
    )

    window = plan()
    fitted = build_training_set(window) >> fit_generators(window) >> fit_ranker(window)
    promoted = promote(window)
    fitted >> judge(window) >> promoted
    awaits_a_person(promoted) >> ask_a_person


retrain()
