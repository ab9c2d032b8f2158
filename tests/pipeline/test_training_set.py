"""A training set built from a small lake, with a stand-in for the feature store."""

import json
import re
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pyarrow as pa
import pytest

from pipelines import retraining
from pipelines.candidates.interactions import engaged_watches
from pipelines.core import dataset as datasets
from pipelines.core.dataset import Dataset, LabelPolicy
from pipelines.core.errors import DataError, FeatureError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.tables import IMPRESSIONS, MEDIA, RATINGS, WATCHES
from pipelines.core.window import Window
from pipelines.training_data import job
from pipelines.training_data.balance import BalanceConfig
from pipelines.training_data.sampled import SamplingConfig

# Ibis calls DuckDB by the old name of to_arrow_table.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

FIRST = date(2022, 4, 1)
WINDOW = Window(fit_from=FIRST, calibrate_from=date(2022, 4, 4), test_from=date(2022, 4, 5), test_to=date(2022, 4, 6))
COMPLETIONS = (0.9, 0.5, 0.0, 0.05, 0.0, 0.02, 0.0, 0.0, 0.0, 0.0)


class Store:
    """Answers one number a row: how many seconds before the row it was known."""

    def historical(self, rows, *, times=False):
        return rows.assign(known_before=1.0, user_taste=[None] * len(rows))


class Reversing(Store):
    def historical(self, rows, *, times=False):
        return super().historical(rows, times=times)[::-1]


class Dropping(Store):
    def historical(self, rows, *, times=False):
        return super().historical(rows, times=times)[1:]


class Naming(Store):
    def historical(self, rows, *, times=False):
        return rows.assign(completion=1.0)


def at(day, hour):
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hour)


def events(day, completions):
    shown, played = [], []
    for n, completion in enumerate(completions):
        name, moment = f"{day}-{n}", at(day, 8 + n)
        keys = {"impression_id": name, "user_id": f"u{n % 3}", "media_id": f"m{n % 4}", "available_at": moment}
        shown.append(keys | {"shown_at": moment, "policy": "ranked", "device": "tv", "surface": "home"})
        if completion:
            watch = {"watch_id": name, "started_at": moment, "completion": completion}
            played.append(keys | watch | {"watched_seconds": completion * 600, "total_seconds": 600.0})
    return shown, played


def publish_media(lake):
    start = at(FIRST, 0)
    rows = [
        {"media_id": f"m{n}", "available_at": start + timedelta(days=n), "duration_seconds": 600.0} for n in range(9)
    ]
    lake.publish("media", pa.Table.from_pylist(rows, schema=MEDIA.schema()))


@pytest.fixture
def settings(tmp_path):
    found = Settings(home=tmp_path)
    lake = Lake(found.lake_path)
    datasets.write(Dataset(name="small", source="tables"), lake.root)
    publish_media(lake)
    for offset in range(6):
        day = FIRST + timedelta(days=offset)
        shown, played = events(day, COMPLETIONS)
        lake.publish("impressions", pa.Table.from_pylist(shown, schema=IMPRESSIONS.schema()), day)
        lake.publish("watches", pa.Table.from_pylist(played, schema=WATCHES.schema()), day)
    return found


def build(settings, **options):
    report = job.build(settings, WINDOW, 1, store=options.pop("store", Store()), **options)
    return report, Lake(settings.lake_path).read(report["table"]).to_pandas()


def config(ratio):
    return job.TrainingConfig(balance=BalanceConfig(negatives_per_positive=ratio))


def test_every_impression_of_the_window_becomes_a_row_with_its_features(settings):
    report, rows = build(settings, config=config(None))
    assert report["table"] == "training/2022-04-05"
    assert rows["split"].value_counts().to_dict() == {"fit": 30, "test": 20, "calibrate": 10}
    assert rows["day"].map(lambda d: d < date(2022, 4, 5)).tolist() == (rows["split"] != "test").tolist()
    assert (rows["known_before"] == 1.0).all()
    first = rows.iloc[0]
    assert (first["impression_id"], first["label"], first["watched"], first["device"]) == ("2022-04-01-0", 1, 1, "tv")
    assert rows["label"].isna().sum() == 6


