"""A member against a media (X5): pure functions of both sides' stored features, used by training and serving alike."""

from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.core.contracts import Features

STRENGTH = 5.0
"""How many titles of a genre, at the member's own rate, an affinity starts with."""
DAY = 86_400.0

Numbers = npt.NDArray[np.float64]

USER_NEEDS = (
    "user_genre_watched",
    "user_genre_shown",
    "user_engaged_rate",
    "user_watched_seconds_mean",
    "user_last_watch_at",
    "user_language",
)
MEDIA_NEEDS = (
    "media_genres",
    "media_duration_seconds",
    "media_release_at",
    "media_platform_at",
    "media_original_language",
)


def cross_features(user: Features, media: Features, at: npt.NDArray[np.datetime64]) -> Features:
    """The cross features of n pairs. user: USER_NEEDS, media: MEDIA_NEEDS, (n,) or (n, d) each; at: (n,) UTC.

    One row of a user stands for all pairs where a page is scored. An absent side gives NaN.
    """
    now = at.astype("datetime64[us]").astype(np.int64) / 1e6
    return {
        **_genres(user, media),
        "cross_duration_ratio": np.log1p(_floats(media, "media_duration_seconds"))
        - np.log1p(_floats(user, "user_watched_seconds_mean")),
        "cross_language_match": _same(user["user_language"], media["media_original_language"]),
        "cross_days_since_release": (now - _floats(media, "media_release_at")) / DAY,
        "cross_days_on_platform": (now - _floats(media, "media_platform_at")) / DAY,
        "cross_days_since_watch": (now - _floats(user, "user_last_watch_at")) / DAY + np.zeros(len(now)),
    }


def _genres(user: Features, media: Features) -> Features:
    watched, shown, genres = _aligned(user["user_genre_watched"], user["user_genre_shown"], media["media_genres"])
    with np.errstate(invalid="ignore", divide="ignore"):
        engaged_here, shown_here = _dot(watched, genres), _dot(shown, genres)
        own = _floats(user, "user_engaged_rate")
        affinity = np.clip((engaged_here + STRENGTH * own) / (shown_here + STRENGTH), 0.0, 1.0)
        mass = watched.sum(axis=1)
        lengths = np.sqrt(_dot(watched, watched)) * np.sqrt(_dot(genres, genres))
        return {
            "cross_genre_affinity": affinity,
            "cross_genre_lift": affinity - own,
            "cross_genre_share": engaged_here / np.where(mass > 0, mass, np.nan),
            "cross_genre_similarity": engaged_here / np.where(lengths > 0, lengths, np.nan),
        }


def _dot(left: Numbers, right: Numbers) -> Numbers:
    """(n,) row by row; a single row stands for all."""
    if len(left) == 1 and len(right) > 1:
        return np.asarray(right @ left[0])
    return np.asarray(np.einsum("nd,nd->n", left, right))


def _aligned(*arrays: Any) -> tuple[Numbers, ...]:
    """Packed columns over one vocabulary: those saved before it grew have zeros at the new places."""
    width = max(a.shape[1] for a in arrays)
    return tuple(np.pad(a.astype(np.float64), ((0, 0), (0, width - a.shape[1]))) for a in arrays)


def _floats(features: Features, name: str) -> Numbers:
    return np.asarray(features[name], dtype=np.float64)


def _same(left: Any, right: Any) -> Numbers:
    """1 where equal, 0 where not, NaN where either is absent."""
    left, right = np.broadcast_arrays(left, right)
    absent = np.array([a is None or b is None for a, b in zip(left, right, strict=True)], dtype=bool)
    return np.where(absent, np.nan, (left == right).astype(np.float64))
