"""A member's row for the online store, where cost is per value: all numbers in one array, all words in another."""

import math
from typing import Any

import ibis

from pipelines.core.dataset import Dataset
from pipelines.features.catalogue import features

PACKED_VIEWS = ("user_attributes", "user_activity")
"""Views of scalars that are read online; user_genres is packed as it is."""

ABSENT_NUMBER, ABSENT_WORD = math.nan, ""
"""What stands for null, which Feast's arrays cannot hold."""


def contents(view: str, dataset: Dataset) -> dict[str, tuple[str, ...]]:
    """The packed columns of a view and the features in each, in order."""
    here = [f for f in features(dataset) if f.view == view]
    return {
        f"{view}_numbers": tuple(f.name for f in here if f.dtype == "float"),
        f"{view}_words": tuple(f.name for f in here if f.dtype == "string"),
    }


def with_packed(snapshots: Any, view: str, dataset: Dataset) -> Any:
    """The snapshots with the packed columns beside the plain ones."""
    numbers, words = contents(view, dataset).items()
    return snapshots.mutate(
        **{
            numbers[0]: ibis.array([snapshots[n].fill_null(ABSENT_NUMBER) for n in numbers[1]]),
            words[0]: ibis.array([snapshots[n].fill_null(ABSENT_WORD) for n in words[1]]),
        }
    )