def test_negatives_of_the_fit_alone_are_thinned_out_and_the_rate_stands_in_the_rows(settings):
    report, rows = build(settings, config=config(4))
    fit = rows[rows["split"] == "fit"]
    assert report["sampling_rate"] == pytest.approx(0.5)
    assert (fit["sampling_rate"] == 0.5).all()
    assert (fit["label"] == 1.0).sum() == 3
    assert 4 <= (fit["label"] == 0.0).sum() < 24
    others = rows[rows["split"] != "fit"]
    assert len(others) == 30
    assert (others["sampling_rate"] == 1.0).all()
    assert report["labelled"]["by_split"]["fit"]["negatives"] == 24
    assert report["published"]["by_split"]["fit"]["negatives"] == (fit["label"] == 0.0).sum()


def test_building_again_gives_the_same_rows(settings):
    _, before = build(settings)
    _, after = build(settings)
    assert before.equals(after)


def test_the_report_is_stored_beside_the_rows(settings):
    report, _ = build(settings)
    stored = Lake(settings.lake_path).path(report["table"]).with_name("report.json")
    assert json.loads(stored.read_text()) == report
    assert report["null_share"] == {"known_before": 0.0, "user_taste": 1.0}
    assert report["labelled"]["by_day"]["2022-04-02"] == {
        "rows": 10, "members": 3, "positives": 1, "negatives": 8, "middle": 1, "watched": 1,
    }  # fmt: skip


def test_training_rows_are_labelled_as_known_when_the_test_begins_and_test_rows_as_known_now(settings):
    lake = Lake(settings.lake_path)
    for day in (date(2022, 4, 4), date(2022, 4, 6)):
        shown, played = events(day, COMPLETIONS)
        late = [w | {"available_at": at(day, 30)} if w["completion"] == 0.9 else w for w in played]
        extra = [s | {"impression_id": f"{day}-midnight", "shown_at": at(day, 23.95)} for s in shown[:1]]
        lake.publish("impressions", pa.Table.from_pylist(shown + extra, schema=IMPRESSIONS.schema()), day)
        lake.publish("watches", pa.Table.from_pylist(late, schema=WATCHES.schema()), day)
    shown, played = events(date(2022, 4, 4), (0.9,))
    moved = [w | {"watch_id": "x", "impression_id": "2022-04-04-4"} for w in played]
    held = lake.read("watches", date(2022, 4, 4), date(2022, 4, 4)).to_pylist()
    lake.publish("watches", pa.Table.from_pylist(held + moved, schema=WATCHES.schema()), date(2022, 4, 4))

    report, rows = build(settings, config=config(None))
    label = rows.set_index("impression_id")["label"]
    assert label["2022-04-04-0"] == 0.0
    assert label["2022-04-06-0"] == 1.0
    assert "2022-04-04-midnight" not in label
    assert "2022-04-06-midnight" in label
    assert report["left_out"]["fit and calibrate"]["immature"] == 1


def test_rows_for_scoring_are_whole_and_carry_no_split(settings):
    rows = job.rows_for(settings, date(2022, 4, 5), date(2022, 4, 5), store=Store())
    assert len(rows) == 10
    assert "split" not in rows
    assert rows["watched"].sum() == 1


@pytest.mark.parametrize(
    ("store", "message"),
    [
        (Dropping(), r"answered 59 of 60 rows"),
        (Reversing(), r"answered the rows in another order"),
        (Naming(), r"features completion are named like columns"),
    ],
)
def test_a_feature_store_that_does_not_answer_row_by_row_stops_the_build(settings, store, message):
    with pytest.raises(FeatureError, match=message):
        build(settings, store=store, config=config(None))
    assert not Lake(settings.lake_path).exists("training/2022-04-05")


def test_a_split_of_one_class_is_refused_with_its_days(settings):
    lake = Lake(settings.lake_path)
    lake.publish("watches", pa.Table.from_pylist([], schema=WATCHES.schema()), date(2022, 4, 4))
    with pytest.raises(DataError, match=r"split calibrate \(2022-04-04 to before 2022-04-05\) has 0 positives and 10"):
        build(settings)


def test_days_without_events_are_refused_with_the_days_that_exist(settings):
    with pytest.raises(
        DataError, match=r"no day from 2023-01-01 to 2023-01-02: the lake holds 2022-04-01 to 2022-04-06"
    ):
        job.rows_for(settings, date(2023, 1, 1), date(2023, 1, 2), store=Store())


