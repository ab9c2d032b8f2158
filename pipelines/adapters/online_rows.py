"""What is written to the online store while the day goes on: a member's recent row, pushed."""

from typing import Any

import numpy as np
import pandas as pd

from pipelines.core.errors import FeatureError

PUSH_SOURCE, PUSHED = "user_recent_push", "user_recent"
AT, CREATED = "event_timestamp", "created_timestamp"


def push(store: Any, rows: pd.DataFrame) -> None:
    """Write rows of the pushed view to the online store; a row older than the one that is there changes nothing.

    rows: user_id, every column of the view, event_timestamp (UTC); arrays are sequences, absent is None or NaN.

    Raises:
        FeatureError: naming the columns that are missing.
    """
    view = store.get_feature_view(PUSHED, allow_registry_cache=True)
    names = [*view.join_keys, *(feature.name for feature in view.features), AT]
    missing = [name for name in names if name not in rows.columns]
    if missing:
        raise FeatureError(f"rows for {PUSH_SOURCE} lack {', '.join(missing)}: they need {', '.join(names)}")
    if rows.empty:
        return
    plain = {name: [_plain(value) for value in rows[name]] for name in names if name != AT}
    at = pd.to_datetime(rows[AT], utc=True).to_numpy(dtype="datetime64[us]")
    times = pd.DatetimeIndex(at).tz_localize("UTC")
    frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in plain.items()})
    store.push(PUSH_SOURCE, frame.assign(**{AT: times, CREATED: times}))


def _plain(value: Any) -> Any:
    """Lists for arrays, None for NaN: what Feast takes."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, tuple):
        return list(value)
    return None if isinstance(value, float) and np.isnan(value) else value
