"""Run by test_reconcile_dag.py in a process of its own: an asset event is lost, and what starts a retraining is told.

lose_event.py FIRST    with features to refresh at MARQUEE_HOME; FIRST is the first day of the data. JSON, a key a step:
what waits to be woken by an asset, the runs of retrain, and the reason of the reconciler where it was asked.
"""

import json
import sys
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from ask_airflow import bag

NOW = {"grace_minutes": 0}


def main(first: date) -> dict[str, Any]:
    from pipelines.core.lake import Lake
    from pipelines.core.settings import load
    from pipelines.retraining import TRAINED

    lake = Lake(load().lake_path)
    told = {"refreshed": tell(tests("refresh_features", {}))}
    told["within grace"] = tell(tests("reconcile", {}))
    lose()
    told["lost"] = tell(None)
    told["reconciled"] = tell(tests("reconcile", NOW))
    told["again"] = tell(tests("reconcile", NOW))
    end("failed")
    told["after it failed"] = tell(tests("reconcile", NOW))
    end("success")
    lake.advance(TRAINED, lake.watermark("features").through)
    told["trained"] = tell(tests("reconcile", NOW))
    told["backfilled"] = tell(backfill("refresh_features", first))
    told["after the backfill"] = tell(tests("reconcile", NOW))
    return told


def tests(dag_id: str, form: dict[str, Any]) -> Any:
    return bag().dags[dag_id].test(run_conf=form)


def tell(run: Any) -> dict[str, Any]:
    """Who waits for an asset, the runs of retrain with their states, and the states of the tasks that just ran."""
    from airflow.models.asset import AssetDagRunQueue, AssetEvent
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        waiting = session.scalars(select(AssetDagRunQueue.target_dag_id)).all()
        events = len(session.scalars(select(AssetEvent.id)).all())
        held = session.execute(select(DagRun.run_id, DagRun.state).where(DagRun.dag_id == "retrain")).all()
    return {
        "waiting": sorted(waiting),
        "events": events,
        "retrainings": {run_id: str(state) for run_id, state in held},
        "tasks": {t.task_id: str(t.state) for t in run.get_task_instances()} if run else {},
        "type": str(run.run_type) if run else None,
    }


def lose() -> None:
    """The asset event is gone before the scheduler looked, as where Airflow drops it."""
    from airflow.models.asset import AssetDagRunQueue, AssetEvent
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        session.execute(delete(AssetDagRunQueue))
        session.execute(delete(AssetEvent))


def end(state: str) -> None:
    """The runs of retrain end so."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import update

    with create_session() as session:
        session.execute(update(DagRun).where(DagRun.dag_id == "retrain").values(state=state))


def backfill(dag_id: str, day: date) -> Any:
    """A backfill as Airflow makes it, of the one run of that day, its tasks run here as dag.test() runs them."""
    from airflow.models.backfill import _create_backfill
    from airflow.models.dagrun import DagRun
    from airflow.sdk.definitions.dag import _run_task
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from sqlalchemy import select

    midnight = datetime.combine(day, time.min, tzinfo=UTC)
    form = {"first": day.isoformat(), "last": day.isoformat()}
    about = {"max_active_runs": 1, "reverse": False, "dag_run_conf": form, "triggering_user_name": "test"}
    _create_backfill(dag_id=dag_id, from_date=midnight, to_date=midnight + timedelta(hours=23), **about)
    dag = bag().dags[dag_id]
    with create_session() as session:
        (run,) = session.scalars(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_type == "backfill")).all()
        run.dag = serialised(dag)
        run.set_state(DagRunState.RUNNING)
        while run.state == DagRunState.RUNNING:
            due, _ = run.update_state(session=session)
            for task in due:
                task.try_number += 1
                task.state = "scheduled"
            session.commit()
            for task in due:
                _run_task(ti=task, task=dag.task_dict[task.task_id])
            session.expire_all()
            run.dag = run.dag or serialised(dag)
    return run


def serialised(dag: Any) -> Any:
    from airflow.serialization.serialized_objects import DagSerialization

    return DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))


if __name__ == "__main__":
    print("\n" + json.dumps(main(date.fromisoformat(sys.argv[1]))))