@pytest.fixture
def rated(tmp_path):
    """Three members rate a title a day each, 5 for even media and 2 for odd ones; nothing was logged as shown."""
    found = Settings(home=tmp_path)
    lake = Lake(found.lake_path)
    about = Dataset(name="rated", source="movielens", relevance="rating", impressions_logged=False)
    datasets.write(about, lake.root)
    publish_media(lake)
    for offset in range(6):
        day = FIRST + timedelta(days=offset)
        rows = [{"user_id": f"u{n}", "media_id": f"m{(offset + n) % 9}", "available_at": at(day, n)} for n in range(3)]
        rated = [r | {"rated_at": at(day, n), "rating": 2.0 + 3 * ((offset + n) % 2 == 0)} for n, r in enumerate(rows)]
        seen = [r | {"watch_id": f"{day}-{n}", "started_at": at(day, n)} for n, r in enumerate(rows)]
        lake.publish("ratings", pa.Table.from_pylist(rated, schema=RATINGS.schema()), day)
        lake.publish("watches", pa.Table.from_pylist(seen, schema=WATCHES.schema()), day)
    return found


def test_ratings_become_positives_against_sampled_media_that_nobody_touched_and_that_existed(rated):
    sampling = job.TrainingConfig(sampling=SamplingConfig(per_positive=2), balance=BalanceConfig())
    _, rows = build(rated, config=sampling)
    positive, middle, negative = (rows[m] for m in (rows["label"] == 1.0, rows["label"].isna(), rows["label"] == 0.0))
    assert (len(positive), len(middle)) == (9, 9)
    assert positive["media_id"].str[1:].astype(int).mod(2).eq(0).all()
    assert (middle["watched"] == 0.0).all()
    for row in negative.itertuples():
        source = rows[rows["impression_id"] == row.impression_id.split("~")[0]].iloc[0]
        assert (source["user_id"], source["event_timestamp"]) == (row.user_id, row.event_timestamp)
        assert int(row.media_id[1:]) <= (row.day - FIRST).days
    seen_before_test = {
        (r.user_id, r.media_id) for r in rows.itertuples() if "~" not in r.impression_id and r.split != "test"
    }
    assert not {(r.user_id, r.media_id) for r in negative.itertuples()} & seen_before_test
    assert negative.groupby(negative["impression_id"].str.split("~").str[0])["media_id"].nunique().max() <= 2


class Telling(Store):
    """Says from when its values are: ``ahead`` after the row, ``gone`` absent in later rows, ``endless`` infinite."""

    def __init__(self, fault: str | None = None) -> None:
        self.fault = fault

    def historical(self, rows, *, times=False):
        shown = pd.to_datetime(rows["event_timestamp"], utc=True)
        ahead = timedelta(seconds=1 if self.fault == "ahead" else -1)
        found = rows.assign(known_before=1.0, user_age=30.0, user_attributes__at=shown + ahead)
        if self.fault == "gone":
            found["user_age"] = found["user_age"].where(shown < pd.Timestamp(at(date(2022, 4, 4), 0)))
        if self.fault == "endless":
            found.loc[3, "user_age"] = float("inf")
        if self.fault == "nothing":
            found = found.assign(known_before=None, user_age=None)
        return found


def test_a_green_report_says_what_was_asked_of_the_rows(settings):
    report, rows = build(settings, store=Telling())
    held = report["integrity"]
    assert (held["verdict"], held["reasons"]) == ("green", [])
    assert held["checks"]["features later than the label"]["found"] == {"user_attributes": 0}
    assert held["checks"]["balance"]["found"]["fit"] == pytest.approx(3 / 27, abs=1e-6)
    assert "user_attributes__at" in rows
    assert set(report["null_share"]) == {"known_before", "user_age"}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("ahead", r"rows have features of user_attributes that are later than the row"),
        ("gone", r"user_age vanish from split fit to split calibrate: their source was lost"),
        ("endless", r"user_age is infinite in 1 rows"),
        ("nothing", r"every feature is absent in every row"),
    ],
)
def test_a_red_report_is_stored_with_its_reason_and_nothing_is_published(settings, fault, reason):
    build(settings, store=Telling())
    with pytest.raises(DataError, match=reason):
        build(settings, store=Telling(fault))
    lake = Lake(settings.lake_path)
    assert not lake.exists("training/2022-04-05"), "an earlier green set must not stand beside a red report"
    stored = job.report_of(settings, WINDOW)
    assert stored["integrity"]["verdict"] == "red"
    assert re.search(reason, stored["integrity"]["reasons"][0])


