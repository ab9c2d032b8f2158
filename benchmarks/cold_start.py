"""What a new member's ten titles are worth, and a new title's chances: each generator and the blend beside popularity.

``python benchmarks/cold_start.py [SEED ...]`` (7001 7002 7003 where none is named: nothing was tuned on them). A world
of 2,000 members and 28 days is imported, generators are fitted as the day three quarters through begins, and asked at
seven in the evening. Worth is the sum of true watch probabilities, each title examined, of what may be shown; its
intervals are bootstrapped over the members of all seeds, paired. Members whose first visit lies after that evening:

    genres      nothing is known but the genres they chose at onboarding
    place       nothing but their country and what they hold
    joined      all that they said of themselves when they joined

And titles that came in the last ten days, of which only metadata are left to the fit: the five best of them for members
with a history, beside any five of them. The exit status is 1 where the blend misses the bar.
"""

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from pipelines.candidates import GENERATORS
from pipelines.candidates.blend import BlendConfig, blend
from pipelines.candidates.interactions import asked_on, histories, interactions
from pipelines.core.contracts import CHOSEN, DEVICE, FittedGenerator, Floats, History, Interactions
from pipelines.core.lake import Lake
from pipelines.ingestion import job as ingestion
from pipelines.metrics.intervals import bootstrap_statistic, ratio
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.exam import true_matrix
from pipelines.simulation.members import DEVICES
from pipelines.simulation.truth import main_device
from pipelines.simulation.world import World, simulate
from pipelines.sources import SOURCES

UNTUNED, MEMBERS, DAYS = (7_001, 7_002, 7_003), 2_000, 28
PAGE, NEW, EVENING, NEW_FOR, MOST = 10, 5, 19, timedelta(days=10), 500
SLICES = {"genres": (CHOSEN,), "place": ("country", DEVICE), "joined": None}
BAR, BARRED, FLOOR = 1.1, ("genres", "joined"), "popularity"

Worth = dict[str, dict[str, Floats]]
"""Slice -> generator -> (members,) the worth of its page."""


@dataclass(frozen=True)
class Stage:
    """A world, its lake, and the evening on which it is asked."""

    world: World
    lake: Lake
    at: datetime

    @property
    def moment(self) -> np.datetime64:
        return np.datetime64((self.at + timedelta(hours=EVENING)).replace(tzinfo=None), "us")

    def chance(self, users: list[str], catalogue: np.ndarray) -> Floats:
        """(members, catalogue) the true probabilities, 0 where a title may not be shown."""
        who, media = self.world.user_codes(users), self.world.media_codes(catalogue)
        may = self.world.truth.catalogue.showable(self.moment, self.world.truth.members.country[who])
        return np.asarray(np.where(may, true_matrix(self.world, who, self.moment), 0)[:, media])

    def usual_device(self, users: list[str]) -> list[str]:
        held = main_device(self.world.truth.members, self.world.user_codes(users))
        return [DEVICES[int(one)] for one in held]

    def cold(self) -> list[str]:
        """Members who had not visited by the evening, but have said who they are, as of the last day of the world."""
        shown = pq.read_table(self.world.folder / "impressions.parquet", columns=["user_id", "shown_at"])  # type: ignore[operator]
        early = shown["shown_at"].to_numpy().astype("datetime64[us]") < self.moment
        return sorted(set(self.told) - set(shown.filter(early)["user_id"].to_pylist()))

    @property
    def told(self) -> Mapping[str, History]:
        """What every member of the world says on joining."""
        return histories(self.lake, self.at + timedelta(days=DAYS))


