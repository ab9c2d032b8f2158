"""Packed features (histograms, codes, embeddings, sequences) as plain columns, which any ranker can read."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

Flags = npt.NDArray[np.bool_]

MOST = 32
LISTED = frozenset({"codes", "sequence"})
"""Kinds whose arrays list members; the others have a column a place."""


def unpack(rows: pa.Table, kinds: Mapping[str, str], *, most: int = MOST) -> tuple[pa.Table, list[str]]:
    """The rows with at most ``most`` columns more for each packed feature, and the names of those.

    kinds: feature -> kind. Of codes and sequences, whether each of the commonest members is among them; of the others,
    each of the places that vary most. Which those are is read from the rows of split ``fit`` alone.
    """
    fit = np.asarray(pc.equal(rows["split"], "fit"))
    names = []
    for feature, kind in kinds.items():
        columns = (_members if kind in LISTED else _places)(rows[feature], fit, most)
        for label, column in columns.items():
            name = f"{feature}={label}" if kind in LISTED else f"{feature}[{label}]"
            rows = rows.append_column(name, pa.array(column.astype(np.float32)))
            names.append(name)
    return rows, names


def _members(lists: pa.ChunkedArray, fit: Flags, most: int) -> dict[str, Flags]:
    """Whether each of the commonest members is in a row's list; 0 and the empty word only pad."""
    frame = pd.DataFrame({"row": _parents(lists), "value": pc.list_flatten(lists).to_numpy()})
    frame = frame[frame["value"].astype(bool)].drop_duplicates()
    counts = frame.loc[fit[frame["row"].to_numpy()], "value"].value_counts()
    common = sorted(counts.index.tolist(), key=lambda value: (-counts[value], str(value)))[:most]
    found = {}
    for value in common:
        found[_label(value)] = np.zeros(len(lists), dtype=bool)
        found[_label(value)][frame.loc[frame["value"] == value, "row"].to_numpy()] = True
    return found


def _label(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _places(lists: pa.ChunkedArray, fit: Flags, most: int) -> dict[str, npt.NDArray[np.float32]]:
    """The places of a row's array that vary most; NaN where a row has no array, 0 behind a shorter one's end."""
    length = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    width = int(length.max(initial=0))
    filled = np.zeros((len(lists), width), dtype=np.float32)
    filled[length == 0] = np.nan
    filled[_parents(lists), _within(length)] = pc.list_flatten(lists).to_numpy()
    held = filled[fit & (length > 0)]
    if not len(held):
        return {}
    varies = held.var(axis=0)
    return {str(p): filled[:, p] for p in np.argsort(-varies, kind="stable")[:most].tolist() if varies[p] > 0}


def _parents(lists: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """The row of each value."""
    return np.asarray(pc.list_parent_indices(lists.combine_chunks()).to_numpy(), dtype=np.int64)


def _within(length: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The place of each value in its row's array."""
    return np.asarray(np.arange(int(length.sum())) - np.repeat(np.cumsum(length) - length, length), dtype=np.int64)