def test_labels_that_lost_their_watches_are_red_before_features_are_joined(settings):
    lake = Lake(settings.lake_path)
    for day in (date(2022, 4, 5), date(2022, 4, 6)):
        shown, played = events(day, (0.9,) + (0.0,) * 60)
        lake.publish("impressions", pa.Table.from_pylist(shown, schema=IMPRESSIONS.schema()), day)
        lake.publish("watches", pa.Table.from_pylist(played, schema=WATCHES.schema()), day)
    with pytest.raises(DataError, match=r"positives moves from 11.1111% in split fit to 1.6393% in split test"):
        build(settings, store=Dropping())


def test_nothing_is_fitted_on_a_red_training_set(settings):
    with pytest.raises(DataError, match=r"report\.json is missing: build the training set of 2022-04-05 first"):
        retraining.fit_ranker(settings, WINDOW, seed=7)
    with pytest.raises(DataError):
        build(settings, store=Telling("ahead"))
    for fit in (retraining.fit_generators, retraining.fit_ranker):
        with pytest.raises(DataError, match="training/2022-04-05 is red, and nothing is trained on it"):
            fit(settings, WINDOW, seed=7)


def test_generators_and_rankers_draw_from_one_word_on_success(settings):
    lake = Lake(settings.lake_path)
    lenient = LabelPolicy(positive_above=0.4, negative_below=0.03)
    datasets.write(Dataset(name="small", source="tables", labels=lenient), lake.root)
    report, rows = build(settings, config=config(None))
    assert report["thresholds"]["positive_above"] == 0.4
    liked = rows[rows["label"] == 1.0]
    assert set(liked["completion"]) == {0.9, 0.5}
    engaged = engaged_watches(lake, at(date(2022, 4, 7), 0)).to_pandas()
    assert set(zip(liked.user_id, liked.media_id, strict=True)) == set(
        zip(engaged.user_id, engaged.media_id, strict=True)
    )


def test_a_gap_is_neither_learnt_from_nor_tested_on(settings):
    gap = WINDOW.model_copy(update={"calibrate_from": date(2022, 4, 3), "gap_days": 1})
    rows = Lake(settings.lake_path).read(job.build(settings, gap, 1, store=Store())["table"]).to_pandas()
    assert rows.groupby("day")["split"].first().to_dict() == {
        date(2022, 4, 1): "fit", date(2022, 4, 2): "fit", date(2022, 4, 3): "calibrate",
        date(2022, 4, 5): "test", date(2022, 4, 6): "test",
    }  # fmt: skip


def test_a_sample_holds_matured_rows_with_a_label_and_is_that_of_its_seed(settings):
    def drawn(seed, most=12):
        return job.labelled_sample(settings, FIRST, date(2022, 4, 6), most=most, seed=seed, store=Store())

    found = drawn(1)
    assert len(found) == 12
    assert found["label"].isin([0.0, 1.0]).all()
    assert found["event_timestamp"].is_monotonic_increasing
    assert found["known_before"].eq(1.0).all()
    assert drawn(1)["impression_id"].tolist() == found["impression_id"].tolist() != drawn(2)["impression_id"].tolist()
    assert set(found["impression_id"]) < set(drawn(1, most=10_000)["impression_id"])


def test_a_sample_of_days_without_a_label_is_refused(settings):
    middle, day = events(date(2022, 4, 20), [0.5]), date(2022, 4, 20)
    for table, rows in zip((IMPRESSIONS, WATCHES), middle, strict=True):
        Lake(settings.lake_path).publish(table.name, pa.Table.from_pylist(rows, schema=table.schema()), day)
    with pytest.raises(DataError, match="has a label: import its watches"):
        job.labelled_sample(settings, day, day, most=5, seed=1, store=Store())


@pytest.mark.parametrize(
    ("asked", "named"),
    [({"method": "gbdtt"}, "gbdtt"), ({"options": {"roundz": 3}}, "roundz")],
    ids=["method", "setting"],
)
def test_a_ranker_or_a_setting_that_is_not_known_is_refused_before_anything_is_computed(settings, asked, named):
    with pytest.raises(DataError, match=named):
        retraining.plan(settings, None, None, **asked)
