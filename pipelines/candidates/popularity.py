"""C4 Popularity: what most members engaged with lately, the floor that every other method must beat."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import PositiveFloat

from pipelines.candidates.top import best_places, codes_of, in_rows, own_codes
from pipelines.core.config import Config
from pipelines.core.contracts import Codes, Floats, History, Ids, Interactions


@dataclass(frozen=True)
class FittedPopularity:
    """One score a media, the same for every member."""

    catalogue: Ids
    score: Floats

    @cached_property
    def codes(self) -> dict[str, int]:
        return codes_of(self.catalogue)

    def candidates(self, histories: Sequence[History], k: int) -> tuple[Codes, Floats]:
        """The most popular, walked from the top past what each member knows."""
        found = (self._without(own, k) for own in own_codes(histories, self.codes))
        return in_rows(found, len(histories), k)

    def _without(self, own: Codes, k: int) -> tuple[Codes, Floats]:
        first = self._order[: k + len(own)]
        kept = np.ones(len(first), dtype=np.bool_)
        known = self._place[own]
        kept[known[known < len(first)]] = False
        codes = first[kept][:k]
        return codes, self.score[codes]

    @cached_property
    def _order(self) -> Codes:
        """Every media that somebody engaged with, the most popular first."""
        return best_places(np.where(self.score > 0, self.score, -np.inf), len(self.score)).astype(np.int32)

    @cached_property
    def _place(self) -> Codes:
        """(len(catalogue),) where each media stands in ``_order``; beyond its end where it does not."""
        place = np.full(len(self.score), len(self.score), dtype=np.int32)
        place[self._order] = np.arange(len(self._order))
        return place

    @cached_property
    def _lift(self) -> Floats:
        """ln(1 + score over the mean score), which does not grow with the platform as scores do. Last, for -1, NaN."""
        mean = float(self.score.mean()) if len(self.score) else 0.0
        lift = np.log1p(self.score / mean) if mean > 0 else np.full(len(self.score), np.nan)
        return np.append(lift, np.nan).astype(np.float32)

    def scores(self, histories: Sequence[History], codes: Codes) -> Floats:
        return self._lift[codes]

    def because(self, code: int, history: History) -> str | None:
        return None

    def save(self, folder: Path) -> None:
        np.savez(folder / "popularity.npz", catalogue=self.catalogue.astype(str), score=self.score)

    @classmethod
    def load(cls, folder: Path) -> Self:
        with np.load(folder / "popularity.npz", allow_pickle=False) as stored:
            return cls(stored["catalogue"], stored["score"])


class Popularity(Config):
    """Engagements, each worth half as much after ``half_life_days``."""

    half_life_days: PositiveFloat = 7.0

    def fit(self, interactions: Interactions, *, as_of: datetime, seed: int) -> FittedPopularity:
        """Nothing random happens; media that nobody engaged with score 0 and are never proposed."""
        codes = codes_of(interactions.catalogue)
        of_row = np.array([codes.get(media, -1) for media in interactions.media.tolist()], dtype=np.int64)
        age = np.datetime64(as_of.replace(tzinfo=None), "us") - interactions.at
        decay = 0.5 ** (age / np.timedelta64(1, "D") / self.half_life_days)
        known = of_row >= 0
        score = np.bincount(of_row[known], decay[known], minlength=len(interactions.catalogue))
        return FittedPopularity(interactions.catalogue, score.astype(np.float32))
