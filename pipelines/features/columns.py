"""Rows of features as a data frame, and as the arrays that rankers and cross features read."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.core.contracts import Features
from pipelines.core.errors import FeatureError
from pipelines.features.catalogue import Feature


def arrays(rows: pd.DataFrame, features: Iterable[Feature], width: int = 0) -> Features:
    """Each feature of the rows as an array: float64 (NaN = absent), object (None = absent), (n, width) float32 packed.

    Raises:
        FeatureError: naming the features that the rows lack.
    """
    wanted = list(features)
    missing = [f.name for f in wanted if f.name not in rows.columns]
    if missing:
        raise FeatureError(f"features {', '.join(missing)} are missing: take rows that FeatureStore.historical made")
    return {f.name: _array(rows[f.name], f, width) for f in wanted}


def _array(column: "pd.Series[Any]", feature: Feature, width: int) -> npt.NDArray[Any]:
    if feature.dtype == "floats":
        return packed(column.tolist(), width)
    if feature.dtype == "strings":
        return _lists(column)
    if feature.dtype == "float":
        return np.asarray(pd.to_numeric(column), dtype=np.float64)
    values: npt.NDArray[np.object_] = column.to_numpy(object, copy=True)
    values[pd.isna(values)] = None
    return values


def _lists(column: "pd.Series[Any]") -> npt.NDArray[np.object_]:
    """(n,) tuples, empty where absent; filled one by one, as NumPy makes a matrix of lists that are equally long."""
    found = np.empty(len(column), dtype=object)
    for row, value in enumerate(column):
        found[row] = () if value is None or np.isscalar(value) else tuple(value)
    return found


def packed(values: Sequence[Any], width: int = 0) -> npt.NDArray[np.float32]:
    """(n, at least width): ragged or absent histograms padded with zeros, as codes only ever grow."""
    lengths = [0 if v is None or np.isscalar(v) else len(v) for v in values]
    found = np.zeros((len(values), max([width, *lengths])), dtype=np.float32)
    for row, (value, length) in enumerate(zip(values, lengths, strict=True)):
        found[row, :length] = value if length else 0
    return found
