"""What computes the expressions: DuckDB on one machine, or Spark. Nothing else of this room knows which."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import ibis

from pipelines.core.errors import FeatureError

Name = Literal["duckdb", "pyspark"]


@contextmanager
def opened(name: Name) -> Iterator[Any]:
    """An Ibis backend for the length of one computation.

    Raises:
        FeatureError: the engine is pyspark, and the extra ``spark`` or Java is missing.
    """
    connection = _spark() if name == "pyspark" else _duckdb()
    try:
        yield connection
    finally:
        connection.disconnect()


def _duckdb() -> Any:
    connection = ibis.duckdb.connect()
    connection.raw_sql("SET enable_progress_bar = false")
    return connection


def _spark() -> Any:
    from pipelines.features import spark

    try:
        return spark.connect()
    except ImportError as exc:
        raise FeatureError(
            f"engine pyspark needs the extra spark ({exc}): run `EXTRAS=spark marquee/setup.sh`"
        ) from exc


def read_files(connection: Any, files: Sequence[Path]) -> Any:
    """The rows of parquet files as one table; a column that some of the files lack is null there."""
    paths = [str(file) for file in files]
    if connection.name == "pyspark":
        return _named(connection, connection._session.read.option("mergeSchema", "true").parquet(*paths))
    return connection.read_parquet(paths, hive_partitioning=False, union_by_name=True)


def hold(connection: Any, expression: Any) -> Any:
    """Compute the expression once and keep its rows until the connection is closed."""
    if connection.name == "pyspark":
        return _named(connection, connection._session.sql(connection.compile(expression)).persist())
    return connection.create_table(ibis.util.gen_name("held"), expression, temp=True)


def _named(connection: Any, frame: Any) -> Any:
    """A Spark data frame as a table of the backend."""
    name = ibis.util.gen_name("frame")
    frame.createTempView(name)
    return connection.table(name)
