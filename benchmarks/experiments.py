"""Does an experiment err as rarely, and find as much, as it says? A/A and A/B on simulated members.

``python benchmarks/experiments.py [RUNS]`` (500 where nothing is named). Members visit by rates with a heavy tail, come
back for 14 days, join when they first visit, and differ in how much they watch; each run has members of its own, dealt
out by the hash of an experiment with a salt of its own. Each day is read by what the readout reads with. "Peeked" acts
on the first day that decides, "read at the end" on the last day alone; "plain" is what an ordinary 95 % interval would
have done. A/B: planned by the power plan on other members' past days, a lift of 5 % in videos watched, the members that
the plan asks for, in two fifths as many runs. Binomial 95 % intervals stand beside the shares; seeds are fixed. The
exit status is 1 where a bar is missed.

Measured (59 s for A/A and 165 s for A/B on a machine busy with other work)::

    A/A, 500 runs of 3,000 members and 14 days, videos watched
      a plain 95 % interval, looked at daily  20.6% [17.3%, 24.4%]
      a plain 95 % interval on the last day   5.6% [3.9%, 8.0%]
      refused for the members' shares         1.0% [0.4%, 2.3%]
      CUPED takes away 72% of the variance
    A/B: 11,519 members who come are planned for +5% with power 80%
      200 runs of 15,277 members
    bar: A/A peeked at daily | 3.8% [2.4%, 5.9%] | at most 5% | met
    bar: A/A read at the end | 3.8% [2.4%, 5.9%] | at most 5% | met
    bar: A/B with the planned lift is found | 81.5% [75.5%, 86.3%] | at least 80% within 5.7% of chance | met
    bar: CUPED takes variance away | 72% | some | met
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binomtest, norm
from threadpoolctl import threadpool_limits

from pipelines.experiments import power
from pipelines.experiments.assignment import assign
from pipelines.experiments.definition import Definition, parse
from pipelines.experiments.estimates import Lift
from pipelines.experiments.outcomes import COUNTS
from pipelines.experiments.readout import MISMATCH, Effect, measured, share_mismatch
from pipelines.metrics.intervals import Floats

DAYS, MEMBERS, LIFT, ALPHA, POWER = 14, 3000, 0.05, 0.05, 0.8
Counts = dict[str, Floats]
"""COUNTS -> (members, days)."""


def experiment(run: int, pre_days: int = DAYS) -> Definition:
    """The definition of a run: its own salt, and half of the members each."""
    variants = {name: {"release": name, "share": 1} for name in ("champion", "challenger")}
    about = {"name": f"run-{run}", "variants": variants, "control": "champion", "planned_end": "2026-03-14"}
    return parse(about | {"minimum_effect": LIFT, "alpha": ALPHA, "power": POWER, "pre_days": pre_days})


@dataclass(frozen=True)
class Crowd:
    """Who the members are: how often they come a day, how likely they open something, how much they watch."""

    rate: Floats
    opening: Floats
    liking: Floats

    @classmethod
    def of(cls, members: int, rng: np.random.Generator) -> "Crowd":
        return cls(
            np.minimum(0.15 * rng.pareto(1.6, members) + 0.03, 6.0),
            rng.beta(4, 4, members),
            rng.lognormal(-0.4, 0.7, members),
        )

    def days(self, raised: Floats, rng: np.random.Generator) -> Counts:
        """What they do on DAYS days; ``raised``: (members,) how many times as many videos each one watches."""
        shape = (len(self.rate), DAYS)
        sessions = rng.poisson(np.broadcast_to(self.rate[:, None], shape)).astype(float)
        clicked = rng.binomial(sessions.astype(int), self.opening[:, None]).astype(float)
        videos = rng.poisson(sessions * (self.liking * raised)[:, None]).astype(float)
        minutes = rng.gamma(np.maximum(videos, 1e-9), 24.0) * (videos > 0)
        return {"sessions": sessions, "clicked": clicked, "videos": videos, "minutes": minutes}


def looks(definition: Definition, lift: float, members: int, seed: int) -> Iterator[tuple[Effect, float]]:
    """Each day's effect on the primary metric, and the p-value of the members' shares."""
    rng = np.random.default_rng(seed)
    crowd = Crowd.of(members, rng)
    names = [assign(f"u{seed}-{n}", definition.assignment) for n in range(members)]
    variant = np.array(names, dtype=object).astype(str)
    before = {name: of.sum(axis=1) for name, of in crowd.days(np.ones(members), rng).items()}
    through = {n: of.cumsum(axis=1) for n, of in crowd.days(np.where(variant == "challenger", lift, 1.0), rng).items()}
    for day in range(1, DAYS + 1):
        seen = through["sessions"][:, day - 1] > 0
        now = {name: of[seen, day - 1] for name, of in through.items()}
        earlier = {name: of[seen] for name, of in before.items()}
        counted = {name: int((variant[seen] == name).sum()) for name in definition.variants}
        shares = share_mismatch(counted, dict.fromkeys(counted, 1.0))
        yield measured(definition, variant[seen], now, earlier, day, DAYS, [definition.primary])[0], shares


def decided(effect: Effect) -> bool:
    """Whether the readout's interval leaves zero out."""
    return effect.interval.low > 0 or effect.interval.high < 0