def stage(seed: int, folder: Path) -> Stage:
    """A fresh world, imported."""
    config = WorldConfig(seed=seed, members=MEMBERS, days=DAYS)
    simulate(config, folder / "world")
    lake, source = Lake(folder / "lake"), SOURCES["tables"](folder / "world")
    ingestion.ingest(lake, source.dataset, source.batches())
    begin = datetime.combine(config.start, time(), UTC)
    return Stage(World.load(folder / "world"), lake, begin + timedelta(days=DAYS * 3 // 4))


def fitted(known: Interactions, at: datetime, seed: int) -> dict[str, FittedGenerator]:
    """Every registered generator."""
    return {name: method().fit(known, as_of=at, seed=seed) for name, method in GENERATORS.items()}


def pages(generators: Mapping[str, FittedGenerator], asked: list[History], chance: Floats, k: int) -> dict[str, Floats]:
    """(members,) of each generator and the blend: the worth of the first ``k`` that may be shown."""
    size = chance.shape[1]
    proposed = {name: generator.candidates(asked, size)[0] for name, generator in generators.items()}
    proposed["blend"] = blend(generators, asked, BlendConfig(candidates=size), size).codes
    found = {}
    for name, codes in proposed.items():
        worth = np.where(codes >= 0, np.take_along_axis(chance, np.maximum(codes, 0), axis=1), 0)
        found[name] = np.where((worth > 0) & (np.cumsum(worth > 0, axis=1) <= k), worth, 0).sum(axis=1)
    return found | {"oracle": np.sort(chance, axis=1)[:, -k:].sum(axis=1)}


def new_members(held: Stage, seed: int) -> Worth:
    """The pages of SLICES."""
    known = interactions(held.lake, held.at)
    generators, told, cold = fitted(known, held.at, seed), held.told, held.cold()
    found = {}
    for name, words in SLICES.items():
        users = [user for user in cold if CHOSEN in told[user].context] if words == (CHOSEN,) else cold
        every = zip(users, held.usual_device(users), strict=True)
        whole = [asked_on(History(context=told[user].context), device=device) for user, device in every]
        asked = [
            History(context={word: value for word, value in one.context.items() if words is None or word in words})
            for one in whole
        ]
        found[name] = pages(generators, asked, held.chance(users, known.catalogue), PAGE)
    return found


def new_titles(held: Stage, seed: int) -> Worth:
    """Popularity knows none of them: beside it stands what any five of them are worth."""
    known = interactions(held.lake, held.at)
    came = np.asarray(known.media_table["platform_at"].to_numpy()).astype("datetime64[us]")  # type: ignore[index]
    new = known.catalogue[came > np.datetime64((held.at - NEW_FOR).replace(tzinfo=None), "us")]
    old = ~np.isin(known.media, new)
    parts = {part: getattr(known, part)[old] for part in ("users", "media", "weight", "at", "device")}
    before = {user: history for user, history in histories(held.lake, held.at).items() if history.media}
    users = sorted(np.random.default_rng(seed).choice(sorted(before), min(MOST, len(before)), replace=False).tolist())
    asked = []
    for user, device in zip(users, held.usual_device(users), strict=True):
        media = tuple(one for one in before[user].media if one not in set(new.tolist()))
        asked.append(asked_on(History(media, (1.0,) * len(media), before[user].context), device=device))
    chance = np.where(np.isin(known.catalogue, new), held.chance(users, known.catalogue), 0)
    found = pages(fitted(replace(known, **parts), held.at, seed), asked, chance, NEW)
    may = np.maximum((chance > 0).sum(axis=1), 1)
    return {"new titles": found | {FLOOR: chance.sum(axis=1) * np.minimum(NEW / may, 1)}}


def main(seeds: list[int]) -> int:
    """A table a slice, over the members of all seeds; the exit status."""
    gathered: dict[str, dict[str, list[Floats]]] = {}
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            held = stage(seed, Path(folder))
            for part, worths in {**new_members(held, seed), **new_titles(held, seed)}.items():
                for name, worth in worths.items():
                    gathered.setdefault(part, {}).setdefault(name, []).append(worth)
    missed = False
    for part, found in gathered.items():
        whole = {name: np.concatenate(worths) for name, worths in found.items()}
        beside = "any five" if part == "new titles" else FLOOR
        print(f"{part}: {len(whole[FLOOR])} members, worlds {seeds}; times {beside}, 95 % interval", flush=True)
        for name, worth in whole.items():
            times = bootstrap_statistic(len(worth), ratio(worth, whole[FLOOR]), seed=1)
            print(f"  {name:14s} {worth.mean():6.3f}  {times.value:5.3f}  [{times.low:.3f}, {times.high:.3f}]")
            if name == "blend" and part in BARRED:
                met = times.value >= BAR
                missed |= not met
                told = f"{times.value:.3f} [{times.low:.3f}, {times.high:.3f}]"
                said = "met" if met else "missed"
                print(f"bar: new members, {part}: blend to {FLOOR} | {told} | at least {BAR} | {said}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main([int(seed) for seed in sys.argv[1:]] or list(UNTUNED)))
