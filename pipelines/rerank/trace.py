"""What happened to the candidates of one page, kept as numbers; words are made of it only where somebody asks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.core.contracts import Ids
from pipelines.rerank.filters import REASONS, Reasons


@dataclass(frozen=True)
class Removal:
    """A candidate that is not shown, and the first filter that it met."""

    media_id: str
    reason: str


@dataclass(frozen=True)
class Move:
    """One step of reranking moved a title from one place of the list to another, 0 = first."""

    start: int
    end: int
    why: str


@dataclass(frozen=True)
class Step:
    """before, after: places of candidates in order. why: of a place that went ``start`` to ``end``."""

    before: Sequence[int]
    after: Sequence[int]
    why: Callable[[int, int, int], str]

    def move(self, place: int) -> Move | None:
        """What this step did to a candidate; None where it stayed, came new or went."""
        if place not in self.before or place not in self.after:
            return None
        start, end = list(self.before).index(place), list(self.after).index(place)
        return Move(start, end, self.why(place, start, end)) if start != end else None


@dataclass(frozen=True)
class Trace:
    """media, reasons: (n,) the candidates in the order of the blend and their codes. steps: of those that were shown
    room, in order, their places being those among the candidates that have reason 0."""

    media: Ids
    reasons: Reasons
    steps: tuple[Step, ...] = ()

    def removed(self) -> list[Removal]:
        """What was removed, in the order of the blend."""
        found = np.flatnonzero(self.reasons).tolist()
        return [Removal(str(self.media[place]), REASONS[self.reasons[place]]) for place in found]

    def moves(self, media_id: str) -> list[Move]:
        """What reranking did to a title, in order."""
        kept = self.media[self.reasons == 0]
        found = np.flatnonzero(kept == media_id)
        moves = [step.move(int(found[0])) for step in self.steps] if len(found) else []
        return [move for move in moves if move]


NOTHING = Trace(np.empty(0, dtype="U1"), np.empty(0, dtype=np.int8))
