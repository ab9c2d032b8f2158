"""Has a column's distribution moved? Binned PSI against a stored sketch: a thousandth of the work of two full samples.

A sketch is JSON: for each column its bins and the share of the reference rows in each. Numeric bins are deciles with
one bin below and one above everything seen; categorical bins are the commonest values and one for all others. Absent
values have a bin of their own in both, so that a feature that breaks is a feature that drifts. Packed columns
(histograms, embeddings) are left out.
"""

from collections.abc import Hashable, Mapping
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.core.errors import DataError

DECILES = np.linspace(0.1, 0.9, 9)
MOST_VALUES = 30
FLOOR = 1e-4
"""A share of 0 counts as this much, or one row in an empty bin would be infinitely surprising."""


class ColumnSketch(TypedDict):
    """``bins``: upper edges of numeric bins, or values. ``shares``: of each bin, of the rest, of absent; sum 1."""

    kind: str
    bins: list[Any]
    shares: list[float]
    rows: int


Sketch = dict[str, ColumnSketch]
Columns = pd.DataFrame | Mapping[str, npt.NDArray[Any]]
Weights = npt.NDArray[np.float64] | None


def sketch(columns: Columns, weight: Weights = None) -> Sketch:
    """A sketch of every numeric and text column. ``weight``: (n,) how many rows each row stands for, 1 if not given.

    Raises:
        DataError: for no rows.
    """
    frame = pd.DataFrame(columns)
    if frame.empty:
        raise DataError("there are no reference rows to sketch: build the training set of other days")
    found = {str(name): _sketch_column(frame[name], weight) for name in frame.columns}
    return {name: column for name, column in found.items() if column is not None}


def psi(reference: Sketch, columns: Columns) -> dict[str, float]:
    """The population stability index of each sketched column that ``columns`` has: 0 = the same shares.

    The sum over bins of (p - q) ln(p / q). By custom 0.1 is worth a look and 0.25 a large shift.
    """
    frame = pd.DataFrame(columns)
    if frame.empty:
        raise DataError("there are no rows to compare with the reference: choose other days")
    return {
        name: float(_index(column["shares"], _shares(column["kind"], column["bins"], frame[name], None)))
        for name, column in reference.items()
        if name in frame.columns
    }


def chance(column: ColumnSketch, rows: int, confidence: float = 0.99, draws: int = 1000, seed: int = 0) -> float:
    """The PSI that ``rows`` independent rows of an unmoved column stay below with this confidence.

    Drawn, not looked up: with few rows empty bins are common, and the chi-squared approximation is far too low.
    """
    p = np.asarray(column["shares"])
    counts = np.random.default_rng(seed).multinomial(max(rows, 1), p / p.sum(), size=draws)
    return float(np.quantile(_index(p, counts / max(rows, 1)), confidence))


def _sketch_column(values: "pd.Series[Any]", weight: Weights) -> ColumnSketch | None:
    kind = _kind(values)
    if kind is None:
        return None
    bins = _edges(values) if kind == "numeric" else _commonest(values)
    shares = _shares(kind, bins, values, weight)
    return ColumnSketch(kind=kind, bins=bins, shares=[round(float(s), 8) for s in shares], rows=len(values))


def _kind(values: "pd.Series[Any]") -> str | None:
    if pd.api.types.is_bool_dtype(values.dtype) or isinstance(values.dtype, pd.CategoricalDtype):
        return "categorical"
    if pd.api.types.is_numeric_dtype(values.dtype):
        return "numeric"
    known = values.dropna()
    if len(known) and not isinstance(known.iloc[0], str | bool):
        return None
    return "categorical"


def _numbers(values: "pd.Series[Any]") -> npt.NDArray[np.float64]:
    """As floats; what is not finite is absent."""
    found = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isfinite(found), found, np.nan)


def _edges(values: "pd.Series[Any]") -> list[float]:
    """Upper edges: just below the least, the deciles, the greatest; the last bin lies above it."""
    known = _numbers(values)
    known = known[~np.isnan(known)]
    if not len(known):
        return []
    inner = np.quantile(known, DECILES, method="lower")
    least, greatest = float(known.min()), float(known.max())
    return sorted({float(np.nextafter(least, -np.inf)), *(float(e) for e in inner), greatest})


def _commonest(values: "pd.Series[Any]") -> list[Hashable]:
    counts = values.dropna().astype(str).value_counts()
    return sorted(counts.index, key=lambda value: (-counts[value], value))[:MOST_VALUES]


def _shares(kind: str, bins: list[Any], values: "pd.Series[Any]", weight: Weights) -> npt.NDArray[np.float64]:
    """(bins + 2,): of each bin, of everything beyond them, of absent values."""
    if kind == "numeric":
        numbers = _numbers(values)
        absent, codes = np.isnan(numbers), np.searchsorted(np.asarray(bins, dtype=np.float64), numbers, side="left")
    else:
        absent = values.isna().to_numpy()
        codes = pd.Index(bins, dtype=object).get_indexer(values.astype(str))
        codes = np.where(codes < 0, len(bins), codes)
    codes = np.where(absent, len(bins) + 1, codes)
    counted = np.bincount(codes, weights=weight, minlength=len(bins) + 2).astype(np.float64)
    shares: npt.NDArray[np.float64] = counted / counted.sum()
    return shares


def _index(reference: npt.ArrayLike, current: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(..., bins) shares -> (...,) indices."""
    p, q = np.maximum(np.asarray(reference, dtype=np.float64), FLOOR), np.maximum(current, FLOOR)
    summed: npt.NDArray[np.float64] = np.sum((q - p) * np.log(q / p), axis=-1)
    return summed
