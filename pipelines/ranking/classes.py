"""The one thing that no method can learn without: rows that were watched and rows that were not."""

import numpy as np

from pipelines.core.contracts import Floats
from pipelines.core.errors import DataError


def require_both(label: Floats) -> None:
    """DataError where (n,) labels are all alike, or there are none: a ranker of them would say one number for all."""
    if not len(label) or np.min(label) == np.max(label):
        raise DataError(f"the training set has {len(label)} labelled rows of one class: widen its window")
