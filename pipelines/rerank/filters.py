"""R6 Filters: what may not be shown to this member now, each with its reason."""

from collections.abc import Set as AbstractSet

import numpy as np

from pipelines.core.contracts import Codes, Ids


def allowed(catalogue: Ids, codes: Codes, *, watched: AbstractSet[str], excluded: AbstractSet[str]) -> np.ndarray:
    """(n,) bool over candidate ``codes``: False for what was watched, and for what the caller excludes (no rights)."""
    hidden = watched | excluded
    return np.fromiter((media not in hidden for media in catalogue[codes].tolist()), dtype=bool, count=len(codes))


def rights(countries: list[list[str] | None], country: str | None) -> np.ndarray:
    """(n,) bool: may be shown in ``country``; null rights mean everywhere, an unknown country sees only those."""
    return np.array([held is None or country in held for held in countries], dtype=bool)
