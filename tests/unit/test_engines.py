"""What is missing for an engine is named, with the remedy."""

import sys

import pytest

from pipelines.core.errors import FeatureError
from pipelines.features import engines


def test_without_pyspark_the_engine_names_the_extra_that_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark", None)

    with pytest.raises(FeatureError, match=r"EXTRAS=spark marquee/setup\.sh"), engines.opened("pyspark"):
        pass
