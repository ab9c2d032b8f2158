"""What Feast's on-demand views call: the pure functions of context and cross, over a data frame of joined rows."""

import numpy as np
import pandas as pd

from pipelines.core.contracts import Features
from pipelines.features import cross_recent, pairs
from pipelines.features.catalogue import COMPUTED, CONTEXT, CROSS, STORED
from pipelines.features.columns import arrays
from pipelines.features.context import context_features

_NEEDED = tuple(f for f in STORED if f.name in (*pairs.USER_NEEDS, *pairs.MEDIA_NEEDS))
_SESSION = tuple(f for f in STORED if f.name in cross_recent.SESSION_NEEDS)


BLOCK = 50_000
"""Rows whose packed features are spread out as matrices at a time."""


def moments(seconds: "pd.Series[float]") -> np.ndarray:
    """(n,) datetime64[us] of unix seconds."""
    return np.round(seconds.to_numpy(np.float64) * 1e6).astype(np.int64).astype("datetime64[us]")


def context(rows: pd.DataFrame) -> pd.DataFrame:
    """The context features of rows with requested_at, zone, device, country, surface and the member's stored ones."""
    at = moments(rows["requested_at"])
    found = context_features(
        at,
        zone="UTC",
        member_zone=_first(rows["user_time_zone"], rows["zone"]),
        country=_first(rows["country"], rows["user_country"]),
        device=rows["device"].to_numpy(object),
        surface=rows["surface"].to_numpy(object),
    )
    return _frame({**found, **cross_recent.session_features(arrays(rows, _SESSION), at)}, CONTEXT, rows)


def cross(rows: pd.DataFrame) -> pd.DataFrame:
    """The cross features of rows with requested_at and the stored features that they need."""
    blocks = range(0, max(len(rows), 1), BLOCK)
    return pd.concat([_crossed(rows.iloc[begin : begin + BLOCK]) for begin in blocks])


def _crossed(rows: pd.DataFrame) -> pd.DataFrame:
    needed = arrays(rows, _NEEDED)
    # Feast tries its functions on rows that have no keys.
    ids = rows["media_id"].to_numpy(object) if "media_id" in rows else np.full(len(rows), None, dtype=object)
    found = pairs.pair_features(needed, {**needed, "media_id": ids}, moments(rows["requested_at"]))
    return _frame(found, CROSS, rows)


def _first(preferred: "pd.Series[str]", otherwise: "pd.Series[str]") -> np.ndarray:
    return preferred.where(preferred.notna(), otherwise).to_numpy(object)


def _frame(found: Features, view: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Words as pandas strings, so that Feast knows the type of a column that is absent throughout."""
    types = {"string": "string", "float": "float64"}
    columns = {f.name: pd.Series(found[f.name], dtype=types[f.dtype]) for f in COMPUTED if f.view == view}
    return pd.DataFrame(columns).set_axis(rows.index)
