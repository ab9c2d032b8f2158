"""Drift states, promises, alerts and online figures, on small numbers worked by hand."""

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from monitoring import concordance, drift
from monitoring.alerts import raise_alerts
from monitoring.concordance import Promise
from monitoring.drift import Drift, DriftPolicy
from monitoring.online_metrics import by_release
from pipelines.core.lake import Lake
from pipelines.core.tables import HISTORY, IMPRESSIONS, WATCHES
from pipelines.metrics.drift import sketch
from pipelines.metrics.intervals import Interval

DAY = date(2022, 4, 29)
NOON = datetime(2022, 4, 29, 12, tzinfo=UTC)


def rows_of(members, **features):
    n = len(next(iter(features.values())))
    return pd.DataFrame({"user_id": np.arange(n) % members, "media_id": np.arange(n) % 50, **features})


def states(reference, rows):
    return {d.feature: d.state for d in drift.compare(reference, rows, DriftPolicy())}


def test_a_feature_is_still_moved_or_broken():
    rng = np.random.default_rng(1)
    before = {name: rng.normal(size=5000) for name in ("user_a", "user_b", "user_c")}
    after = {"user_a": rng.normal(size=2000), "user_b": rng.normal(2, size=2000), "user_c": np.full(2000, np.nan)}
    found = drift.compare(sketch(before), rows_of(1000, **after), DriftPolicy())
    assert {d.feature: d.state for d in found} == {"user_a": "still", "user_b": "moved", "user_c": "broken"}
    assert [d.feature for d in found] == ["user_c", "user_b", "user_a"]
    assert (found[0].absent_before, found[0].absent) == (0.0, 1.0)


def test_what_a_handful_of_members_shares_over_many_rows_is_chance():
    rng = np.random.default_rng(2)
    reference = sketch({"user_a": rng.normal(size=5000)})
    shared = np.tile(rng.normal(size=25), 80)
    assert states(reference, rows_of(25, user_a=shared)) == {"user_a": "still"}
    assert states(reference, rows_of(2000, user_a=shared)) == {"user_a": "moved"}


def test_a_feature_that_was_always_absent_is_not_broken():
    assert states(sketch({"user_a": np.full(100, np.nan)}), rows_of(50, user_a=np.full(60, np.nan))) == {
        "user_a": "still"
    }


OFFLINE = {"ranker": {"auc": {"value": 0.87, "low": 0.86, "high": 0.88}}}


@pytest.mark.parametrize(
    ("following", "outcome"),
    [
        (Interval(0.86, 0.84, 0.88), "kept"),
        (Interval(0.82, 0.80, 0.84), "worse"),
        (Interval(0.92, 0.90, 0.94), "better"),
        (Interval(float("nan"), float("nan"), float("nan")), "unknown"),
    ],
)
def test_a_promise_is_kept_inside_the_joint_interval_of_both_figures(following, outcome):
    # The difference 0.87 - 0.82 = 0.05 lies outside hypot(0.02, 0.01) = 0.022; 0.87 - 0.86 = 0.01 inside.
    found = {p.metric: p for p in concordance.compare(OFFLINE, {"ranker": {"auc": following}})}
    assert found["ranker.auc"].outcome == outcome
    assert found["page.ndcg@10"].outcome == "unknown"


def test_a_higher_log_loss_is_worse():
    offline = {"ranker_all_impressions": {"log_loss": {"value": 0.30, "low": 0.29, "high": 0.31}}}
    found = concordance.compare(offline, {"ranker_all_impressions": {"log_loss": Interval(0.40, 0.39, 0.41)}})
    assert {p.metric: p.outcome for p in found}["ranker_all_impressions.log_loss"] == "worse"


def test_a_feature_of_the_calendar_moves_without_alarm():
    reference = sketch({"context_weekday": np.zeros(100)})
    (found,) = drift.compare(reference, rows_of(50, context_weekday=np.full(60, 4.0)), DriftPolicy())
    assert found.state == "calendar"
    assert raise_alerts([found], [], 5000, "logged") == []


def test_log_loss_alone_raises_no_alert_for_it_follows_the_share_watched():
    alone, calibration = lost("ranker_all_impressions.log_loss"), lost("ranker_all_impressions.ece")
    assert raise_alerts([], [alone], 5000, "logged") == []
    assert [a.severity for a in raise_alerts([], [alone, calibration], 5000, "logged")] == ["look", "look"]


