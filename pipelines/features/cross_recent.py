"""What a member did lately against a media (X5) and against the moment (X1, X3): pure, in training and serving."""

from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.core.contracts import Features
from pipelines.features.cross_tastes import share
from pipelines.features.sequence import PAUSE

Numbers = npt.NDArray[np.float64]

USER_NEEDS = ("user_recent_genres", "user_recent_media")
MEDIA_NEEDS = ("media_genres",)
"""Beside these, ``media_id``."""
SESSION_NEEDS = (
    "user_recent_watch_at",
    "user_session_watches",
    "user_session_watched_seconds",
    "user_session_seen_at",
)
MINUTE = 60.0


def recent_features(user: Features, media: Features) -> Features:
    """The cross features of n pairs. user: USER_NEEDS of n rows, or of one that stands for all; media: (n,) or (n, d).

    A member who watched nothing lately has no share of genres (NaN), and watched none of the titles (0).
    """
    return {
        "cross_recent_genre_share": share(user["user_recent_genres"], media["media_genres"]),
        "cross_recently_watched": _among(user["user_recent_media"], media["media_id"]),
    }


def session_features(user: Features, at: npt.NDArray[np.datetime64]) -> Features:
    """The session at n moments. user: SESSION_NEEDS, (n,) or one for all; at: (n,) UTC.

    After a pause of half an hour the session is over, and the next one has not seen anything yet.
    """
    now = at.astype("datetime64[us]").astype(np.int64) / 1e6
    seen = _floats(user, "user_session_seen_at")
    over = np.where(np.isnan(seen), np.nan, np.where(now - seen > PAUSE / 1e6, 0.0, 1.0))
    # What was seen may lie a moment ahead of a request that was under way meanwhile.
    since = np.maximum(now - _floats(user, "user_recent_watch_at"), 0.0)
    return {
        "context_session_watches": over * _floats(user, "user_session_watches"),
        "context_session_minutes": over * _floats(user, "user_session_watched_seconds") / MINUTE,
        "context_minutes_since_watch": since / MINUTE,
    }


def _among(lists: npt.NDArray[np.object_], media: Any) -> Numbers:
    if len(lists) == 1:
        watched = set(lists[0] or ())
        return np.array([float(one in watched) for one in media])
    return np.array([float(one in (own or ())) for own, one in zip(lists, media, strict=True)])


def _floats(features: Features, name: str) -> Numbers:
    return np.asarray(features[name], dtype=np.float64)
