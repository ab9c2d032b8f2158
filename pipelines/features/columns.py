"""Rows of features as a data frame, and as the arrays that rankers and cross features read."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.core.contracts import Features
from pipelines.core.errors import FeatureError
from pipelines.features.catalogue import Feature

Values = Sequence[Any] | npt.NDArray[np.object_]


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
        return packed(column.to_numpy(object), width)
    if feature.dtype == "strings":
        return _lists(column)
    if feature.dtype == "float":
        return np.asarray(pd.to_numeric(column), dtype=np.float64)
    values: npt.NDArray[np.object_] = column.to_numpy(object, copy=True)
    values[pd.isna(values)] = None
    return values


def _lists(column: "pd.Series[Any]") -> npt.NDArray[np.object_]:
    """(n,) tuples, empty where absent; filled one by one, as NumPy makes a matrix of lists that are equally long."""
    values, places = _distinct(column.to_numpy(object))
    found = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        found[row] = () if value is None or np.isscalar(value) else tuple(value)
    return found[places]


def packed(values: Values, width: int = 0) -> npt.NDArray[np.float32]:
    """(n, at least width): ragged or absent histograms padded with zeros, as codes only ever grow."""
    own, places = _distinct(values)
    present = [() if v is None or np.isscalar(v) else v for v in own]
    lengths = np.array([len(v) for v in present], dtype=np.int64)
    found = np.zeros((len(own), max([width, *lengths])), dtype=np.float32)
    if lengths.any():
        found[np.arange(found.shape[1]) < lengths[:, None]] = np.concatenate(present)
    return found[places]


def _distinct(values: Values) -> tuple[list[Any], npt.NDArray[np.intp]]:
    """The values that are not one and the same object, and the place of each of the n among them.

    Rows of one answer share its list, see FeatureStore.historical: a million rows have some thousand lists.
    """
    _, first, places = np.unique(
        np.fromiter(map(id, values), dtype=np.int64, count=len(values)), return_index=True, return_inverse=True
    )
    return [values[row] for row in first], places
