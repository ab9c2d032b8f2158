"""A day's look at an experiment: ship, stop, keep running, or a refusal to say anything."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from pipelines.core.errors import DataError
from pipelines.experiments import spending
from pipelines.experiments.definition import Definition, Metric
from pipelines.experiments.estimates import Lift, Sample, lift
from pipelines.experiments.outcomes import METRICS, Rows, covariates, sums, totals
from pipelines.metrics.intervals import Floats, Interval

SHIP, STOP, KEEP, REFUSED = "ship", "stop", "keep running", "refused"
MISMATCH = 0.001
"""A chi-square as improbable as this says that the variants' members are not those that the hash chose."""
MOST_FALLEN_BACK = 0.01
"""Where more of a variant's members saw the champion instead of its release, nothing is shipped."""
LEAST_MEMBERS = 100
"""Of a variant, before anything is judged: with fewer, no figure is near enough to normal."""


@dataclass(frozen=True)
class Members:
    """Who was exposed: variant, day (1 = first), and whether another release than the variant's ever answered.

    ids: (n,), each once. crossed: how many were seen in two variants.
    """

    ids: pd.Index
    variant: np.ndarray
    day: np.ndarray
    fallen_back: np.ndarray
    crossed: int = 0


@dataclass(frozen=True)
class Effect:
    """A challenger against the control in one metric; ``interval`` holds for every day together."""

    variant: str
    metric: Metric
    lift: Lift
    interval: Interval
    margin: float | None
    """Of a guardrail: how far it may fall."""

    @property
    def harmful(self) -> bool:
        return self.interval.high < -(self.margin or 0.0)

    @property
    def unharmed(self) -> bool:
        return self.margin is None or self.interval.low > -self.margin


@dataclass(frozen=True)
class Readout:
    """members, fallen_back: by variant. mismatch: the p-value of the shares. by_day: the primary's interval of each
    challenger on each day so far."""

    day: int
    days: int
    verdict: str
    reasons: list[str]
    members: dict[str, int]
    fallen_back: dict[str, int]
    mismatch: float
    effects: list[Effect] = field(default_factory=list)
    verdicts: dict[str, str] = field(default_factory=dict)
    by_day: dict[str, list[tuple[int, Interval]]] = field(default_factory=dict)


def read(definition: Definition, members: Members, rows: Rows, before: Rows, *, day: int, days: int) -> Readout:
    """The look on a day of ``days``, of members exposed and rows counted by then.

    Raises:
        DataError: nobody was exposed yet.
    """
    exposed = _until(members, day)
    if not len(exposed.ids):
        raise DataError(
            f"experiment {definition.name!r} has exposed nobody by day {day}: read it once pages were asked"
        )
    counted = {name: int((exposed.variant == name).sum()) for name in definition.variants}
    fallen = {name: int(exposed.fallen_back[exposed.variant == name].sum()) for name in definition.variants}
    mismatch = share_mismatch(counted, {name: v.share for name, v in definition.variants.items()})
    wrong = _wrong(exposed, counted, mismatch, definition)
    if wrong:
        return Readout(day, days, REFUSED, wrong, counted, fallen, mismatch)
    history = [(n, effects(definition, _until(members, n), rows, before, n, days)) for n in range(1, day + 1)]
    found = history[-1][1]
    judged = {name: _judge(definition, name, found, counted, fallen, day == days) for name in definition.challengers}
    verdict = _overall([said for said, _ in judged.values()])
    reasons = [f"{name}: {reason}" for name, (_, why) in judged.items() for reason in why]
    verdicts = {name: said for name, (said, _) in judged.items()}
    by_day = {name: _of(history, name, definition.primary) for name in definition.challengers}
    return Readout(day, days, verdict, reasons, counted, fallen, mismatch, found, verdicts, by_day)


def effects(definition: Definition, members: Members, rows: Rows, before: Rows, day: int, days: int) -> list[Effect]:
    """Every metric of every challenger, through a day."""
    now = totals(rows, members.ids, day)
    earlier = totals(before, members.ids, definition.pre_days)
    return measured(definition, members.variant, now, earlier, day, days)


def measured(
    definition: Definition,
    variant: np.ndarray,
    now: Mapping[str, Floats],
    before: Mapping[str, Floats],
    day: int,
    days: int,
    metrics: Sequence[Metric] = tuple(METRICS),
) -> list[Effect]:
    """The same from (members,) sums. variant: (members,) the name of each one's."""
    margins = {rail.metric: rail.margin for rail in definition.guardrails}
    alpha = spending.alpha_on(day, days, definition.alpha, len(definition.challengers))
    found = []
    for metric in metrics:
        samples = _samples(definition, variant, now, before, metric)
        for name in definition.challengers:
            raised = lift(samples[definition.control], samples[name])
            margin = margins.get(metric) if metric != definition.primary else None
            found.append(Effect(name, metric, raised, spending.bounds(raised, alpha), margin))
    return found


