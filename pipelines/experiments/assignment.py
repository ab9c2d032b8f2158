"""Who sees which variant: a hash decides, so that a member stays where they are and nothing needs to be stored."""

import hashlib

from pydantic import Field, PositiveFloat, model_validator

from pipelines.core.config import Config

AXIS = "traffic"
"""The salt of the one axis on which every experiment has its range of members: ranges that do not meet share nobody."""


class Experiment(Config):
    """variants: name -> share of the members, in any unit. salt: makes this experiment independent of every other."""

    salt: str = Field(min_length=1)
    variants: dict[str, PositiveFloat] = Field(min_length=2)
    traffic: float = Field(default=1.0, ge=0, le=1)
    """The share of members who take part at all. Raising it moves nobody who already does."""
    traffic_from: float = Field(default=0.0, ge=0, le=1)
    """Where on the axis of all members that share begins."""

    @model_validator(mode="after")
    def _named(self) -> "Experiment":
        if any(not name for name in self.variants):
            raise ValueError("a variant has no name: name each one")
        return self

    @property
    def range(self) -> tuple[float, float]:
        """The members who take part, from and up to where on the axis."""
        return self.traffic_from, self.traffic_from + self.traffic


def assign(member: str, experiment: Experiment) -> str | None:
    """The variant of a member, the same whenever asked; None for one who takes no part."""
    low, high = experiment.range
    if not low <= _place(member, AXIS) < high:
        return None
    left = _place(member, f"{experiment.salt}/variant") * sum(experiment.variants.values())
    for name, share in experiment.variants.items():
        left -= share
        if left < 0:
            return name
    return name


def _place(member: str, salt: str) -> float:
    """Where in [0, 1) the member falls: 53 bits of a keyed hash, so that no crafted id can choose its place."""
    digest = hashlib.blake2b(member.encode(), key=hashlib.sha256(salt.encode()).digest(), digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) / 2**53
