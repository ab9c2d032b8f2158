"""A member's online row, as the page gets it, as the columns that cross features and rankers read."""

from collections.abc import Iterable, Mapping

import numpy as np

from pipelines.features.catalogue import STORED
from pipelines.features.cross_recent import SESSION_NEEDS
from pipelines.features.pairs import USER_NEEDS

PACKED = frozenset(f.name for f in STORED if f.dtype == "floats" and f.entity == "user")
LISTED = frozenset(f.name for f in STORED if f.dtype == "strings" and f.entity == "user")


def user_columns(row: Mapping[str, object], names: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """A member's online row as columns of one row: (1,) objects, None or () = absent; packed (1, d), no width = absent.

    ``names`` are absent where the row lacks them: a page is made although the feature store was never reached.
    """
    columns: dict[str, np.ndarray] = {name: np.zeros((1, 0)) for name in PACKED}
    columns |= {name: _listed(row.get(name)) for name in LISTED}
    for name in (*USER_NEEDS, *SESSION_NEEDS, *names):
        columns.setdefault(name, np.array([None], dtype=object))
    for name, value in row.items():
        if name in LISTED:
            continue
        if isinstance(value, (list, tuple, np.ndarray)):
            columns[name] = np.asarray(value, dtype=np.float32)[None, :]
        elif name not in PACKED:
            columns[name] = np.array([None if value != value else value], dtype=object)
    return columns


def _listed(value: object) -> np.ndarray:
    """(1,) objects: a tuple, empty where absent."""
    column = np.empty(1, dtype=object)
    column[0] = tuple(value) if isinstance(value, (list, tuple, np.ndarray)) else ()
    return column
