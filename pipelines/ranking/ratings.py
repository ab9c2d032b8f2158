"""Explicit feedback (F2): what a member would rate a title, from means, biases and a matrix factorisation.

rating = mean + bias of the member + bias of the title + taste of the member x traits of the title. The biases are
damped towards 0 by how few ratings they rest on, and learnt in turn; the factors are then learnt from what is left,
each side in turn by ridge regression weighted by its number of ratings. A stranger has the biases of nobody, 0.
Sources: Koren, Bell, Volinsky, Matrix Factorization Techniques for Recommender Systems, 2009; Zhou et al.,
Large-Scale Parallel Collaborative Filtering for the Netflix Prize (ALS-WR), 2008.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from pipelines.core.config import Config
from pipelines.core.contracts import Ids
from pipelines.core.errors import DataError

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
START = 0.1
"""The spread of the factors before the first round."""


@dataclass(frozen=True)
class FittedRatings:
    """users, media: sorted ids. Biases (n,) and factors (n, k) have one row more, of zeros: for who is unknown.

    low, high: the ratings that were seen; no prediction leaves them.
    """

    users: Ids
    media: Ids
    mean: float
    user_bias: Floats
    media_bias: Floats
    user_factors: Floats
    media_factors: Floats
    low: float
    high: float

    def predict(self, users: npt.ArrayLike, media: npt.ArrayLike) -> Floats:
        """(n,) the expected rating of each pair."""
        u, m = code(self.users, users), code(self.media, media)
        taste = np.einsum("nk,nk->n", self.user_factors[u], self.media_factors[m])
        expected = self.mean + self.user_bias[u] + self.media_bias[m] + taste
        return np.asarray(np.clip(expected, self.low, self.high))

    def knows(self, users: npt.ArrayLike, media: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """(n,) whether both the member and the title had ratings."""
        known = (code(self.users, users) < len(self.users)) & (code(self.media, media) < len(self.media))
        return np.asarray(known)


class RatingModel(Config):
    """How the ratings are learnt. Without ``factors`` what remains is the biases alone."""

    factors: NonNegativeInt = 8
    rounds: PositiveInt = 12
    damping: NonNegativeFloat = 5.0
    """As many ratings without bias stand beside a member's or a title's own."""
    regularisation: PositiveFloat = 0.15
    """The ridge, a rating."""

    def fit(self, users: npt.ArrayLike, media: npt.ArrayLike, rating: Floats, *, seed: int) -> FittedRatings:
        """Learn from (n,) members, titles and ratings; the same for the same seed, in whatever order they come.

        Raises:
            DataError: where there is no rating to learn from.
        """
        if not len(rating):
            raise DataError("there are no ratings to learn from: choose a later day, or import ratings")
        whose, of = np.asarray(users, dtype=np.str_), np.asarray(media, dtype=np.str_)
        order = np.lexsort((rating, of, whose))
        known_users, u = np.unique(whose[order], return_inverse=True)
        known_media, m = np.unique(of[order], return_inverse=True)
        given = np.asarray(rating, dtype=np.float64)[order]
        mean = float(given.mean())
        user_bias, media_bias = self._biases(u, m, given - mean)
        left = given - mean - user_bias[u] - media_bias[m]
        p, q = self._factors(u, m, left, np.random.default_rng(seed))
        low, high = float(given.min()), float(given.max())
        return FittedRatings(known_users, known_media, mean, user_bias, media_bias, p, q, low, high)

    def _biases(self, u: Codes, m: Codes, left: Floats) -> tuple[Floats, Floats]:
        user_bias, media_bias = np.zeros(u.max() + 2), np.zeros(m.max() + 2)
        for _ in range(self.rounds):
            media_bias = self._damped(m, left - user_bias[u])
            user_bias = self._damped(u, left - media_bias[m])
        return user_bias, media_bias

    def _damped(self, codes: Codes, left: Floats) -> Floats:
        """The damped mean of each code's rows, and a 0 behind them."""
        total = np.bincount(codes, weights=left, minlength=codes.max() + 2)
        rows = np.bincount(codes, minlength=len(total))
        return np.asarray(total / np.maximum(rows + self.damping, 1.0))

    def _factors(self, u: Codes, m: Codes, left: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
        p = np.zeros((u.max() + 2, self.factors))
        q = rng.normal(scale=START, size=(m.max() + 2, self.factors))
        q[-1] = 0.0
        if self.factors:
            of_users, of_media = _slices(u), _slices(m)
            for _ in range(self.rounds):
                self._solve(p, q, of_users, m, left)
                self._solve(q, p, of_media, u, left)
        return p, q

    def _solve(self, into: Floats, other: Floats, slices: list[Codes], codes: Codes, left: Floats) -> None:
        """Ridge regression of each row of ``into`` on the other side's factors of its ratings."""
        ridge = self.regularisation * np.eye(self.factors)
        for row, places in enumerate(slices):
            x = other[codes[places]]
            into[row] = np.linalg.solve(x.T @ x + len(places) * ridge, x.T @ left[places])


def code(known: Ids, asked: npt.ArrayLike) -> Codes:
    """(n,) the place of each id among the sorted ``known``; their number for one that is not among them."""
    ids = np.asarray(asked, dtype=np.str_)
    place = np.searchsorted(known, ids)
    held = np.minimum(place, len(known) - 1)
    return np.where(known[held] == ids, held, len(known)).astype(np.int64)


def _slices(codes: Codes) -> list[Codes]:
    """The rows of each code."""
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.cumsum(np.bincount(codes))[:-1])
