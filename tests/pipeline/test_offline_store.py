"""The offline store against its contract, against a plain loop, and against Feast's own DuckDB store."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.adapters import asof_join, feast_client, historical_rows
from pipelines.core.errors import FeatureError

# ibis 12, which Feast's own store reads results with, does so by a call that DuckDB 2 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

OURS = "pipelines.adapters.asof_store.AsofOfflineStore"
STAMP = pa.timestamp("us", "UTC")
ROWS = pa.schema([("k", pa.string()), ("event_timestamp", STAMP), ("created_timestamp", STAMP), ("value", pa.int64())])


def at(hour):
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour)


def written(folder, *files):
    """Files of rows (key, event hour, created hour, value), one file each; their pattern."""
    for number, rows in enumerate(files):
        path = Path(folder) / f"day=2026-01-{number + 1:02}" / "data.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = list(zip(*rows, strict=True)) if rows else [()] * 4
        times = [[None if h is None else at(h) for h in column] for column in columns[1:3]]
        arrays = [pa.array(c, f.type) for c, f in zip((columns[0], *times, columns[3]), ROWS, strict=True)]
        pq.write_table(pa.Table.from_arrays(arrays, schema=ROWS), path)
    return str(Path(folder) / "day=*" / "data.parquet")


def opened(folder, pattern, kind=OURS, ttl=timedelta(0), **options):
    """A Feast store of one view over the files."""
    feast = feast_client.import_feast()
    from feast.repo_config import RepoConfig
    from feast.types import Int64, String
    from feast.value_type import ValueType

    Path(folder).mkdir(parents=True, exist_ok=True)
    config = RepoConfig(
        project="test",
        provider="local",
        registry=str(Path(folder) / "registry.db"),
        offline_store={"type": kind, **options},
        online_store={"type": "sqlite", "path": str(Path(folder) / "online.db")},
        entity_key_serialization_version=3,
        repo_path=Path(folder),
    )
    key = feast.Entity(name="k", join_keys=["k"], value_type=ValueType.STRING)
    source = feast.FileSource(
        name="source",
        path=pattern,
        timestamp_field="event_timestamp",
        created_timestamp_column="created_timestamp",
    )
    schema = [feast.Field(name="k", dtype=String), feast.Field(name="value", dtype=Int64)]
    store = feast.FeatureStore(config=config)
    store.apply([key, source, feast.FeatureView(name="view", entities=[key], ttl=ttl, schema=schema, source=source)])
    return store


def asked(*rows):
    """Questions (key, hour), numbered."""
    hours = pd.to_datetime([at(hour) for _, hour in rows], utc=True).as_unit("us")
    return pd.DataFrame({"k": [k for k, _ in rows], "event_timestamp": hours, "number": range(len(rows))})


def ask(store, rows, *, known=True, **more):
    return store.get_historical_features(rows, ["view:value"], filter_by_created_timestamp=known, **more)


def values(store, *rows, known=True):
    """The answers to questions (key, hour), None where there is none."""
    return ask(store, asked(*rows), known=known).to_arrow()["value"].to_pylist()


def test_rows_in_are_rows_out_in_their_order_with_their_own_columns(tmp_path):
    store = opened(tmp_path, written(tmp_path, [("a", 0, 0, 1)], [("a", 24, 24, 2), ("b", 24, 24, 3)]))
    rows = asked(("b", 30), ("a", 30), ("a", 30), ("nobody", 30), (None, 30), ("a", 1), ("a", -1)).iloc[::-1]
    found = ask(store, rows).to_df()
    pd.testing.assert_frame_equal(found.drop(columns="value"), rows.reset_index(drop=True))
    assert ask(store, rows).to_arrow()["value"].to_pylist()[::-1] == [3, 2, 2, None, None, 1, None]


def test_no_rows_give_no_rows_with_every_column(tmp_path):
    store = opened(tmp_path, written(tmp_path, [("a", 0, 0, 1)]))
    found = ask(store, asked(("a", 1)).iloc[:0]).to_arrow()
    assert found.num_rows == 0
    assert found.column_names == ["k", "event_timestamp", "number", "value"]


def test_a_row_is_seen_through_the_last_moment_of_its_ttl(tmp_path):
    store = opened(tmp_path, written(tmp_path, [("a", 0, 0, 1)]), ttl=timedelta(hours=2))
    assert values(store, ("a", 0), ("a", 2), ("a", 2.001), ("a", -0.001)) == [1, 1, None, None]


def test_a_row_out_of_its_ttl_hides_the_older_ones(tmp_path):
    store = opened(tmp_path, written(tmp_path, [("a", 0, 0, 1), ("a", 5, 5, 2)]), ttl=timedelta(hours=2))
    assert values(store, ("a", 4), ("a", 5), ("a", 8)) == [None, 2, None]


def test_of_rows_of_one_moment_the_one_created_last_counts_once_it_is_known(tmp_path):
    store = opened(tmp_path, written(tmp_path, [("a", 0, 0, 1), ("a", 0, 9, 2)], [("a", 0, 4, 3)]))
    assert values(store, ("a", 1), ("a", 4), ("a", 8), ("a", 9)) == [1, 3, 3, 2]
    assert values(store, ("a", 1), known=False) == [2]


def test_a_late_row_gives_way_to_the_latest_older_one_that_was_known(tmp_path):
    store = opened(tmp_path, written(tmp_path, [("a", 0, 0, 1), ("a", 3, 50, 2), ("a", 5, 60, 3)], [("a", 6, 7, 4)]))
    assert values(store, ("a", 4), ("a", 5), ("a", 6), ("a", 7), ("a", 55), ("a", 70)) == [1, 1, 1, 4, 4, 4]


def test_a_row_of_unknown_creation_is_never_known(tmp_path):
    store = opened(tmp_path, written(tmp_path, [("a", 0, 0, 1), ("a", 3, None, 2)]))
    assert values(store, ("a", 4)) == [1]
    assert values(store, ("a", 4), known=False) == [2]


def test_a_question_without_a_time_has_no_answer(tmp_path):
    store = opened(tmp_path, written(tmp_path, [("a", 0, 0, 1)]), ttl=timedelta(hours=9))
    rows = asked(("a", 1), ("a", 1))
    rows.loc[0, "event_timestamp"] = pd.NaT
    assert ask(store, rows).to_arrow()["value"].to_pylist() == [None, 1]


def test_a_question_finer_than_a_microsecond_sees_nothing_later(tmp_path):
    store = opened(tmp_path, written(tmp_path, [("a", 0, 0, 1)]))
    rows = asked(("a", 0), ("a", 0))
    moments = pd.to_datetime(rows["event_timestamp"]).dt.as_unit("ns") + pd.to_timedelta([-1, 1], unit="ns")
    assert ask(store, rows.assign(event_timestamp=moments)).to_arrow()["value"].to_pylist() == [None, 1]


def test_full_names_name_the_view(tmp_path):
    store = opened(tmp_path, written(tmp_path, [("a", 0, 0, 1)]))
    found = ask(store, asked(("a", 1)), full_feature_names=True).to_arrow()
    assert found["view__value"].to_pylist() == [1]


def test_times_say_from_when_each_answer_is(tmp_path):
    store = opened(tmp_path, written(tmp_path, [("a", 0, 0, 1), ("a", 3, 5, 2)]))
    found = ask(store, asked(("a", 1), ("a", 6), ("b", 4))).with_times().to_arrow()
    assert found["view__at"].to_pylist() == [at(0), at(5), None]
    assert found["view__at"].type == STAMP


def test_a_missing_key_and_a_source_without_files_are_named(tmp_path):
    store = opened(tmp_path, written(tmp_path / "source", [("a", 0, 0, 1)]))
    with pytest.raises(FeatureError, match="lack k"):
        ask(store, asked(("a", 1)).drop(columns="k"))
    (tmp_path / "source" / "day=2026-01-01" / "data.parquet").unlink()
    with pytest.raises(FeatureError, match="source of view view has no files: run refresh_features"):
        ask(store, asked(("a", 1))).to_arrow()


@pytest.mark.parametrize("new", [[("a", 0, 0, 3), ("b", 0, 0, 4)], [("b", 0, 0, 4)], None])
def test_files_replaced_or_folded_while_they_are_read_are_read_again(tmp_path, monkeypatch, new):
    pattern = written(tmp_path, [("b", 0, 0, 1), ("a", 0, 0, 2)], [("a", 0, 0, 3), ("b", 0, 1, 4)])
    store, real, left = opened(tmp_path, pattern), asof_join._places, [1]

    def places(*args):
        found = real(*args)
        if left and left.pop():
            (tmp_path / "day=2026-01-01/data.parquet").unlink()
            if new:
                written(tmp_path / "new", new)
                os.replace(tmp_path / "new/day=2026-01-01/data.parquet", tmp_path / "day=2026-01-01/data.parquet")
        return found

    monkeypatch.setattr(asof_join, "_places", places)
    assert values(store, ("a", 1), ("b", 1)) == [3, 4]
    assert left == []


def test_files_replaced_all_the_time_are_an_error_and_not_a_mixture(tmp_path, monkeypatch):
    store = opened(tmp_path, written(tmp_path, [("a", 0, 0, 1)]))
    looks = iter(range(99))
    monkeypatch.setattr(asof_join, "_files", lambda history: {str(*tmp_path.glob("*/*.parquet")): next(looks)})
    with pytest.raises(FeatureError, match="files of view view were replaced 3 times while they were read"):
        values(store, ("a", 1))


def test_a_profile_says_how_much_memory_a_join_may_hold(tmp_path):
    pattern = written(tmp_path / "source", [(f"member {n}", 0, 0, n) for n in range(50_000)])
    questions = [(f"member {n}", 1) for n in range(50_000)]
    assert values(opened(tmp_path / "much", pattern, memory_limit="2GB"), *questions) == list(range(50_000))
    with pytest.raises(duckdb.OutOfMemoryException):
        values(opened(tmp_path / "little", pattern, memory_limit="1MB"), *questions)


def test_lists_and_words_come_out_as_they_lie_in_the_files_however_many_rows_ask(tmp_path, monkeypatch):
    rows = pa.table({"k": ["a", "b"], "t": pa.array([at(0), at(0)], STAMP), "l": [[1.0, 2.0], None], "w": ["x", "y"]})
    pq.write_table(rows, tmp_path / "one.parquet")
    monkeypatch.setattr(asof_join, "AT_ONCE", 3)
    history = asof_join.History("v", str(tmp_path / "one.parquet"), "t", None, {"k": "who"}, {"l": "l", "w": "w"})
    questions = pa.table({"who": ["b", "a", None, "c", "a", "b", "a"]})
    found = asof_join.as_of(questions, np.full(7, int(at(1).timestamp() * 1e6)), [history], known=True)
    assert found["w"].to_pylist() == ["y", "x", None, None, "x", "y", "x"]
    assert found["l"].to_pylist() == [None, [1.0, 2.0], None, None, [1.0, 2.0], None, [1.0, 2.0]]


def test_a_view_of_two_keys_and_one_of_none_are_joined_by_all_their_keys(tmp_path):
    rows = pa.table({"k": ["a", "a"], "m": ["x", "y"], "t": pa.array([at(0), at(1)], STAMP), "v": [1, 2]})
    pq.write_table(rows, tmp_path / "one.parquet")
    file, hour = str(tmp_path / "one.parquet"), int(at(9).timestamp() * 1e6)
    pair = asof_join.History("pair", file, "t", "t", {"k": "k", "m": "m"}, {"of_pair": "v"})
    alone = asof_join.History("alone", file, "t", "t", {}, {"of_all": "v"})
    questions = pa.table({"k": ["a", "a", "b"], "m": ["y", "x", "x"]})
    found = asof_join.as_of(questions, np.full(3, hour), [pair, alone], known=True)
    assert found["of_pair"].to_pylist() == [2, 1, None]
    assert found["of_all"].to_pylist() == [2, 2, 2]


HOURS = st.integers(0, 12)
HISTORIES = st.lists(
    st.tuples(st.sampled_from("abc"), HOURS, st.integers(0, 20)), unique=True, min_size=1, max_size=25
).map(lambda rows: [(k, event, created, n) for n, (k, event, created) in enumerate(rows)])
QUESTIONS = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(-1, 24)), min_size=1, max_size=25)
TTLS = st.sampled_from([timedelta(0), timedelta(hours=3)])


def by_loop(rows, questions, ttl, known):
    """What the contract says, row by row."""
    found = []
    for key, hour in questions:
        held = [r for r in rows if r[0] == key and r[1] <= hour and (not known or r[2] <= hour)]
        best = max(held, key=lambda r: (r[1], r[2]), default=None)
        old = best and ttl and timedelta(hours=hour - best[1]) > ttl
        found.append(best[3] if best and not old else None)
    return found


@settings(max_examples=60, deadline=None)
@given(HISTORIES, QUESTIONS, TTLS, st.booleans(), st.integers(1, 3))
def test_every_answer_is_what_a_plain_loop_finds(tmp_path_factory, rows, questions, ttl, known, parts):
    folder = tmp_path_factory.mktemp("history")
    pattern = written(folder, *(rows[n::parts] for n in range(parts)))
    history = asof_join.History(
        "v", pattern, "event_timestamp", "created_timestamp", {"k": "k"}, {"value": "value"}, ttl
    )
    moments = np.array([at(hour).timestamp() * 1e6 for _, hour in questions], dtype=np.int64)
    found = asof_join.as_of(pa.table({"k": [k for k, _ in questions]}), moments, [history], known=known)
    assert found["value"].to_pylist() == by_loop(rows, questions, ttl, known)


@settings(max_examples=12, deadline=None)
@given(HISTORIES, QUESTIONS, TTLS, st.booleans())
def test_every_answer_is_that_of_feasts_own_store(tmp_path_factory, rows, questions, ttl, known):
    folder = tmp_path_factory.mktemp("both")
    pattern = written(folder / "source", rows[::2], rows[1::2])
    ours, theirs = (
        ask(opened(folder / name, pattern, kind, ttl), asked(*questions), known=known).to_arrow().sort_by("number")
        for name, kind in (("ours", OURS), ("theirs", "duckdb"))
    )
    assert ours.column_names == theirs.column_names
    assert ours["value"].to_pylist() == theirs["value"].to_pylist()


def test_any_other_store_of_feast_answers_rows_in_their_order_but_does_not_tell_times(tmp_path):
    pattern = written(tmp_path / "source", [("a", 0, 0, 1), ("b", 0, 0, 2)])
    rows, answers = asked(("b", 1), ("a", 1), ("b", 1), ("c", 1))[["k", "event_timestamp"]], []
    for kind in (OURS, "duckdb"):
        store = opened(tmp_path / kind, pattern, kind)
        views = [store.get_feature_view("view")]
        answers.append(historical_rows.stored(store, rows, views, times=False)["value"])
    pd.testing.assert_series_equal(*answers, check_names=False)
    assert answers[0].tolist()[:3] == [2, 1, 2]
    with pytest.raises(FeatureError, match="does not tell from when features are: configure AsofOfflineStore"):
        historical_rows.stored(store, rows, views, times=True)


def test_what_is_persisted_is_what_was_answered(tmp_path):
    from feast.infra.offline_stores.file_source import SavedDatasetFileStorage

    store = opened(tmp_path, written(tmp_path, [("a", 0, 0, 1)]))
    job = ask(store, asked(("a", 1), ("b", 1)))
    job.persist(SavedDatasetFileStorage(str(tmp_path / "saved.parquet")))
    assert pq.read_table(tmp_path / "saved.parquet")["value"].to_pylist() == [1, None]
    assert job.metadata.keys == ["k", "number"]


def test_materialisation_finds_the_latest_row_of_each_key(tmp_path):
    store = opened(tmp_path, written(tmp_path, [("a", 0, 0, 1), ("b", 0, 0, 2)], [("a", 24, 24, 3)]))
    store.materialize(at(-1), at(30))
    found = store.get_online_features(["view:value"], [{"k": "a"}, {"k": "b"}]).to_dict()
    assert found["value"] == [3, 2]
