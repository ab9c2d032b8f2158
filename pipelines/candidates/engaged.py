"""The rows that generators learn from, as numbers."""

from datetime import datetime

import numpy as np

from pipelines.candidates.top import codes_of
from pipelines.core.contracts import Codes, Floats, Interactions


def media_codes(interactions: Interactions) -> Codes:
    """(n,) the place of each row's media in the catalogue; -1 = it is not in it any more."""
    codes = codes_of(interactions.catalogue)
    return np.array([codes.get(media, -1) for media in interactions.media.tolist()], dtype=np.int64)


def decayed(interactions: Interactions, as_of: datetime, half_life_days: float) -> Floats:
    """(n,) what each row counts: half as much after every ``half_life_days``."""
    age = np.datetime64(as_of.replace(tzinfo=None), "us") - interactions.at
    return np.asarray(0.5 ** (age / np.timedelta64(1, "D") / half_life_days))
