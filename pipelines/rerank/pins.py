"""R6 Pins and boosts: what a person decided about a title's place, for everybody or for a country or surface, and until
when. One that has expired is as if it had never been.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Pin:
    """``media_id`` stands at place ``slot`` of the page, 0 = first; or its score is multiplied by ``factor``: a boost.

    country, surface: where; None = everywhere. until: UTC, that moment excluded. number: later decisions have larger.
    """

    number: int
    media_id: str
    until: datetime
    reason: str
    slot: int | None = None
    factor: float | None = None
    country: str | None = None
    surface: str | None = None

    def holds(self, at: datetime, country: str | None, surface: str) -> bool:
        """Whether it counts on this page."""
        return at < self.until and self.country in (None, country) and self.surface in (None, surface)

    @property
    def said(self) -> str:
        """For whoever asks why."""
        return f"until {self.until.isoformat(timespec='minutes')}: {self.reason}"


@dataclass(frozen=True)
class Rules:
    """What holds beside the release, now. shown: how often each title was shown to the member since the snapshot."""

    pins: Sequence[Pin] = ()
    shown: Mapping[str, int] = field(default_factory=dict)


NO_RULES = Rules()


def in_force(
    pins: Iterable[Pin], at: datetime, country: str | None, surface: str
) -> tuple[dict[str, Pin], dict[str, Pin]]:
    """(pins, boosts) by media; pins in the order of their slots, of one slot the latest decision first.

    Of two decisions on one title and kind, the latest holds.
    """
    here = sorted((pin for pin in pins if pin.holds(at, country, surface)), key=lambda pin: pin.number)
    placed = {pin.media_id: pin for pin in here if pin.slot is not None}
    boosted = {pin.media_id: pin for pin in here if pin.factor is not None}
    in_order = sorted(placed.values(), key=lambda pin: (pin.slot, -pin.number))
    return {pin.media_id: pin for pin in in_order}, boosted


def settle(slots: Sequence[int], others: int, k: int) -> dict[int, int]:
    """Page slot -> which of ``slots`` (in order) stands there. others: how many titles fill the rest of the page of k.

    One whose slot is taken comes at the next that is free, or not on the page; on a short page the last ones close up.
    """
    taken: dict[int, int] = {}
    for which, slot in enumerate(slots):
        free = next((place for place in range(slot, k) if place not in taken), None)
        if free is not None:
            taken[free] = which
    size = min(k, others + len(taken))
    settled: dict[int, int] = {}
    for place, which in sorted(taken.items(), reverse=True):
        last = next(free for free in range(min(place, size - 1), -1, -1) if free not in settled)
        settled[last] = which
    return settled
