"""What a world is asked to be, and what "normal" and "hard" mean."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from pydantic import Field

from pipelines.core.config import Config


class WorldConfig(Config):
    """The whole description of a world: the same config gives byte-equal tables."""

    seed: int = Field(ge=0)
    members: int = Field(ge=20)
    days: int = Field(ge=1)
    difficulty: Literal["normal", "hard"] = "normal"
    start: date = date(2026, 1, 5)
    media: int | None = Field(default=None, ge=60)

    @property
    def media_count(self) -> int:
        """The catalogue's size; it grows with the root of the members where none is given."""
        return self.media or round(200 + 12 * self.members**0.5)

    @property
    def name(self) -> str:
        return f"world-{self.seed}-{self.difficulty}"

    @property
    def traits(self) -> "Traits":
        return TRAITS[self.difficulty]


@dataclass(frozen=True)
class Traits:
    """The dials of difficulty. Shares are of 1, rates a member and day, effects on the log-odds scale."""

    steady: float
    """The share of a member's taste that never moves."""
    turn: float
    """Mean angle in radians that the moving share turns in a week."""
    noise: float
    """Standard deviation of what one member thinks of one media for no reason at all."""
    sessions: float
    """Mean sessions a member and day."""
    appeal: float
    """Mean P(watch | examined) over every member and media as the world begins."""
    late: float
    """Share of watches that arrive hours late."""


TRAITS = {
    "normal": Traits(steady=0.45, turn=0.13, noise=0.1, sessions=0.31, appeal=0.05, late=0.02),
    "hard": Traits(steady=0.33, turn=0.15, noise=0.3, sessions=0.25, appeal=0.042, late=0.06),
}