def plainly(lift: Lift) -> bool:
    """Whether an ordinary 95 % interval does."""
    return bool(abs(lift.value) > norm.isf(ALPHA / 2) * lift.error)


@dataclass
class Tally:
    """Runs in which each way of acting found something, and what CUPED saved at the end."""

    peeked: int = 0
    at_the_end: int = 0
    plain_peeked: int = 0
    plain_at_the_end: int = 0
    refused: int = 0
    saved: float = 0.0


def tally(runs: int, lift: float, members: int, first_seed: int) -> Tally:
    """Run so many experiments."""
    found = Tally()
    for run in range(runs):
        seen = list(looks(experiment(run), lift, members, first_seed + run))
        own = [effect for effect, _ in seen]
        found.peeked += any(map(decided, own))
        found.at_the_end += decided(own[-1])
        found.plain_peeked += any(plainly(e.lift) for e in own)
        found.plain_at_the_end += plainly(own[-1].lift)
        found.refused += any(share < MISMATCH for _, share in seen)
        found.saved += own[-1].lift.saved / runs
    return found


def rows(counts: Counts) -> pd.DataFrame:
    """As the lake's rows: one a member and day."""
    members, days = counts["sessions"].shape
    frame = pd.DataFrame({name: of.ravel() for name, of in counts.items()}, columns=list(COUNTS))
    frame["user_id"], frame["day"] = np.repeat(np.arange(members), days), np.tile(np.arange(1, days + 1), members)
    return frame[frame["sessions"] > 0]


def planned(seed: int, members: int = 60_000) -> power.Plan:
    """The plan that past days of other members lead to."""
    rng = np.random.default_rng(seed)
    crowd, same = Crowd.of(members, rng), np.ones(members)
    before, past = rows(crowd.days(same, rng)), rows(crowd.days(same, rng))
    return power.plan(experiment(0), past, before, [DAYS])


def share(found: int, runs: int) -> str:
    """A share of the runs with its binomial interval."""
    held = binomtest(found, runs).proportion_ci(0.95, method="wilson")
    return f"{found / runs:.1%} [{held.low:.1%}, {held.high:.1%}]"


def bar(name: str, figure: str, asked: str, met: bool) -> bool:
    """Print a bar; whether it is met."""
    print(f"bar: {name} | {figure} | {asked} | {'met' if met else 'missed'}")
    return met


def main(runs: int) -> int:
    """1 where a bar is missed."""
    began = time.perf_counter()
    same = tally(runs, 1.0, MEMBERS, first_seed=1_000)
    took = time.perf_counter() - began
    print(f"A/A, {runs} runs of {MEMBERS:,} members and {DAYS} days, videos watched, in {took:.0f} s")
    print(f"  a plain 95 % interval, looked at daily  {share(same.plain_peeked, runs)}")
    print(f"  a plain 95 % interval on the last day   {share(same.plain_at_the_end, runs)}")
    print(f"  refused for the members' shares         {share(same.refused, runs)}")
    print(f"  CUPED takes away {same.saved:.0%} of the variance")
    plan = planned(seed=1)
    horizon = plan.horizons[0]
    # The plan counts members who come; of those who might, some never do.
    asked = round(horizon.needed * 60_000 / horizon.members)
    print(f"A/B: {horizon.needed:,} members who come are planned for +{LIFT:.0%} with power {POWER:.0%}")
    began = time.perf_counter()
    tries = max(1, runs * 2 // 5)
    better = tally(tries, 1.0 + LIFT, asked, first_seed=50_000)
    print(f"  {tries} runs of {asked:,} members in {time.perf_counter() - began:.0f} s")
    noise = 2 * (POWER * (1 - POWER) / tries) ** 0.5
    met = [
        bar("A/A peeked at daily", share(same.peeked, runs), f"at most {ALPHA:.0%}", same.peeked <= ALPHA * runs),
        bar(
            "A/A read at the end", share(same.at_the_end, runs), f"at most {ALPHA:.0%}", same.at_the_end <= ALPHA * runs
        ),
        bar(
            "A/B with the planned lift is found",
            share(better.peeked, tries),
            f"at least {POWER:.0%} within {noise:.1%} of chance",
            better.peeked >= (POWER - noise) * tries,
        ),
        bar("CUPED takes variance away", f"{same.saved:.0%}", "some", same.saved > 0),
    ]
    return 0 if all(met) else 1


if __name__ == "__main__":
    with threadpool_limits(1):
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 500))
