"""What the gate predicted of a release and what became of it: the pairs of which concordance is made."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from typing import Any, Literal, Protocol

from pipelines.core.errors import DataError
from pipelines.metrics.fieller import ratio_of_means
from pipelines.metrics.intervals import NOTHING, Interval

JUDGED, PROMOTED = "judged", "promoted"
PAGE, EXPERIMENT = "page", "experiment"
"""Realised gains: the primary metric on the days that followed, paired by member; and an experiment's readout."""
LEAST = 5
"""Promotions over a champion that a ratio needs: with fewer its interval is hardly ever a finite one."""


class Line(Protocol):
    """What is read of a line of the ledger."""

    @property
    def event(self) -> str: ...
    @property
    def at(self) -> datetime: ...
    @property
    def release_id(self) -> str: ...
    @property
    def facts(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Gain:
    """One decision: a release, what it stood against, the gain that the gate saw, and what followed by measure.

    ``before`` is the champion that it was compared with, None where there was none and ``against`` says floor.
    ``decided`` is a day or a moment, ISO. ``realised`` maps PAGE, EXPERIMENT or an online metric's name to the gain.
    """

    release_id: str
    before: str | None
    decided: str
    verdict: str
    metric: str
    against: Literal["champion", "floor"]
    predicted: Interval
    off_policy: Interval | None = None
    realised: Mapping[str, Interval] = field(default_factory=dict)

    @property
    def promoted(self) -> bool:
        return self.verdict == "promote"

    def as_dict(self) -> dict[str, Any]:
        """For JSON; ``read`` takes it back."""
        return {
            "release_id": self.release_id,
            "before": self.before,
            "decided": self.decided,
            "verdict": self.verdict,
            "metric": self.metric,
            "against": self.against,
            "predicted": _plain(self.predicted),
            "off_policy": _plain(self.off_policy) if self.off_policy else None,
            "realised": {name: _plain(gain) for name, gain in self.realised.items()},
        }


def read(found: Mapping[str, Any]) -> Gain:
    """A gain from its dict.

    Raises:
        DataError: it lacks a field, or a figure is no interval.
    """
    try:
        off_policy = found["off_policy"]
        return Gain(
            found["release_id"],
            found["before"],
            found["decided"],
            found["verdict"],
            found["metric"],
            found["against"],
            _interval(found["predicted"]),
            _interval(off_policy) if off_policy else None,
            {name: _interval(gain) for name, gain in found["realised"].items()},
        )
    except (KeyError, TypeError, AttributeError) as exc:
        raise DataError(f"a gain lacks {exc} or holds no interval there: make the record again") from exc


def of_verdict(
    facts: Mapping[str, Any],
    primaries: Sequence[str],
    *,
    release_id: str,
    before: str | None,
    decided: str,
    promoted: bool,
) -> Gain | None:
    """The gain that a verdict's comparisons hold on the first of the primary metrics that was compared; None where the
    gate compared nothing.

    Against the champion where there was one, else against popularity. ``facts``: what Verdict.as_dict gives.
    """
    compared = facts.get("comparisons", ())
    held = [c for metric in primaries for c in compared if c["metric"] == metric]
    chosen = next((c for c in held if c["against"] == "champion"), held[0] if held else None)
    if chosen is None:
        return None
    off_policy = facts.get("off_policy")
    return Gain(
        release_id,
        before if chosen["against"] == "champion" else None,
        decided,
        "promote" if promoted else str(facts["verdict"]),
        chosen["metric"],
        chosen["against"],
        _interval(chosen["gain"]),
        _interval(off_policy) if isinstance(off_policy, Mapping) and "value" in off_policy else None,
    )


def promotions(entries: Iterable[Line], primaries: Sequence[str]) -> list[Gain]:
    """Every release that was promoted, oldest first, with the gain of its last verdict before that; twice is once.

    A promotion without a verdict, or by a verdict that compared nothing, promised nothing and is left out.
    """
    judged: dict[str, Mapping[str, Any]] = {}
    found: dict[str, Gain] = {}
    for entry in entries:
        if entry.event == JUDGED:
            judged[entry.release_id] = entry.facts
        elif entry.event == PROMOTED and entry.release_id in judged and entry.release_id not in found:
            facts, about = judged[entry.release_id], {"release_id": entry.release_id, "decided": entry.at.isoformat()}
            gain = of_verdict(facts, primaries, before=facts.get("before"), promoted=True, **about)
            found |= {entry.release_id: gain} if gain else {}
    return list(found.values())


@dataclass(frozen=True)
class Worth:
    """What a unit of predicted gain became: mean realised / mean predicted of ``count`` decisions.

    ``agreed``: how many of them became what they promised to be, better or worse. ``missing``: how many more are needed
    for a ratio, which is NaN until then.
    """

    measure: str
    count: int
    agreed: int
    missing: int
    ratio: Interval

    def describe(self) -> str:
        """One sentence for a person."""
        if self.missing:
            return (
                f"{self.count} decision(s) over a champion with a realised gain of {self.measure}: {self.missing} more "
                f"are needed to say what a gate gain is worth ({self._signs})"
            )
        if not isfinite(self.ratio.low):
            return (
                f"{self.count} decisions: their predicted gains are too near 0, as against their spread, to say what "
                f"one is worth ({self._signs})"
            )
        return (
            f"a predicted gain of 1 became {self.ratio.value:.2f} [{self.ratio.low:.2f}, {self.ratio.high:.2f}] of "
            f"{self.measure}, over {self.count} decisions ({self._signs})"
        )

    @property
    def _signs(self) -> str:
        return f"{self.agreed} of {self.count} were better or worse as predicted"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        about = {"measure": self.measure, "count": self.count, "agreed": self.agreed, "missing": self.missing}
        return about | {"told": self.describe(), "ratio": _plain(self.ratio)}


def worth(gains: Sequence[Gain], measure: str, *, least: int = LEAST, confidence: float = 0.95) -> Worth:
    """How much of the predicted gains over a champion came true in this measure.

    A first release's gain over popularity is another quantity and is left out, and so are gains in another metric than
    the last one's, whose unit is another.
    """
    counted = over_a_champion(gains)
    pairs = [
        (g.predicted.value, g.realised[measure].value)
        for g in counted
        if measure in g.realised and g.metric == counted[-1].metric
    ]
    kept = [pair for pair in pairs if isfinite(pair[0]) and isfinite(pair[1])]
    missing = max(0, least - len(kept))
    predicted, realised = ([pair[side] for pair in kept] for side in (0, 1))
    agreed = sum(promised * became > 0 for promised, became in kept)
    return Worth(
        measure, len(kept), agreed, missing, NOTHING if missing else ratio_of_means(realised, predicted, confidence)
    )


def over_a_champion(gains: Sequence[Gain]) -> list[Gain]:
    """Those that were compared with a champion."""
    return [gain for gain in gains if gain.against == "champion"]


def _interval(figure: Mapping[str, Any]) -> Interval:
    return Interval(
        *(float("nan") if figure[part] is None else float(figure[part]) for part in ("value", "low", "high"))
    )


def _plain(interval: Interval) -> dict[str, float | None]:
    return {name: value if isfinite(value) else None for name, value in interval.as_dict().items()}
