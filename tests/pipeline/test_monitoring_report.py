"""The report on a small champion: real Evidently, real files, what followed stood in for."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from monitoring import job, summary
from monitoring.champion import Champion, following_days
from monitoring.following import Following
from pipelines.adapters.event_store import EventStore
from pipelines.core import dataset as datasets
from pipelines.core import release
from pipelines.core.dataset import Dataset
from pipelines.core.errors import DataError, ReleaseError
from pipelines.core.lake import Lake
from pipelines.core.ledger import Draft
from pipelines.core.settings import Settings
from pipelines.core.tables import IMPRESSIONS
from pipelines.core.window import Window
from pipelines.metrics.drift import sketch
from pipelines.metrics.intervals import Interval
from pipelines.promotion import ledger

WINDOW = Window(
    fit_from=date(2022, 4, 1), calibrate_from=date(2022, 4, 8), test_from=date(2022, 4, 9), test_to=date(2022, 4, 10)
)
FIRST, LAST = date(2022, 4, 11), date(2022, 4, 12)
AT = datetime(2022, 4, 13, 3, tzinfo=UTC)
METRICS = {
    "ranker": {"auc": {"value": 0.87, "low": 0.86, "high": 0.88}},
    "page": {"ndcg@10": {"value": 0.05, "low": 0.04, "high": 0.06}},
}


def features(rng, n, shift=0.0):
    return pd.DataFrame(
        {
            "user_taste": rng.normal(shift, size=n),
            "user_language": rng.choice(["de", "en", None], n),
            "media_age": rng.normal(size=n),
        }
    )


@pytest.fixture
def settings(tmp_path):
    found = Settings(home=tmp_path)
    datasets.write(Dataset(name="small <b>", source="tables"), found.lake_path)
    return found


@pytest.fixture
def held(settings, tmp_path):
    """A champion with its training set and its sealed sketch."""
    rows = features(np.random.default_rng(1), 3000)
    rows = rows.assign(split="fit", label=np.arange(3000) % 2.0, sampling_rate=0.5)
    Lake(settings.lake_path).publish("training/2022-04-09", pa.Table.from_pandas(rows, preserve_index=False))
    folder = tmp_path / "champion"
    (folder / "monitoring").mkdir(parents=True)
    sealed = sketch(rows[["user_taste", "user_language", "media_age"]])
    (folder / job.REFERENCE).write_text(json.dumps(sealed))
    manifest = release.write(
        folder,
        generators=("popularity",),
        ranker="gbdt",
        feature_service="ranking",
        feature_fingerprint="f",
        dataset="small <b>",
        time_zone="UTC",
        watermark=WINDOW.last_fitted,
        trained_from=WINDOW.fit_from,
        seed=1,
        settings={"window": WINDOW.model_dump(mode="json")},
        metrics=METRICS,
        git_commit="c",
        lock_hash="l",
    )
    return Champion(1, folder, manifest, WINDOW)


@pytest.fixture
def met():
    """What followed: a feature moved, the ranker lost its AUC, pages could not be measured."""
    rng = np.random.default_rng(2)
    rows = features(rng, 1500, shift=1.5).assign(user_id=np.arange(1500) % 400, media_id=np.arange(1500) % 300)
    figures = {"ranker": {"auc": Interval(0.80, 0.79, 0.81)}}
    return Following(FIRST, LAST, rows, "logged", figures, {"page": "no member <engaged>"})


@pytest.fixture
def report(settings, held, met, monkeypatch):
    monkeypatch.setattr(job, "current", lambda _: held)
    monkeypatch.setattr(job, "follow", lambda *_, **__: met)
    interval = {"first": FIRST.isoformat(), "last": LAST.isoformat()}
    return job.report(settings, interval, seed=1, at=AT)


def test_the_report_says_what_moved_what_was_lost_and_what_to_do(settings, held, report):
    assert report["verdict"] == "act"
    assert [(a["severity"], a["thing"]) for a in report["alerts"]] == [
        ("act", "ranker.auc"),
        ("look", "1 feature moved"),
    ]
    assert {d["feature"]: d["state"] for d in report["drift"]} == {
        "user_taste": "moved",
        "user_language": "still",
        "media_age": "still",
    }
    promises = {p["metric"]: p["outcome"] for p in report["promises"]}
    assert (promises["ranker.auc"], promises["page.ndcg@10"]) == ("worse", "unknown")

    folder = settings.root / "reports" / "2022-04-12"
    assert json.loads((folder / job.TABLE).read_text()) == report
    page = (folder / job.SUMMARY).read_text()
    assert summary.HEADLINES["act"] in page
    assert page.index("ranker.auc") < page.index("user_taste") < page.index("What members did")
    assert held.manifest.release_id in page
    assert 'href="drift.html"' in page

    drawn = (folder / job.REPORT).read_text()
    assert "user_taste" in drawn
    assert "ranker.auc: current = following days, reference = offline" in drawn
    runs = list((settings.root / "evidently").glob("*/snapshots/*.json"))
    assert len(runs) == 1


def test_what_comes_from_data_cannot_write_html_into_the_page(report):
    page = Path(report["summary"]).read_text(encoding="utf-8")
    assert "small &lt;b&gt;" in page
    assert "no member &lt;engaged&gt;" in page
    assert "<engaged>" not in page


def at(day, hour=12):
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def shown(day):
    keys = {"impression_id": str(day), "user_id": "u", "media_id": "m"}
    return keys | {"shown_at": at(day), "available_at": at(day)}


def test_without_a_wish_the_days_after_the_test_up_to_the_last_event_anywhere_are_watched(settings):
    lake = Lake(settings.lake_path)
    lake.publish("impressions", pa.Table.from_pylist([shown(FIRST)], schema=IMPRESSIONS.schema()), FIRST)
    assert following_days(settings, WINDOW, "", "") == (FIRST, FIRST)
    with EventStore(settings.event_store_address) as store:
        store.record("impressions", [shown(LAST), shown(FIRST + timedelta(days=-30))])
    assert following_days(settings, WINDOW, None, None) == (FIRST, LAST)


def test_where_nothing_followed_the_test_days_are_watched(settings):
    assert following_days(settings, WINDOW, "", "") == (WINDOW.test_from, WINDOW.test_to)


def test_days_asked_for_are_taken_or_refused_with_their_reason(settings):
    assert following_days(settings, WINDOW, "2022-04-10", "2022-04-12") == (date(2022, 4, 10), LAST)
    with pytest.raises(DataError, match="first day 2022-04-12 lies after last day 2022-04-11"):
        following_days(settings, WINDOW, "2022-04-12", "2022-04-11")
    with pytest.raises(DataError, match="day 'soon' is not a date"):
        following_days(settings, WINDOW, "soon", "")


def test_without_a_champion_the_plan_says_what_to_run(settings):
    with pytest.raises(ReleaseError, match="no champion to watch: run retrain"):
        job.plan(settings, "", "")


def test_an_alias_that_was_moved_to_what_may_not_serve_is_the_first_alert(settings, held, met, monkeypatch):
    moved = Draft(event="alias_moved", at=AT, actor="api", release_id="r2", version=2, facts={"accepted": False})
    ledger.append(settings, "server", lambda _: moved)
    monkeypatch.setattr(job, "current", lambda _: held)
    monkeypatch.setattr(job, "follow", lambda *_, **__: met)
    report = job.report(settings, {"first": FIRST.isoformat(), "last": LAST.isoformat()}, seed=1, at=AT)
    first = report["alerts"][0]
    assert (first["severity"], first["thing"]) == ("act", "alias champion")
    assert "moved in MLflow to version 2 (r2)" in first["value"]
