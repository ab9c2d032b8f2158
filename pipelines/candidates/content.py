"""C2 Content: titles that resemble what a member watched or chose at onboarding, by their metadata alone.

A title needs no watch to be proposed, and a member no more than a few genres. What others watched only breaks ties: of
two titles that suit a member alike, the one that suits more people comes first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
from pydantic import NonNegativeFloat, PositiveFloat

from pipelines.candidates import profiles
from pipelines.candidates.engaged import decayed, media_codes
from pipelines.candidates.profiles import MediaEncoder, ProfileConfig
from pipelines.candidates.retrieval import Retrieval
from pipelines.candidates.top import codes_of, own_codes
from pipelines.core.config import Config
from pipelines.core.contracts import CHOSEN, Codes, Floats, History, Ids, Interactions


@dataclass(frozen=True)
class FittedContent:
    """vectors: (len(catalogue), d + 1), the last column what a title is worth to anyone; zeros = nothing is known.

    encoder: None = there were no metadata.
    worth: (d + 1,) what a title's profile lets expect of its last column, the constant last; for titles without a past.
    half_life: after how many later watches one counts half. onboarding: how many watches the chosen genres count as.
    """

    catalogue: Ids
    vectors: Floats
    encoder: MediaEncoder | None
    worth: Floats
    half_life: float
    onboarding: float

    @cached_property
    def codes(self) -> dict[str, int]:
        return codes_of(self.catalogue)

    @cached_property
    def _retrieval(self) -> Retrieval:
        return Retrieval(self.vectors)

    @cached_property
    def _padded(self) -> Floats:
        """The vectors, and zeros for code -1."""
        return np.vstack([self.vectors, np.zeros((1, self.vectors.shape[1]), np.float32)])

    def candidates(self, histories: Sequence[History], k: int) -> tuple[Codes, Floats]:
        return self._retrieval.best(self.members(histories), k, own_codes(histories, self.codes))

    def scores(self, histories: Sequence[History], codes: Codes) -> Floats:
        """The likeness of the title and the member's profile, at most 1, and a little of what everyone thinks of it."""
        members, asked = self.members(histories), self._padded[codes]
        found = (members[:, None, :] @ asked.transpose(0, 2, 1))[:, 0, :]
        speaks = np.asarray(members.any(axis=1))[:, None] & np.asarray(asked.any(axis=2))
        return np.where(speaks, found, np.float32(np.nan))

    def members(self, histories: Sequence[History]) -> Floats:
        """(len(histories), d + 1) profiles: the weighted mean of what was watched and of the chosen genres."""
        found = np.zeros((len(histories), self.vectors.shape[1]), dtype=np.float32)
        for row, history in enumerate(histories):
            total, profile = 0.0, found[row]
            watched, weight = self._watched(history)
            if len(watched):
                total += float(weight.sum())
                profile += weight @ self.vectors[watched]
            chosen = self._chosen(history)
            if chosen is not None:
                total += self.onboarding
                profile[:-1] += self.onboarding * chosen
            if profile[:-1].any():
                profile /= total
                profile[-1] = 1.0
            else:
                profile[:] = 0
        return found

    def _watched(self, history: History) -> tuple[Codes, Floats]:
        pairs = zip(history.media, history.weight, strict=True)
        known = [(self.codes[media], weight) for media, weight in pairs if media in self.codes]
        watched, weight = np.array([code for code, _ in known], dtype=np.int64), np.array([w for _, w in known])
        return watched, (weight * 0.5 ** (np.arange(len(known))[::-1] / self.half_life)).astype(np.float32)

    def _chosen(self, history: History) -> Floats | None:
        genres = self.encoder.genres if self.encoder else {}
        chosen = history.context.get(CHOSEN, ())
        known = [genres[name] for name in chosen if name in genres] if isinstance(chosen, (tuple, list)) else []
        return np.mean(known, axis=0) if known else None

    def encode(self, media_table: pa.Table) -> Floats:
        """(rows, d + 1) vectors of titles by their metadata alone, also of those that are newer than the release."""
        if self.encoder is None:
            return np.zeros((media_table.num_rows, self.vectors.shape[1]), np.float32)
        rows = self.encoder.encode(media_table)
        return _told(rows, _expected(rows, self.worth))

    def extended(self, media_table: pa.Table) -> "FittedContent":
        """With titles that are newer than the fit: their codes follow those of the catalogue."""
        ids = np.array(media_table["media_id"].to_pylist(), dtype=str)
        vectors = np.vstack([self.vectors, self.encode(media_table)])
        return replace(self, catalogue=np.concatenate([self.catalogue, ids]), vectors=vectors)

    def because(self, code: int, history: History) -> str | None:
        """The watched media that is most like the candidate; None where none is like it."""
        watched, weight = self._watched(history)
        if not len(watched):
            return None
        alike = weight * (self.vectors[watched, :-1] @ self.vectors[code, :-1])
        return str(self.catalogue[watched[int(alike.argmax())]]) if alike.max() > 0 else None

    def save(self, folder: Path) -> None:
        own = {"catalogue": self.catalogue.astype(str), "vectors": self.vectors, "worth": self.worth}
        own["scalars"] = np.array([self.half_life, self.onboarding])
        np.savez(folder / "content.npz", allow_pickle=False, **own, **(self.encoder.arrays() if self.encoder else {}))

    @classmethod
    def load(cls, folder: Path) -> Self:
        with np.load(folder / "content.npz", allow_pickle=False) as stored:
            half_life, onboarding = stored["scalars"].tolist()
            encoder = MediaEncoder.of(dict(stored))
            return cls(stored["catalogue"], stored["vectors"], encoder, stored["worth"], half_life, onboarding)


