"""Labels, worked by hand on a few impressions."""

from datetime import UTC, date, datetime, timedelta

import ibis
import pyarrow as pa
import pytest
from pydantic import ValidationError

from pipelines.core.dataset import Dataset, LabelPolicy
from pipelines.core.engagement import with_engaged
from pipelines.core.tables import DAY, HISTORY, IMPRESSIONS, MEDIA, WATCHES
from pipelines.training_data.labels import label_impressions

NOON = datetime(2022, 4, 29, 12, tzinfo=UTC)


def impression(name, *, minutes=0, policy="ranked", media="m"):
    at = NOON + timedelta(minutes=minutes)
    keys = {"impression_id": name, "user_id": "u", "media_id": media, "policy": policy}
    return keys | {"shown_at": at, "available_at": at, "day": date(2022, 4, 29)}


def watch(of, completion, *, minutes=0, known_after=0, name=None):
    at = NOON + timedelta(minutes=minutes)
    return {
        "watch_id": name or f"w-{of}-{completion}",
        "impression_id": of,
        "user_id": "u",
        "media_id": "m",
        "started_at": at,
        "available_at": at + timedelta(minutes=known_after),
        "completion": completion,
        "watched_seconds": None if completion is None else completion * 600,
        "total_seconds": 600.0,
    }


def labelled(impressions, watches, *, known_by=None, policy=None, running=600.0):
    media = [{"media_id": "m", "available_at": NOON, "duration_seconds": running}]
    tables = (
        pa.Table.from_pylist(impressions, schema=IMPRESSIONS.schema().append(pa.field("day", DAY))),
        pa.Table.from_pylist(watches, schema=WATCHES.schema()),
        pa.Table.from_pylist(media, schema=MEDIA.schema()),
    )
    shown, played, titles = map(ibis.memtable, tables)
    about = Dataset(name="small", source="tables", labels=policy or LabelPolicy())
    found = label_impressions(shown, with_engaged(played, None, about), titles, about.labels, known_by)
    return {row["impression_id"]: row for row in found.to_pyarrow().to_pylist()}


@pytest.mark.parametrize(
    ("completion", "label", "watched"),
    [(0.81, 1.0, 1.0), (0.8, None, 0.0), (0.5, None, 0.0), (0.1, None, 0.0), (0.09, 0.0, 0.0), (3.0, 1.0, 1.0)],
)
def test_more_than_80_percent_is_a_success_less_than_10_a_failure_and_the_middle_neither(completion, label, watched):
    row = labelled([impression("a")], [watch("a", completion)])["a"]
    assert (row["label"], row["watched"], row["completion"]) == (label, watched, completion)


def test_an_impression_that_nobody_played_is_a_failure_of_completion_0():
    row = labelled([impression("a")], [])["a"]
    assert (row["completion"], row["label"], row["watched"]) == (0.0, 0.0, 0.0)
    assert (row["watched_seconds"], row["total_seconds"]) == (0.0, 600.0)


def test_the_fullest_of_several_watches_decides():
    row = labelled([impression("a")], [watch("a", 0.05), watch("a", 0.9)])["a"]
    assert (row["label"], row["watched_seconds"]) == (1.0, 540.0)


def test_a_watch_that_names_no_impression_labels_none():
    assert labelled([impression("a")], [watch(None, 0.9)])["a"]["label"] == 0.0


def test_impressions_of_a_history_without_times_are_never_labelled():
    rows = labelled([impression("a"), impression("b", policy=HISTORY)], [watch("b", 0.9)])
    assert set(rows) == {"a"}


def test_an_impression_without_a_policy_is_labelled():
    assert set(labelled([impression("a", policy=None)], [])) == {"a"}


def test_a_watch_without_a_completion_is_marked_unknown_and_not_taken_for_a_failure():
    row = labelled([impression("a")], [watch("a", None)])["a"]
    assert not row["known"]
    assert row["label"] is None


def test_the_thresholds_are_settings():
    policy = LabelPolicy(positive_above=0.4, negative_below=0.3)
    rows = labelled([impression("a"), impression("b")], [watch("a", 0.5), watch("b", 0.2)], policy=policy)
    assert (rows["a"]["label"], rows["b"]["label"]) == (1.0, 0.0)


def test_thresholds_the_wrong_way_round_are_refused():
    with pytest.raises(ValidationError, match=r"negative_below 0.9 lies above positive_above 0.8"):
        LabelPolicy(negative_below=0.9)


def test_a_watch_that_became_known_too_late_does_not_count():
    known_by = NOON + timedelta(hours=2)
    late = watch("a", 0.9, minutes=5, known_after=180)
    assert labelled([impression("a")], [late], known_by=known_by)["a"]["label"] == 0.0
    assert labelled([impression("a")], [late])["a"]["label"] == 1.0


def test_an_impression_is_immature_until_its_title_could_have_been_watched_whole():
    rows = [impression("early"), impression("late", minutes=55)]
    known_by = NOON + timedelta(hours=1)
    found = labelled(rows, [], known_by=known_by)
    assert (found["early"]["mature"], found["late"]["mature"]) == (True, False)


def test_an_immature_impression_stays_immature_whatever_the_member_did_already():
    known_by = NOON + timedelta(hours=1)
    found = labelled([impression("late", minutes=55)], [watch("late", 0.05, minutes=56)], known_by=known_by)
    assert not found["late"]["mature"]


def test_a_grace_for_starting_late_postpones_maturity():
    known_by = NOON + timedelta(minutes=15)
    assert labelled([impression("a")], [], known_by=known_by)["a"]["mature"]
    waiting = LabelPolicy(grace_seconds=600)
    assert not labelled([impression("a")], [], known_by=known_by, policy=waiting)["a"]["mature"]


def test_an_impression_that_was_not_yet_known_is_not_there():
    assert labelled([impression("a", minutes=5)], [], known_by=NOON) == {}


def test_rows_in_are_rows_out_when_a_media_is_unknown():
    row = labelled([impression("a", media="gone")], [])["a"]
    assert row["total_seconds"] is None
    assert row["label"] == 0.0
