"""A Spark session that understands the expressions: UTC throughout, and DuckDB's functions of time by their names."""

import os
import sys
from typing import Any

import ibis

from pipelines.core.errors import FeatureError

FUNCTIONS = (
    "CREATE OR REPLACE TEMPORARY FUNCTION timezone(zone STRING, moment TIMESTAMP) RETURNS TIMESTAMP "
    "RETURN from_utc_timestamp(moment, zone)",
    "CREATE OR REPLACE TEMPORARY FUNCTION epoch_us(moment TIMESTAMP) RETURNS BIGINT RETURN unix_micros(moment)",
)
"""What the expressions call by DuckDB's names, in Spark's SQL."""

OPTIONS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
LOCAL = {"spark.master": "local[2]", "spark.sql.shuffle.partitions": "4", "spark.driver.bindAddress": "127.0.0.1"}
"""Where no spark-defaults.conf and no spark-submit name a cluster."""


def connect() -> Any:
    """An Ibis backend on the running session, or on a new one.

    Raises:
        ImportError: pyspark is not installed.
        FeatureError: Spark does not start.
    """
    from pyspark import SparkConf
    from pyspark.errors import PySparkRuntimeError
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    conf = SparkConf()
    builder = SparkSession.builder.appName("marquee")
    for name, value in (OPTIONS if conf.contains("spark.master") else OPTIONS | LOCAL).items():
        builder = builder.config(name, value)
    try:
        session = builder.getOrCreate()
    except PySparkRuntimeError as exc:
        raise FeatureError(f"Spark did not start ({exc}): it needs Java 17 or newer, on PATH or in JAVA_HOME") from exc
    for function in FUNCTIONS:
        session.sql(function)
    return ibis.pyspark.connect(session)
