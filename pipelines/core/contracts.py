"""The contracts that methods sign. A new method is one file and one registry line; tests/contracts runs over all.

``fit`` returns another type than the one it is called on, so that "not fitted yet" cannot be written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ids = npt.NDArray[Any]
"""(n,) media or member ids: unicode or object."""
Floats = npt.NDArray[Any]
"""float32 or float64."""
Codes = npt.NDArray[Any]
"""int32 places in a catalogue, -1 = none."""

Groups = npt.NDArray[np.int64]
"""(n, 2): the member and the day of each row, as numbers."""

RETRIEVAL = "retrieval_"
"""A generator's score of a pair is the feature ``retrieval_<generator>`` of rankers."""

TIMES = "__at"
"""A column ``<view>__at`` beside a row's features says from when the values of that view are."""

DEVICE = "device"
CHOSEN = "chosen_genres"
"""The genres that a member chose at onboarding: a tuple of words, or a list column."""

MEMBER = ("country", "language", "gender", "age", CHOSEN)
"""What generators may know of a member beyond the history: words, a number, and the choices at onboarding."""

Features = Mapping[str, npt.NDArray[Any]]
"""Columns by feature name, all of length n: float (NaN = absent), object (strings, None = absent) or (n, d) packed."""


@dataclass(frozen=True)
class Shown:
    """What was shown, and what came of it, as known at the time: one row an impression.

    users, media: (n,) ids. at: (n,) datetime64[us], UTC. engaged: (n,) 1 or 0. position: (n,) float, NaN = unknown.
    device: (n,) objects, None = unknown.
    """

    users: Ids
    media: Ids
    at: npt.NDArray[np.datetime64]
    engaged: Floats
    position: Floats
    device: Ids


@dataclass(frozen=True)
class Interactions:
    """What generators learn from, as of a time: one row an engaged (user, media), most recent last within a user.

    users, media: (n,) ids. weight: (n,) confidence, above 0. at: (n,) datetime64[us], UTC. device: (n,) objects, None
    = unknown. catalogue: every media id that may be recommended, the code of a media is its place here.
    media_table: the canonical media columns and the declared ones, as known then, in the order of ``catalogue``.
    member_table: USER and the columns MEMBER of every member known then. shown: the impressions, where they are logged.
    Where one of the four is None, a method does without.
    """

    users: Ids
    media: Ids
    weight: Floats
    at: npt.NDArray[np.datetime64]
    catalogue: Ids
    media_table: pa.Table | None = None
    member_table: pa.Table | None = None
    device: Ids | None = None
    shown: Shown | None = None


@dataclass(frozen=True)
class History:
    """What one member watched before the request, oldest first, both may be empty; and what else is known of who asks.

    context: DEVICE of the request, and the columns MEMBER of the member; a name is left out where it is unknown.
    """

    media: Sequence[str] = ()
    weight: Sequence[float] = ()
    context: Mapping[str, object] = field(default_factory=dict)


class FittedGenerator(Protocol):
    """Answers for any member from live history alone, without refitting."""

    @property
    def catalogue(self) -> Ids: ...

    def candidates(self, histories: Sequence[History], k: int) -> tuple[Codes, Floats]:
        """(len(histories), k) codes into ``catalogue`` and scores, best first; -1 and -inf pad where fewer exist.

        Media of the member's own history are left out. An empty history is answered (with -1 if need be).
        """
        ...

    def scores(self, histories: Sequence[History], codes: Codes) -> Floats:
        """(len(histories), k) scores of the media ``codes`` of the same shape; NaN at -1 and where it cannot speak.

        In the order of ``candidates``, and alike from fit to fit of one method, because rankers learn from the scores
        of earlier fits than the one that serves. A media of the history is scored like any other. What a history gets
        does not depend on the others asked with it.
        """
        ...

    def because(self, code: int, history: History) -> str | None:
        """The media of the history that speaks most for candidate ``code``; None where history plays no part."""
        ...

    def save(self, folder: Path) -> None:
        """Write files that hold no code (npz without pickle, json) into an existing folder."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Self: ...


@runtime_checkable
class Extensible(Protocol):
    """A fitted generator that knows titles by their metadata, so that titles newer than the fit can join."""

    def extended(self, media_table: pa.Table) -> FittedGenerator:
        """The same with the rows of ``media_table`` added behind its catalogue, in their order."""
        ...


class CandidateGenerator(Protocol):
    """Settings of a method; ``fit`` learns from what was known at ``as_of``."""

    def fit(self, interactions: Interactions, *, as_of: datetime, seed: int) -> FittedGenerator: ...


class FittedRanker(Protocol):
    """Scores every candidate."""

    @property
    def feature_names(self) -> tuple[str, ...]: ...

    def encode(self, features: Features) -> dict[str, Floats]:
        """Each of the given columns that the ranker uses as numbers (categories become codes); numbers pass unchanged.

        Serving encodes a media snapshot once and gathers rows of it for each request.
        """
        ...

    def probability(self, features: Features) -> Floats:
        """(n,) calibrated P(watch), each in [0, 1]; (0,) for no rows. FeatureError names a missing column."""
        ...

    def calibrated(self, probability: Floats, watched: Floats, rate: float) -> Self:
        """The same ranker, calibrated on its own answers for a later window; ``rate`` of the negatives were fitted."""
        ...

    def calibrated_like(self, other: Self) -> Self:
        """The same ranker with the calibration of another one of its kind."""
        ...

    def levelled(self, probability: Floats, watched: Floats) -> Self:
        """The same ranker at the level where its answers ``probability`` for a window have the mean of ``watched``."""
        ...

    def fixing(self, values: Mapping[str, float]) -> Self:
        """The same ranker, for which those numbers are what is told here and no longer features that it asks for."""
        ...

    def explain(self, features: Features) -> list[dict[str, float]]:
        """One dict a row: feature name -> contribution to the log odds, the largest magnitudes first."""
        ...

    def save(self, folder: Path) -> None: ...

    @classmethod
    def load(cls, folder: Path) -> Self: ...


@dataclass(frozen=True)
class Span:
    """The values of a setting that a search may try: whole numbers where both ends are, else any between them."""

    low: float
    high: float
    log: bool = False


Space = Mapping[str, Span | tuple[Any, ...]]
"""Setting -> a span, or the values to choose from."""


class Ranker(Protocol):
    """Settings of a method.

    READS: what it reads beside the usual inputs, where a training set has it: ``media_id`` and packed features.
    SPACE: what a search may vary. MIDDLE: whether it also learns from what was watched in part, which is no label but
    stands between a watch and a failure.
    """

    READS: ClassVar[tuple[str, ...]]
    SPACE: ClassVar[Space]
    MIDDLE: ClassVar[bool]

    def fit(self, features: Features, label: Floats, weight: Floats, groups: Groups, *, seed: int) -> FittedRanker:
        """label: (n,) 0 or 1; with MIDDLE also NaN. weight: (n,) above 0. groups: (n,). Rows are in order of time, so
        that the last of them may be held out to say when to stop.

        A feature that is constant, or absent throughout, is learnt from as it is and adds nothing; NaN in a number is
        a value of its own; a category that was not seen, or too rarely, is answered like an absent one.

        Raises:
            DataError: where the labels are all alike, or there are no rows: every answer would be the same.
        """
        ...