class Content(Config):
    """What metadata count, how fast a taste ages, and how much of what everyone thinks is mixed in."""

    profiles: ProfileConfig = ProfileConfig()
    half_life: PositiveFloat = 50.0
    onboarding: PositiveFloat = 5.0
    popularity: NonNegativeFloat = 0.15
    popularity_days: PositiveFloat = 7.0
    ridge: PositiveFloat = 10.0
    """How many titles must agree before a profile lets expect another worth than the mean title's."""

    def fit(self, interactions: Interactions, *, as_of: datetime, seed: int) -> FittedContent:
        """The metadata as known then; without a ``media_table`` nothing is ever proposed."""
        size, table = len(interactions.catalogue), interactions.media_table
        encoder = profiles.fit(table, self.profiles, seed) if table is not None and size else None
        rows = encoder.encode(table) if encoder and table is not None else np.zeros((size, 1), np.float32)
        liking = self.popularity * _liking(interactions, as_of, self.popularity_days)
        # A title that came yesterday has not been watched much yet, whatever it is worth.
        settled = 1 - 0.5 ** (_days_here(interactions, as_of) / self.popularity_days)
        worth = _regressed(rows, liking, settled, self.ridge)
        column = settled * liking + (1 - settled) * _expected(rows, worth)
        vectors = _told(rows, column)
        return FittedContent(interactions.catalogue, vectors, encoder, worth, self.half_life, self.onboarding)


def _told(rows: Floats, worth: Floats) -> Floats:
    """(n, d + 1); zeros throughout where nothing is known of a title."""
    return np.hstack([rows, np.where(rows.any(axis=1), worth, 0)[:, None]]).astype(np.float32)


def _regressed(rows: Floats, liking: Floats, weight: Floats, ridge: float) -> Floats:
    """(d + 1,) the weighted ridge regression of what titles are worth on their profiles; the mean is the constant."""
    total = weight.sum()
    if not total:
        return np.zeros(rows.shape[1] + 1, np.float32)
    mean, centre = float(weight @ liking / total), weight @ rows / total
    moved = rows - centre
    system = (moved * weight[:, None]).T @ moved + ridge * np.eye(rows.shape[1])
    slope = np.linalg.solve(system, (moved * weight[:, None]).T @ (liking - mean))
    return np.append(slope, mean - centre @ slope).astype(np.float32)


def _expected(rows: Floats, worth: Floats) -> Floats:
    return np.asarray(np.maximum(rows @ worth[:-1] + worth[-1], 0))


def _days_here(interactions: Interactions, as_of: datetime) -> Floats:
    """(len(catalogue),) days since a title came to the platform; infinite where that is not known."""
    table = interactions.media_table
    if table is None or "platform_at" not in table.column_names:
        return np.full(len(interactions.catalogue), np.inf)
    came = table["platform_at"].cast(pa.timestamp("us")).to_numpy()
    age = (np.datetime64(as_of.replace(tzinfo=None), "us") - came) / np.timedelta64(1, "D")
    return np.where(np.isnat(came), np.inf, np.maximum(age, 0))


def _liking(interactions: Interactions, as_of: datetime, half_life_days: float) -> Floats:
    """(len(catalogue),) ln(1 + a title's recent engagements over the mean title's)."""
    of_row, weight = media_codes(interactions), decayed(interactions, as_of, half_life_days)
    known = of_row >= 0
    score = np.bincount(of_row[known], weight[known], minlength=len(interactions.catalogue))
    return np.asarray(np.log1p(score / score.mean()) if score.any() else score)