def share_mismatch(counted: Mapping[str, int], shares: Mapping[str, float]) -> float:
    """The chi-square's p-value of so many members, had the hash dealt them out by these shares."""
    from scipy.stats import chisquare

    total, whole = sum(counted.values()), sum(shares.values())
    expected = [total * shares[name] / whole for name in shares]
    return float(chisquare([counted[name] for name in shares], expected).pvalue)


def members_of(definition: Definition, exposures: pd.DataFrame) -> Members:
    """The members of (user_id, variant, release_id, day) rows, the first exposure of each first."""
    own = exposures["variant"].map({name: variant.release for name, variant in definition.variants.items()})
    exposures = exposures.assign(fallen_back=exposures["release_id"].ne(own))
    grouped = exposures.groupby("user_id", sort=True)
    crossed = int((grouped["variant"].nunique() > 1).sum())
    first, fallen = grouped[["variant", "day"]].first(), grouped["fallen_back"].any()
    ids = pd.Index(first.index)
    return Members(ids, first["variant"].to_numpy(), first["day"].to_numpy(), fallen.to_numpy(dtype=bool), crossed)


def _until(members: Members, day: int) -> Members:
    held = members.day <= day
    return Members(
        members.ids[held], members.variant[held], members.day[held], members.fallen_back[held], members.crossed
    )


def _samples(
    definition: Definition, variant: np.ndarray, now: Mapping[str, Floats], before: Mapping[str, Floats], metric: Metric
) -> dict[str, Sample]:
    above, below = sums(now, metric)
    known = covariates(before, metric)
    places = {name: variant == name for name in definition.variants}
    return {name: Sample(above[own], below[own], known[own]) for name, own in places.items()}


def _wrong(members: Members, counted: Mapping[str, int], mismatch: float, definition: Definition) -> list[str]:
    """Why nothing can be read out; nothing where all is well."""
    told = ", ".join(f"{name} {n:,}" for name, n in counted.items())
    shares = ":".join(f"{variant.share:g}" for variant in definition.variants.values())
    found = []
    if mismatch < MISMATCH:
        found.append(
            f"the variants have {told} members, shares are {shares} (p = {mismatch:.2g}): some of a variant's members "
            "are not logged, or leave before they are; find out who before any figure is believed"
        )
    if members.crossed:
        found.append(
            f"{members.crossed:,} members were in two variants: the salt or the shares changed under way; start again"
        )
    return found


def _judge(
    definition: Definition,
    name: str,
    found: list[Effect],
    counted: Mapping[str, int],
    fallen: Mapping[str, int],
    last: bool,
) -> tuple[str, list[str]]:
    """The verdict on a challenger, and why."""
    own = [effect for effect in found if effect.variant == name]
    primary = next(effect for effect in own if effect.metric == definition.primary)
    few = [one for one in (definition.control, name) if counted[one] < LEAST_MEMBERS]
    if few or not primary.lift.known:
        why = (
            f"{few[0]} has {counted[few[0]]} members, {LEAST_MEMBERS} are needed" if few else "nothing is measured yet"
        )
        return (STOP if last else KEEP), [why]
    harm = [effect for effect in own if (effect is primary or effect.margin) and effect.harmful]
    if harm:
        return STOP, [f"{effect.metric} fell, {_span(effect.interval)}" for effect in harm]
    open_ = _open(definition, name, primary, own, counted, fallen)
    if not open_:
        return SHIP, [f"{primary.metric} rose, {_span(primary.interval)}, and no guardrail gave way"]
    return (STOP, [*open_, "the planned end is reached"]) if last else (KEEP, open_)


def _open(
    definition: Definition,
    name: str,
    primary: Effect,
    own: list[Effect],
    counted: Mapping[str, int],
    fallen: Mapping[str, int],
) -> list[str]:
    """What stands between a challenger and being shipped."""
    found = []
    if primary.interval.low <= 0:
        found.append(f"{primary.metric} may be unchanged, {_span(primary.interval)}")
    found += [
        f"{effect.metric} may have fallen by more than {effect.margin:.1%}, {_span(effect.interval)}"
        for effect in own
        if not effect.unharmed or (effect.margin and not effect.lift.known)
    ]
    for one in (definition.control, name):
        if fallen[one] > MOST_FALLEN_BACK * counted[one]:
            found.append(
                f"{fallen[one]:,} of {counted[one]:,} members of {one} were answered by another release than its own, "
                f"which is more than {MOST_FALLEN_BACK:.0%}: the difference is diluted"
            )
    return found


def _overall(verdicts: list[str]) -> str:
    counts = Counter(verdicts)
    return SHIP if counts[SHIP] else STOP if counts[STOP] == len(verdicts) else KEEP


def _of(history: list[tuple[int, list[Effect]]], name: str, metric: Metric) -> list[tuple[int, Interval]]:
    return [(n, e.interval) for n, found in history for e in found if e.variant == name and e.metric == metric]


def _span(interval: Interval) -> str:
    return f"{interval.value:+.2%} [{interval.low:+.2%}, {interval.high:+.2%}]"
