"""Limits on figures of a release as a whole: coverage of its pages, calibration, latency, size."""

from collections.abc import Iterator
from math import isfinite
from typing import NamedTuple

from pipelines.core.errors import ReleaseError
from pipelines.core.evidence import Evidence
from pipelines.promotion.policy import Limit


class Check(NamedTuple):
    """A figure of the challenger, the champion's (NaN without one), what is asked in words, and whether it holds."""

    figure: str
    challenger: float
    champion: float
    asked: str
    held: bool

    def describe(self) -> str:
        """One line for a person."""
        return f"{self.figure} is {self.challenger:.4g} and must be {self.asked}"


def check(limit: Limit, challenger: Evidence, champion: Evidence | None) -> Check:
    """Hold the challenger's figure against every bound of the limit; without a champion, against the absolute ones.

    Raises:
        ReleaseError: where the challenger lacks the figure, or the champion does and a bound is a multiple of its own.
    """
    value = held(limit.figure, challenger)
    other = champion.figures.get(limit.figure, float("nan")) if champion else float("nan")
    bounds = [*_absolute(limit), *(_of_champion(limit, other) if champion else ())]
    asked = " and ".join(words for words, *_ in bounds) or "held against a champion's once there is one"
    return Check(limit.figure, value, other, asked, all(low <= value <= high for _, low, high in bounds))


def held(name: str, evidence: Evidence) -> float:
    """A figure of the evidence; ReleaseError where it has none of that name."""
    if name not in evidence.figures:
        there = ", ".join(evidence.figures) or "none"
        raise ReleaseError(f"the evidence lacks the figure {name} (it holds {there}): evaluate the release again")
    return evidence.figures[name]


Bound = tuple[str, float, float]
"""In words, and between what it lets the figure lie."""
ENDLESS = float("inf")


def _absolute(limit: Limit) -> Iterator[Bound]:
    if limit.least is not None:
        yield f"at least {limit.least:g}", limit.least, ENDLESS
    if limit.most is not None:
        yield f"at most {limit.most:g}", -ENDLESS, limit.most


def _of_champion(limit: Limit, champion: float) -> Iterator[Bound]:
    for least, share in ((True, limit.least_of_champion), (False, limit.most_of_champion)):
        if share is None:
            continue
        if not isfinite(champion):
            raise ReleaseError(f"the champion has no figure {limit.figure}: evaluate it again on the same window")
        words = f"at {'least' if least else 'most'} {share:g} x the champion's {champion:.4g}"
        yield (words, share * champion, ENDLESS) if least else (words, -ENDLESS, share * champion)
