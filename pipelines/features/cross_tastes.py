"""A member's tastes against a media (X5): people, language, age, what they engaged with lately and searched for.

Pure functions of both sides' stored features, used by training and serving alike.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.core.contracts import Features
from pipelines.features.tastes import FOLD

Numbers = npt.NDArray[np.float64]

USER_NEEDS = (
    "user_age",
    "user_language_watched",
    "user_actor_watched",
    "user_director_watched",
    "user_keyword_watched",
    "user_embedding",
    "user_genre_watched_30d",
    "user_genre_watched_90d",
    "user_search_terms",
)
MEDIA_NEEDS = (
    "media_genres",
    "media_actors",
    "media_directors",
    "media_keywords",
    "media_language_code",
    "media_embedding",
    "media_search_terms",
    "media_audience_age",
)
ROWS = 10_000
"""Rows whose words are compared at a time."""


def taste_features(user: Features, media: Features) -> Features:
    """The cross features of n pairs. user: USER_NEEDS of n rows, or of one that stands for all; media: MEDIA_NEEDS.

    NaN where either side has nothing to compare: no engaged watch, no actors named, nobody's age known, no search.
    """
    genres = media["media_genres"]
    return {
        "cross_actor_match": _share_of_codes(user["user_actor_watched"], media["media_actors"]),
        "cross_director_match": _share_of_codes(user["user_director_watched"], media["media_directors"]),
        "cross_keyword_match": _share_of_codes(user["user_keyword_watched"], media["media_keywords"]),
        "cross_language_affinity": _share_of_codes(user["user_language_watched"], media["media_language_code"]),
        "cross_age_gap": _floats(user, "user_age") - _floats(media, "media_audience_age"),
        "cross_embedding_similarity": _cosine(user["user_embedding"], media["media_embedding"]),
        "cross_genre_recent_30d": share(user["user_genre_watched_30d"], genres),
        "cross_genre_recent_90d": share(user["user_genre_watched_90d"], genres),
        "cross_search_match": _found(user["user_search_terms"], media["media_search_terms"]),
    }


def share(counted: Any, here: Any) -> Numbers:
    """(n,) the share of a histogram that lies where ``here`` is 1; NaN for an empty one.

    One histogram may stand for all rows. The narrower of the two was saved before the vocabulary grew.
    """
    width = min(counted.shape[1], here.shape[1])
    counts, flags = counted[:, :width].astype(np.float64), here[:, :width].astype(np.float64)
    inside = flags @ counts[0] if len(counts) == 1 else np.einsum("nd,nd->n", counts, flags)
    mass = counted.sum(axis=1, dtype=np.float64)
    return np.asarray(inside / np.where(mass > 0, mass, np.nan))


def _share_of_codes(counted: Any, codes: Any) -> Numbers:
    """(n,) the share of a folded histogram at the places of a media's codes; NaN without any, or an empty one."""
    mass = counted.sum(axis=1, dtype=np.float64)
    known = codes > 0
    place = (codes.astype(np.int64) - 1) % FOLD
    held = known & (place < counted.shape[1])
    inside = np.zeros(len(codes))
    if counted.shape[1]:
        place = np.where(held, place, 0)
        counts = counted[0][place] if len(counted) == 1 else np.take_along_axis(counted, place, axis=1)
        inside = np.where(held, counts, 0).sum(axis=1, dtype=np.float64)
    found = np.minimum(inside / np.where(mass > 0, mass, np.nan), 1.0)
    return np.asarray(np.where(known.any(axis=1), found, np.nan))


def _cosine(left: Any, right: Any) -> Numbers:
    """(n,) between -1 and 1; NaN where either is nothing but zeros."""
    n, width = max(len(left), len(right)), min(left.shape[1], right.shape[1])
    one, other = (side[:, :width].astype(np.float64) for side in (left, right))
    product = other @ one[0] if len(one) == 1 else np.einsum("nd,nd->n", one, other)
    lengths = np.sqrt((one**2).sum(axis=1)) * np.sqrt((other**2).sum(axis=1))
    return np.asarray(np.broadcast_to(product, n) / np.where(lengths > 0, lengths, np.nan))


def _found(asked: Any, words: Any) -> Numbers:
    """(n,) the share of the words searched for that the media has; NaN where nothing was searched for."""
    n, counts = len(words), (asked > 0).sum(axis=1).astype(np.float64)
    hits = np.zeros(n)
    for begin in range(0, n, ROWS):
        rows = slice(begin, begin + ROWS)
        own = asked if len(asked) == 1 else asked[rows]
        hits[rows] = ((words[rows][:, None, :] == own[:, :, None]) & (own > 0)[:, :, None]).any(axis=2).sum(axis=1)
    return np.asarray(hits / np.where(counts > 0, counts, np.nan))


def _floats(features: Features, name: str) -> Numbers:
    return np.asarray(features[name], dtype=np.float64)
