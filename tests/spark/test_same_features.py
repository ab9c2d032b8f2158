"""The same expressions on PySpark and on DuckDB: the same rows, the same numbers, the same files in the lake."""

import shutil
from functools import partial

import numpy as np
import pandas as pd
import pytest

from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.features import catalogue, coded, engines, job, stream, vocabulary
from pipelines.features.views import snapshots_of, tables_of

# ibis 12 reads results by a DuckDB call that DuckDB 2 has deprecated.
pytestmark = [
    pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning"),
    pytest.mark.timeout(900),
]

DAILY = [view for view in (*catalogue.USER_VIEWS, *catalogue.MEDIA_VIEWS) if view not in (stream.VIEW, *coded.VIEWS)]


def computed(settings: Settings, connection) -> dict[str, pd.DataFrame]:
    """Every daily view whole, ordered by key and day."""
    lake = Lake(settings.lake_path)
    read = tables_of(connection, lake, lake.dataset)
    genres = vocabulary.read(lake, vocabulary.GENRES)
    views = snapshots_of(read, lake.dataset, genres, partial(engines.hold, connection))
    return {
        view: found.to_pyarrow().to_pandas().sort_values([found.columns[0], "e"]).reset_index(drop=True)
        for view, found in views.items()
    }


@pytest.fixture(scope="module")
def both(settings, spark) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    with engines.opened("duckdb") as connection:
        ours = computed(settings, connection)
    return ours, computed(settings, spark)


@pytest.mark.parametrize("view", DAILY)
def test_both_engines_compute_the_same_rows_to_the_last_bit(both, view):
    duckdb, pyspark = (found[view] for found in both)

    assert len(duckdb)
    assert list(duckdb.columns) == list(pyspark.columns)
    assert len(duckdb) == len(pyspark)
    for name in duckdb.columns:
        same(name, duckdb[name], pyspark[name])


def same(name: str, one: "pd.Series", other: "pd.Series") -> None:
    """Equal in every row; absent where absent; arrays place by place, NaN equal to NaN."""
    if isinstance(one.dropna().iloc[0] if one.notna().any() else None, np.ndarray):
        absent = one.isna()
        assert (absent == other.isna()).all(), name
        for left, right in zip(one[~absent], other[~absent], strict=True):
            np.testing.assert_array_equal(np.asarray(left), np.asarray(right), err_msg=name)
    else:
        pd.testing.assert_series_equal(one, other, check_dtype=False, check_exact=True)


def test_a_refresh_by_spark_publishes_the_same_lake(settings, spark, tmp_path):
    """``spark`` comes first: the refresh uses the session that runs."""
    lake = Lake(settings.lake_path)
    shutil.copytree(settings.root, tmp_path / "home", ignore=shutil.ignore_patterns("features", "*.lock"))
    again = Settings(home=tmp_path / "home", engine="pyspark")

    days = lake.days("watches")
    job.refresh(again, days[0], days[-1])

    for view in (*DAILY, *coded.VIEWS, stream.VIEW):
        table = f"features/{view}"
        assert Lake(again.lake_path).days(table) == lake.days(table), view
        one, other = (which.read(table).to_pandas() for which in (lake, Lake(again.lake_path)))
        assert len(one) == len(other)
        for name in one.columns:
            same(name, one[name], other[name])
