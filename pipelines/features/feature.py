"""A feature and the view it stands in: what the catalogue's lists are made of."""

from dataclasses import dataclass
from typing import Literal

Dtype = Literal["float", "string", "floats", "strings"]
Kind = Literal["numeric", "categorical", "histogram", "codes", "embedding", "sequence", "moment"]
Entity = Literal["user", "media", "request", "pair"]


@dataclass(frozen=True)
class Feature:
    """One column. Only ``numeric`` and ``categorical`` ones feed tree and linear rankers as they are.

    A ``moment`` is in unix seconds. Packed: a ``histogram`` counts by code, ``codes`` are places in a saved vocabulary
    counted from 1 (0 pads), an ``embedding`` is dense, a ``sequence`` lists ids or words, oldest first.
    """

    name: str
    dtype: Dtype
    view: str
    entity: Entity
    kind: Kind
    meaning: str
    unit: str = "1"
    requirement: str = ""
    """Which of X1 to X8 it answers."""
    source: str = ""
    """The canonical columns it is made from, ``table.column``, comma separated; ``request.<field>`` for what a request
    brings along."""


@dataclass(frozen=True)
class View:
    """A view under construction: each method is a feature of it."""

    name: str
    entity: Entity

    def number(self, name: str, meaning: str, unit: str, requirement: str, source: str) -> Feature:
        """A number that rankers read."""
        return Feature(name, "float", self.name, self.entity, "numeric", meaning, unit, requirement, source)

    def word(self, name: str, meaning: str, requirement: str, source: str) -> Feature:
        """A category that rankers read."""
        return Feature(name, "string", self.name, self.entity, "categorical", meaning, "word", requirement, source)

    def moment(self, name: str, meaning: str, requirement: str, source: str) -> Feature:
        """A moment, from which differences are made."""
        return Feature(name, "float", self.name, self.entity, "moment", meaning, "unix seconds", requirement, source)

    def packed(self, name: str, kind: Kind, meaning: str, unit: str, requirement: str, source: str) -> Feature:
        """Numbers in one array: a histogram, codes or an embedding."""
        return Feature(name, "floats", self.name, self.entity, kind, meaning, unit, requirement, source)

    def sequence(self, name: str, meaning: str, unit: str, requirement: str, source: str) -> Feature:
        """Ids or words in one array, oldest first."""
        return Feature(name, "strings", self.name, self.entity, "sequence", meaning, unit, requirement, source)