def lost(metric):
    return Promise(metric, Interval(0.87, 0.86, 0.88), Interval(0.8, 0.79, 0.81), "worse")


def moved(name, state="moved", absent=0.0):
    return Drift(name, 0.5, 0.1, 0.0, absent, state)


def test_nothing_that_moved_raises_no_alert():
    kept = Promise("ranker.auc", Interval(0.87, 0.86, 0.88), Interval(0.87, 0.86, 0.88), "kept")
    assert raise_alerts([moved("user_a", "still")], [kept], 5000, "logged") == []


def test_a_lost_auc_on_logged_rows_is_to_act_on_and_on_served_rows_to_look_at():
    (logged,) = raise_alerts([], [lost("ranker.auc")], 5000, "logged")
    (served,) = raise_alerts([], [lost("ranker.auc")], 5000, "served")
    assert (logged.severity, served.severity) == ("act", "look")
    assert "roll back" in logged.remedy
    assert "expected in part" in served.remedy
    assert logged.value == "0.8700 offline, 0.8000 on the following days"


def test_a_lost_page_is_to_act_on_wherever_it_was_measured():
    assert [raise_alerts([], [lost("page.ndcg@10")], 5000, o)[0].severity for o in ("logged", "served")] == ["act"] * 2


def test_alerts_name_the_thing_the_value_and_the_remedy_and_put_what_to_act_on_first():
    drifts = [moved(f"user_{n}") for n in range(7)] + [moved("media_a", "broken", absent=0.9)]
    broken, many, few = raise_alerts(drifts, [], 40, "logged")
    assert (broken.severity, broken.thing, broken.value) == ("act", "media_a", "absent in 90% of rows, 0% in training")
    assert "run refresh_features" in broken.remedy
    assert many.thing == "7 features moved"
    assert many.value.endswith("and 2 more")
    assert few.value == "40 rows, fewer than 500"


@pytest.fixture
def lake(tmp_path):
    found = Lake(tmp_path)
    shown = [
        ("a", "s1", "ranked", "r1", True),
        ("b", "s1", "exploration", "r1", False),
        ("c", "s2", "ranked", "r1", None),
        ("d", None, "standard", None, True),
        ("e", None, HISTORY, None, None),
    ]
    names = ("impression_id", "session_id", "policy", "release_id", "clicked")
    keys = {"user_id": "u", "media_id": "m", "shown_at": NOON, "available_at": NOON}
    rows = [keys | dict(zip(names, row, strict=True)) for row in shown]
    found.publish("impressions", pa.Table.from_pylist(rows, schema=IMPRESSIONS.schema()), DAY)
    played = [("a", 600.0), ("a", 60.0), ("b", 30.0), ("d", 900.0), (None, 9000.0)]
    keys = {"user_id": "u", "media_id": "m", "started_at": NOON, "available_at": NOON, "session_id": "other"}
    rows = [keys | {"watch_id": str(n), "impression_id": i, "watched_seconds": s} for n, (i, s) in enumerate(played)]
    found.publish("watches", pa.Table.from_pylist(rows, schema=WATCHES.schema()), DAY)
    return found


def test_online_figures_belong_to_the_release_and_policy_that_showed_the_title(lake):
    found = {(o.release_id, o.policy): o for o in by_release(lake, DAY, DAY)}
    assert set(found) == {("r1", "ranked"), ("r1", "exploration"), (None, "standard")}
    ranked = found["r1", "ranked"]
    assert (ranked.impressions, ranked.sessions, ranked.engagement_rate) == (2, 2, 0.5)
    assert ranked.videos_watched_per_session == 0.5
    assert ranked.session_minutes == pytest.approx(5.5)
    assert found["r1", "exploration"].engagement_rate == 0.0


def test_without_sessions_the_online_figures_are_unknown_not_zero(lake):
    logged = next(o for o in by_release(lake, DAY, DAY) if o.policy == "standard")
    assert logged.sessions == 0
    assert np.isnan(logged.engagement_rate)
    assert np.isnan(logged.session_minutes)


def test_days_without_impressions_have_no_online_figures(tmp_path):
    assert by_release(Lake(tmp_path), DAY, DAY) == []
