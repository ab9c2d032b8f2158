"""One feature as serving used it beside the same feature rebuilt: how many rows agree, and where they part most."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

TOLERANCE = 1e-6
"""Within this, relative above 1, floats agree; whole numbers, moments, words and lists must be equal."""


@dataclass(frozen=True)
class Example:
    """A place where both sides part."""

    request_id: str
    user_id: str
    media_id: str
    served: Any
    rebuilt: Any


@dataclass(frozen=True)
class Agreement:
    """``largest`` is the largest difference of numbers, infinite where one side is absent; None for anything else."""

    feature: str
    rows: int
    equal: int
    largest: float | None
    example: Example | None

    @property
    def share(self) -> float:
        """The share of rows that agree."""
        return self.equal / self.rows if self.rows else 1.0

    def as_dict(self) -> dict[str, Any]:
        largest = "absent on one side" if self.largest == math.inf else self.largest
        return asdict(self) | {"share": self.share, "largest": largest}


def compare(feature: str, kind: str, keys: Sequence[tuple[str, str, str]], served: Any, rebuilt: Any) -> Agreement:
    """keys: request, member and media of each row. served, rebuilt: one value a row; ``kind`` is the catalogue's."""
    gaps = [_gap(kind, *pair) for pair in zip(served, rebuilt, strict=True)]
    apart = [place for place, gap in enumerate(gaps) if gap]
    if not apart:
        return Agreement(feature, len(keys), len(keys), 0.0 if kind not in WORDS else None, None)
    worst = max(apart, key=lambda place: gaps[place])
    example = Example(*keys[worst], plain(served[worst]), plain(rebuilt[worst]))
    return Agreement(feature, len(keys), len(keys) - len(apart), None if kind in WORDS else gaps[worst], example)


WORDS = ("categorical", "sequence")


def plain(value: Any) -> Any:
    """A value as both sides mean it: absent is None, arrays are lists; an empty list is an absent one."""
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(one) for one in value] or None
    if isinstance(value, np.generic):
        value = value.item()
    return None if value is None or (isinstance(value, float) and math.isnan(value)) else value


def _gap(kind: str, served: Any, rebuilt: Any) -> float:
    """0 where both agree."""
    one, other = plain(served), plain(rebuilt)
    if kind in WORDS:
        return float(one != other)
    if isinstance(one, list) or isinstance(other, list):
        return _widest(one or [], other or [])
    if one is None or other is None:
        return 0.0 if one is other else math.inf
    return _apart(float(one), float(other), exact=kind == "moment")


def _widest(one: list[Any], other: list[Any]) -> float:
    """Of histograms, codes and embeddings: those saved before a vocabulary grew have zeros at the new places."""
    width = max(len(one), len(other))
    pairs = zip(one + [0.0] * (width - len(one)), other + [0.0] * (width - len(other)), strict=True)
    return max((_apart(float(a), float(b), exact=False) for a, b in pairs), default=0.0)


def _apart(one: float, other: float, *, exact: bool) -> float:
    gap = abs(one - other)
    whole = one.is_integer() and other.is_integer()
    allowed = 0.0 if exact or whole else TOLERANCE * max(1.0, abs(other))
    return gap if gap > allowed else 0.0
