"""Every cross feature (X5) at once: what a page, a training row and Feast all call."""

import numpy as np
import numpy.typing as npt

from pipelines.core.contracts import Features
from pipelines.features import cross, cross_recent, cross_tastes

USER_NEEDS = (*cross.USER_NEEDS, *cross_recent.USER_NEEDS, *cross_tastes.USER_NEEDS)
MEDIA_NEEDS = tuple(dict.fromkeys((*cross.MEDIA_NEEDS, *cross_recent.MEDIA_NEEDS, *cross_tastes.MEDIA_NEEDS)))


def pair_features(user: Features, media: Features, at: npt.NDArray[np.datetime64]) -> Features:
    """The cross features of n pairs. user: USER_NEEDS of n rows, or of one that stands for all; at: (n,) UTC.

    media: MEDIA_NEEDS and ``media_id``, n rows each. A side that is absent gives NaN.
    """
    return {
        **cross.cross_features(user, media, at),
        **cross_recent.recent_features(user, media),
        **cross_tastes.taste_features(user, media),
    }
