"""R6 Filters: what may not be shown to this member now, each with its reason."""

from collections.abc import Set as AbstractSet
from datetime import UTC, datetime

import numpy as np

from pipelines.core.contracts import Codes, Ids


def allowed(catalogue: Ids, codes: Codes, *, watched: AbstractSet[str], excluded: AbstractSet[str]) -> np.ndarray:
    """(n,) bool over candidate ``codes``: False for what was watched, and for what the caller excludes (no rights)."""
    hidden = watched | excluded
    return np.fromiter((media not in hidden for media in catalogue[codes].tolist()), dtype=bool, count=len(codes))


def rights(countries: list[list[str] | None], country: str | None) -> np.ndarray:
    """(n,) bool: may be shown in ``country``; null rights mean everywhere, an unknown country sees only those."""
    return np.array([held is None or country in held for held in countries], dtype=bool)


def on_platform(opens: np.ndarray, closes: np.ndarray, at: datetime) -> np.ndarray:
    """(n,) bool: ``at`` lies in [opens, closes) of each title, (n,) datetime64 UTC each, where NaT bounds nothing."""
    moment = np.datetime64(at.astimezone(UTC).replace(tzinfo=None), "us")
    return np.asarray(~(opens > moment) & ~(closes <= moment))
