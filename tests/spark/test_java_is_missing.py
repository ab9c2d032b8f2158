"""Spark without Java is named for what it is."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = """
from pipelines.core.errors import FeatureError
from pipelines.features import engines

try:
    with engines.opened("pyspark"):
        print("started")
except FeatureError as error:
    print(error)
"""


def test_without_java_the_engine_says_that_spark_needs_it(tmp_path):
    env = os.environ | {"JAVA_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}

    said = subprocess.run([sys.executable, "-c", CODE], env=env, capture_output=True, text=True, check=True).stdout

    assert "it needs Java 17 or newer" in said
