"""C1 Collaborative filtering: members who watched alike. Implicit-feedback ALS by the ``implicit`` library.

Source: Hu, Koren and Volinsky, Collaborative Filtering for Implicit Feedback Datasets, ICDM 2008. Only the media
factors are kept: a member's factors are solved from live history at the request, so that nobody waits for a refit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import PositiveFloat, PositiveInt

from pipelines.candidates.retrieval import Retrieval
from pipelines.candidates.top import codes_of, own_codes
from pipelines.core.config import Config
from pipelines.core.contracts import Codes, Floats, History, Ids, Interactions

SOLVED_TOGETHER = 512
"""Members whose factors are solved in one call: a few MB of systems."""


@dataclass(frozen=True)
class FittedALS:
    """factors: (len(catalogue), d) float32. alpha scales a watch's weight to a confidence."""

    catalogue: Ids
    factors: Floats
    alpha: float
    regularization: float

    @cached_property
    def codes(self) -> dict[str, int]:
        return codes_of(self.catalogue)

    @cached_property
    def _gram(self) -> Floats:
        ridge = self.regularization * np.eye(self.factors.shape[1], dtype=np.float32)
        return np.asarray(self.factors.T @ self.factors + ridge)

    @cached_property
    def _retrieval(self) -> Retrieval:
        """Media that nobody engaged with were never fitted: zero factors say nothing about them."""
        return Retrieval(self.factors)

    def candidates(self, histories: Sequence[History], k: int) -> tuple[Codes, Floats]:
        return self._retrieval.best(self.member_factors(histories), k, own_codes(histories, self.codes))

    def scores(self, histories: Sequence[History], codes: Codes) -> Floats:
        """The predicted preference, about 0 for a stranger to the title and 1 for a watch; NaN for an empty history."""
        members = self.member_factors(histories)
        found = (members[:, None, :] @ self._padded[codes].transpose(0, 2, 1))[:, 0, :]
        fitted = np.asarray(self._padded.any(axis=1))
        speaks = np.asarray(members.any(axis=1))[:, None] & fitted[codes]
        return np.where(speaks, found, np.float32(np.nan))

    @cached_property
    def _padded(self) -> Floats:
        """The factors, and zeros for code -1."""
        return np.vstack([self.factors, np.zeros((1, self.factors.shape[1]), np.float32)])

    def member_factors(self, histories: Sequence[History]) -> Floats:
        """(len(histories), d): the ridge solution of each member's own watches; zeros for an empty history."""
        solved = np.zeros((len(histories), self.factors.shape[1]), dtype=np.float32)
        by_length: dict[int, list[int]] = {}
        known = [self._known(history) for history in histories]
        for row, (own, _) in enumerate(known):
            by_length.setdefault(len(own), []).append(row)
        by_length.pop(0, None)
        for group in by_length.values():
            for begin in range(0, len(group), SOLVED_TOGETHER):
                rows = group[begin : begin + SOLVED_TOGETHER]
                codes, weights = (np.array([known[row][part] for row in rows]) for part in (0, 1))
                solved[rows] = self._solve(codes, weights.astype(np.float32))
        return solved

    def _known(self, history: History) -> tuple[list[int], list[float]]:
        """Codes and weights of the history's media that are in the catalogue."""
        pairs = [(self.codes[m], w) for m, w in zip(history.media, history.weight, strict=True) if m in self.codes]
        return [code for code, _ in pairs], [weight for _, weight in pairs]

    def _solve(self, own: Codes, weights: Floats) -> Floats:
        """(n, d) for n histories of one length: (n, length) codes and weights. Each is solved by itself."""
        watched = self.factors[own]
        confidence = self.alpha * weights
        systems = self._gram + (watched * (confidence - 1)[:, :, None]).transpose(0, 2, 1) @ watched
        return np.asarray(np.linalg.solve(systems, watched.transpose(0, 2, 1) @ confidence[:, :, None])[:, :, 0])

    def because(self, code: int, history: History) -> str | None:
        """The watched media whose factors point most the same way."""
        known = [media for media in history.media if media in self.codes]
        if not known:
            return None
        watched = self.factors[[self.codes[media] for media in known]]
        length = np.linalg.norm(watched, axis=1) + np.finfo(np.float32).tiny
        return known[int(np.argmax(watched @ self.factors[code] / length))]

    def save(self, folder: Path) -> None:
        scalars = np.array([self.alpha, self.regularization])
        np.savez(
            folder / "collaborative.npz", catalogue=self.catalogue.astype(str), factors=self.factors, scalars=scalars
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        with np.load(folder / "collaborative.npz", allow_pickle=False) as stored:
            alpha, regularization = stored["scalars"].tolist()
            return cls(stored["catalogue"], stored["factors"], alpha, regularization)


class ALS(Config):
    """The usual knobs of implicit ALS."""

    factors: PositiveInt = 64
    iterations: PositiveInt = 15
    regularization: PositiveFloat = 0.05
    alpha: PositiveFloat = 10.0

    def fit(self, interactions: Interactions, *, as_of: datetime, seed: int) -> FittedALS:
        """One thread, because the library's sums differ between runs with more, and a release must be repeatable."""
        from implicit.cpu.als import AlternatingLeastSquares
        from scipy.sparse import csr_matrix
        from threadpoolctl import threadpool_limits

        codes = codes_of(interactions.catalogue)
        of_row = np.array([codes.get(media, -1) for media in interactions.media.tolist()], dtype=np.int64)
        known = of_row >= 0
        size = len(interactions.catalogue)
        width = min(self.factors, max(1, size - 1))
        if not known.any():
            return FittedALS(
                interactions.catalogue, np.zeros((size, width), np.float32), self.alpha, self.regularization
            )
        members, member_of_row = np.unique(interactions.users[known].astype(str), return_inverse=True)
        watched = csr_matrix(
            (interactions.weight[known].astype(np.float32), (member_of_row, of_row[known])), shape=(len(members), size)
        )
        watched.sum_duplicates()
        # The library wants BLAS single-threaded beside its own threads, and says so with a warning if it is not.
        with threadpool_limits(1, "blas"):
            model = AlternatingLeastSquares(
                factors=width,
                iterations=self.iterations,
                regularization=self.regularization,
                alpha=self.alpha,
                random_state=seed,
                num_threads=1,
            )
            model.fit(watched, show_progress=False)
        factors = np.asarray(model.item_factors, dtype=np.float32)
        factors[np.asarray(watched.sum(axis=0)).ravel() == 0] = 0
        return FittedALS(interactions.catalogue, factors, self.alpha, self.regularization)
