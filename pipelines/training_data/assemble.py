"""The point-in-time join: every row with the features that were known when its title was shown."""

from typing import Protocol

import pandas as pd

from pipelines.core.contracts import TIMES
from pipelines.core.errors import FeatureError

REQUEST = ("impression_id", "user_id", "media_id", "event_timestamp", "device", "surface")
"""What the feature store is told of a row. The outcome is not among it."""


class FeatureHistory(Protocol):
    """Features as they were known at a time."""

    def historical(self, rows: pd.DataFrame, *, times: bool = False) -> pd.DataFrame:
        """The same rows in the same order, every feature beside them; ``times``: and ``<view>__at``, from when."""
        ...


class Retrieval(Protocol):
    """What generators that had been fitted before each row's day think of it; the candidates stage answers."""

    def scored(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Columns beside the rows, in their order: the scores, and ``<...>__at``, as of when they were known."""
        ...


def assemble(rows: pd.DataFrame, store: FeatureHistory, retrieval: Retrieval | None = None) -> pd.DataFrame:
    """The rows with every feature, and with the generators' scores; rows in = rows out, in the same order.

    Beside them ``<view>__at`` and ``<scores>__at`` say from when they are.

    Raises:
        FeatureError: when the store lost, added or moved a row, or a feature is named like a column of the rows.
    """
    asked = rows.loc[:, list(REQUEST)].reset_index(drop=True)
    found = store.historical(asked, times=True).copy(deep=False)
    found.index = pd.RangeIndex(len(found))
    if len(found) != len(asked):
        raise FeatureError(
            f"the feature store answered {len(found)} of {len(asked)} rows: its join drops or doubles rows"
        )
    if not (found["impression_id"].astype(str) == asked["impression_id"].astype(str)).all():
        raise FeatureError(
            "the feature store answered the rows in another order: it must keep the order that it is given"
        )
    for name in REQUEST:
        del found[name]
    if retrieval is not None:
        scores = retrieval.scored(rows).reset_index(drop=True)
        if len(scores) != len(rows):
            raise FeatureError(f"the generators scored {len(scores)} of {len(rows)} rows: each needs an answer")
        for name in scores.columns:
            found[name] = scores[name]
    taken = sorted(set(found.columns) & set(rows.columns))
    if taken:
        raise FeatureError(f"features {', '.join(taken)} are named like columns of a training row: rename them")
    # Into the large frame, not both into a third: a training set fills the memory once.
    for name in reversed(rows.columns):
        found.insert(0, name, rows[name].set_axis(found.index))
    return found


def feature_names(assembled: pd.DataFrame, rows: pd.DataFrame) -> list[str]:
    """The features that were joined to the rows, without the columns that say from when they are."""
    held = set(rows.columns)
    return [str(name) for name in assembled.columns if name not in held and not str(name).endswith(TIMES)]
