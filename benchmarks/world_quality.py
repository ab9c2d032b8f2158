"""What a release's page is worth where the truth is known, and where it loses expected watches against the oracle.

``python benchmarks/world_quality.py [--seeds N ...] [--difficulty normal hard] [--members N] [--days N]``: for each
world the backtest of its last days (import, features, training set, generators, ranker), then a page of ten through
``Pager.assemble`` for every member as the test begins, and, as its last day begins, for those who joined meanwhile.
The truth scores each page: expected watches (every slot examined), the same with examination by position, and expected
minutes (probability x duration). Beside it, on the same members: the oracle, who orders by the true probability what
may be shown and was not watched, and popularity. Intervals resample members, in pairs.

Under the oracle stands who knows every effect of the world but what is a member's own (likings of genres, people and
hidden directions, and the noise of each pair), and who knows people too and learns the other likings from the member's
impressions, as well as they tell them: from such logs a recommender cannot do better.

The table goes from the oracle's page to ours step by step: what the generators miss (the oracle's order of our
candidates), what the ranker's order loses, then the ordering, the diversity and the exploration of the release.
Cold members (without a watch, or joined after the last day that was fitted) are a slice of their own, those who chose
genres as they joined and those who did not; so are the titles that came in the week before. The bars come last, a line
each, and the exit status is 1 where one is missed.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pipelines import backtest
from pipelines.candidates.blend import BlendConfig
from pipelines.candidates.interactions import histories
from pipelines.core import days
from pipelines.core.contracts import History
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.window import Window
from pipelines.evaluation.offline import evaluate_rows
from pipelines.judgement import member_rows, score_rows, scored_by
from pipelines.metrics.classification import auc, gauc
from pipelines.metrics.intervals import Interval, bootstrap_statistic, ratio
from pipelines.page import Pager, PageRequest
from pipelines.released import LoadedRelease, load_release
from pipelines.simulation import knowable
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.exam import PAGE, true_matrix
from pipelines.simulation.members import DEVICES
from pipelines.simulation.truth import examination, main_device
from pipelines.simulation.world import World, simulate
from pipelines.snapshot import MediaSnapshot, write

SEED, NEW_DAYS = 7, 7
OFF: dict[str, dict[str, Any]] = {
    "ordering": {"prior": 0.0},
    "diversity": {"most": PAGE},
    "exploration": {"slots": ()},
}
"""Settings of a release that leave a step of the page out."""
STEPS = {
    "ranker alone (prior 0)": ("ordering", "diversity", "exploration"),
    "+ ordering": ("diversity", "exploration"),
    "+ diversity": ("exploration",),
    "+ exploration = the page": (),
}
"""The steps of a page, and what is off in each."""
EVERYONE, COLD = "all members", "cold members"
ORACLE, FOUND, PAGE_STEP, POPULAR = "oracle", "oracle of our candidates", list(STEPS)[-1], "popularity"
SHARED, LEARNT = "all but the member's own", "+ what the log tells of it"


@dataclass(frozen=True)
class Crowd:
    """Members who ask at one moment, and the truth about them; every array has a row a member.

    cold, chose: whether a member is new to the release, and chose genres. chance: (n, media) true P(watch | examined);
    shared, learnt: log odds without what is a member's own, and with what the log tells of it (simulation.knowable).
    allowed: (n, media) what may be shown and was not watched.
    """

    at: datetime
    snapshot: MediaSnapshot
    members: Sequence[str]
    known: Mapping[str, History]
    rows: Mapping[str, Mapping[str, object]]
    device: np.ndarray
    chance: np.ndarray
    shared: np.ndarray
    learnt: np.ndarray
    allowed: np.ndarray
    duration: np.ndarray
    new: np.ndarray
    """(media,) whether a title came in the week before."""
    cold: np.ndarray
    chose: np.ndarray
    pages: dict[str, np.ndarray] = field(default_factory=dict)
    """Step -> (n, 10) codes of the world, -1 pads."""

    @cached_property
    def examined(self) -> np.ndarray:
        """(n, 10) the chance that each place of the page is looked at."""
        return examination(np.arange(PAGE)[None, :], self.device[:, None])

    def worth(self, step: str) -> dict[str, np.ndarray]:
        """(n,) expected watches of the step's pages: all places examined, by position, and in minutes."""
        page = self.pages[step]
        held = np.maximum(page, 0)
        chance = np.where(page >= 0, np.take_along_axis(self.chance, held, axis=1), 0.0)
        return {
            "watches": chance.sum(axis=1),
            "by position": (chance * self.examined).sum(axis=1),
            "minutes": (chance * self.duration[held]).sum(axis=1) / 60,
            "new titles": (chance * self.new[held]).sum(axis=1),
        }


def crowd(settings: Settings, world: World, at: datetime, members: Sequence[str], fitted_until: datetime) -> Crowd:
    """Those members, who ask at ``at``."""
    lake, moment = Lake(settings.lake_path), np.datetime64(at.replace(tzinfo=None), "us")
    folder = settings.root / "staging" / f"snapshot-{at:%Y%m%d}"
    snapshot = MediaSnapshot.load(write(settings, at, folder))
    known = histories(lake, at)
    who = world.user_codes(list(members))
    allowed = world.showable(list(members), moment)
    for row, user in enumerate(members):
        watched = list(known.get(user, History()).media)
        allowed[row, world.media_codes(watched) if watched else []] = False
    late = world.truth.members.joined_at[who] >= np.datetime64(fitted_until.replace(tzinfo=None), "us")
    chose = set(lake.read("preferences", columns=["user_id"])["user_id"].to_pylist())
    return Crowd(
        at=at,
        snapshot=snapshot,
        members=members,
        known=known,
        rows=member_rows(settings, members, at),
        device=main_device(world.truth.members, who),
        chance=true_matrix(world, who, moment),
        shared=knowable.shared(world, who, moment),
        learnt=knowable.learnt(world, who, moment),
        allowed=allowed,
        duration=world.truth.catalogue.duration,
        new=world.truth.catalogue.platform_at >= moment - np.timedelta64(NEW_DAYS, "D"),
        cold=late | np.array([user not in known for user in members], dtype=bool),
        chose=np.array([user in chose for user in members], dtype=bool),
    )


def crowds(settings: Settings, world: World, window: Window) -> list[Crowd]:
    """Everyone who is there as the test begins; and as its last day begins, those who joined meanwhile."""
    zone = Lake(settings.lake_path).dataset.time_zone
    begin, last = days.start(window.test_from, zone), days.start(window.test_to, zone)
    joined, ids = world.truth.members.joined_at, world.truth.members.ids()
    edges = [np.datetime64(moment.replace(tzinfo=None), "us") for moment in (begin, last)]
    fitted_until = days.start(window.last_fitted + timedelta(days=1), zone)
    asked = [(begin, ids[joined < edges[0]]), (last, ids[(joined >= edges[0]) & (joined < edges[1])])]
    return [crowd(settings, world, at, some.tolist(), fitted_until) for at, some in asked if len(some)]


def without(release: LoadedRelease, parts: Sequence[str]) -> LoadedRelease:
    """The release with those steps of its page off."""
    changed = {**release.manifest.settings, **{part: OFF[part] for part in parts}}
    return replace(release, manifest=release.manifest.model_copy(update={"settings": changed}))


def fill(one: Crowd, world: World, release: LoadedRelease) -> None:
    """Put every step's pages into the crowd."""
    media = {str(name): code for code, name in enumerate(world.truth.catalogue.ids())}
    pagers = {step: Pager(without(release, off), one.snapshot) for step, off in STEPS.items()}
    pages = {step: np.full((len(one.members), PAGE), -1) for step in pagers}
    found = np.zeros_like(one.allowed)
    for row, user in enumerate(one.members):
        request = PageRequest(user, f"quality-{user}", one.at, device=DEVICES[one.device[row]], k=PAGE)
        for step, pager in pagers.items():
            page, blended = pager.assemble_with_candidates(
                request, one.rows.get(user, {}), one.known.get(user, History())
            )
            ids = [media[item.media_id] for item in page.items]
            pages[step][row, : len(ids)] = ids
            found[row, [media[name] for name in blended]] = True
    one.pages[ORACLE] = best(one.chance, one.allowed)
    one.pages[SHARED] = best(one.shared, one.allowed)
    one.pages[LEARNT] = best(one.learnt, one.allowed)
    one.pages[FOUND] = best(one.chance, one.allowed & found)
    one.pages.update(pages)
    for name in release.generators:
        shown, order = proposed(one, release, name, media)
        one.pages[f"oracle of {name}'s candidates"] = best(one.chance, one.allowed & shown)
        if name == POPULAR:
            one.pages[POPULAR] = best(-order, one.allowed & shown)


def proposed(one: Crowd, release: LoadedRelease, name: str, media: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """(n, media) whether a generator proposes each title, of as many as the blend asks for, and at which place."""
    generator = release.generators[name]
    code = np.array([media[str(title)] for title in generator.catalogue.tolist()])
    k = min(BlendConfig(**release.manifest.settings["blend"]).candidates, len(code))
    asked = [one.known.get(user, History()) for user in one.members]
    codes, _ = generator.candidates(asked, k)
    row, place = np.nonzero(codes >= 0)
    order = np.full(one.allowed.shape, np.inf)
    order[row, code[codes[row, place]]] = place
    return np.isfinite(order), order


def best(score: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """(n, 10) the codes of highest score among the allowed, -1 where there are fewer."""
    order = np.argsort(-np.where(allowed, score, -np.inf), axis=1, kind="stable")[:, :PAGE]
    return np.where(np.take_along_axis(allowed, order, axis=1), order, -1)


@dataclass(frozen=True)
class Measured:
    """worth: step -> measure -> (members,). slices: (members,) masks. rows, truth: figures on all impressions."""

    worth: Mapping[str, Mapping[str, np.ndarray]]
    slices: Mapping[str, np.ndarray]
    rows: Mapping[str, Interval]
    truth: Mapping[str, float]

    def share(self, step: str, of: str, kind: str = "watches", within: str = EVERYONE) -> Interval:
        """The ratio of two steps' sums over the members of a slice, resampled in pairs."""
        kept = self.slices[within]
        top, below = (self.worth[name][kind][kept] for name in (step, of))
        return bootstrap_statistic(int(kept.sum()), ratio(top, below), SEED)


def measure(config: WorldConfig, test_days: int, method: str, folder: Path) -> Measured:
    """Simulate, train on all but the last days, and score the pages by the truth."""
    simulate(config, folder / "world")
    world = World.load(folder / "world")
    settings = Settings(home=folder / "home")
    test_from = config.start + timedelta(days=config.days - test_days)
    window, _ = backtest.prepare("tables", folder / "world", settings=settings, test_from=test_from, say=say)
    release = load_release(backtest.train(settings, window, seed=SEED, say=say, method=method)[0])
    say("pages")
    held = crowds(settings, world, window)
    for one in held:
        fill(one, world, release)
    worth = [{step: one.worth(step) for step in one.pages} for one in held]
    joined = {
        step: {kind: np.concatenate([part[step][kind] for part in worth]) for kind in of}
        for step, of in worth[0].items()
    }
    rows, truth = impressions(settings, world, release, window)
    cold, chose = (np.concatenate([getattr(one, name) for one in held]) for name in ("cold", "chose"))
    slices = {EVERYONE: np.ones(len(cold), dtype=bool), COLD: cold}
    slices |= {f"{COLD}, chose genres": cold & chose, f"{COLD}, chose nothing": cold & ~chose}
    return Measured(joined, slices, rows, truth)


def impressions(
    settings: Settings, world: World, release: LoadedRelease, window: Window
) -> tuple[dict[str, Interval], dict[str, float]]:
    """The ranker's figures on all impressions of the test days, and those of the truth, examination included."""
    rows = scored_by(settings, release, Lake(settings.lake_path).read(f"training/{window.test_from}"))
    scored = score_rows(release, rows)
    shown = rows.to_pandas()
    shown = shown[shown["split"] == "test"]
    at = shown["event_timestamp"].dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    chance = world.watch_probability(
        shown["user_id"], shown["media_id"], at, device=shown["device"], position=shown["position"]
    )
    figures = evaluate_rows(scored.watched, scored.probability, scored.user_id, SEED)
    truth = {"auc": auc(scored.watched, chance), "gauc": gauc(scored.watched, chance, scored.user_id)}
    return figures, truth


def say(step: str) -> None:
    """Progress."""
    print(f"  {time.strftime('%H:%M:%S')} {step}", file=sys.stderr, flush=True)


def told(value: Interval, digits: int = 3) -> str:
    """A figure and its interval."""
    return f"{value.value:.{digits}f} [{value.low:.{digits}f}, {value.high:.{digits}f}]"


def table(found: Measured) -> None:
    """Print the way from the oracle's page to ours, then each generator's reach, then the slices."""
    oracle = {kind: values.mean() for kind, values in found.worth[ORACLE].items()}
    cold = found.slices[COLD]
    columns = ("step", "watches", "of oracle", "lost", "by position", "minutes", "cold", "of oracle")
    print("  {:<38} {:>8} {:>10} {:>7} {:>12} {:>9} {:>7} {:>10}".format(*columns))
    before = oracle["watches"]
    first = (ORACLE, SHARED, LEARNT, FOUND, *STEPS, POPULAR)
    for step in (*first, *(other for other in found.worth if other not in first)):
        mean = {kind: values.mean() for kind, values in found.worth[step].items()}
        chilled = found.worth[step]["watches"][cold].mean()
        lost = f"{before - mean['watches']:.3f}" if step in STEPS or step == FOUND else ""
        before = mean["watches"] if lost else before
        print(
            f"  {step:<38} {mean['watches']:>8.3f} {mean['watches'] / oracle['watches']:>10.1%} {lost:>7} "
            f"{mean['by position'] / oracle['by position']:>12.1%} {mean['minutes']:>9.1f} {chilled:>7.3f} "
            f"{chilled / found.worth[ORACLE]['watches'][cold].mean():>10.1%}"
        )
    for within, kept in found.slices.items():
        for name, of in (("oracle", ORACLE), ("popularity", POPULAR)):
            kinds = found.worth[of] if within == EVERYONE else ("watches",)
            told_of = ", ".join(f"{kind} {told(found.share(PAGE_STEP, of, kind, within))}" for kind in kinds)
            print(f"  {int(kept.sum()):,} {within}, page / {name}: {told_of}")
    print(
        f"  all impressions of the test: AUC {told(found.rows['auc'])} (the truth's {found.truth['auc']:.3f}), "
        f"GAUC {told(found.rows['gauc'])} (the truth's {found.truth['gauc']:.3f}), "
        f"log loss {told(found.rows['log_loss'], 4)}, ECE {told(found.rows['ece'], 4)}"
    )


def bars(name: str, found: Measured, asked: Mapping[str, float]) -> bool:
    """Print the bars of one world; whether all are met."""
    shares = {
        "expected watches to the oracle's": (found.share(PAGE_STEP, ORACLE), asked["oracle"]),
        "expected watches to popularity's": (found.share(PAGE_STEP, POPULAR), asked["popular"]),
        "the same of cold members": (found.share(PAGE_STEP, POPULAR, within=COLD), asked["cold"]),
    }
    held = [(bar, value, f"at least {least:g}", value.value >= least) for bar, (value, least) in shares.items()]
    ece = found.rows["ece"]
    held.append(("ECE on all impressions", ece, f"under {asked['ece']:g}", ece.value < asked["ece"]))
    for bar, value, wanted, met in held:
        print(f"bar: {name}: {bar} | {told(value, 4)} | {wanted} | {'met' if met else 'MISSED'}", flush=True)
    return all(met for *_, met in held)


def main(asked: argparse.Namespace) -> int:
    """A table and the bars a world; 1 where a bar is missed."""
    met = []
    wanted = {name: getattr(asked, name) for name in ("oracle", "popular", "cold", "ece")}
    for seed in asked.seeds:
        for difficulty in asked.difficulty:
            config = WorldConfig.model_validate(
                {"seed": seed, "members": asked.members, "days": asked.days, "difficulty": difficulty}
            )
            began = time.perf_counter()
            with tempfile.TemporaryDirectory() as folder:
                found = measure(config, asked.test_days, asked.method, Path(folder))
            took = f"ranker {asked.method}; {time.perf_counter() - began:.0f} s"
            size = f"{config.members:,} members, {config.media_count:,} titles, {config.days} days"
            print(f"{config.name}: {size}, the last {asked.test_days} tested, {took}")
            table(found)
            met.append(bars(config.name, found, wanted))
    return 0 if all(met) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102, 103], help="worlds nothing was tuned on")
    parser.add_argument("--difficulty", nargs="+", default=["normal", "hard"], choices=["normal", "hard"])
    parser.add_argument("--members", type=int, default=1000)
    parser.add_argument("--days", type=int, default=49)
    parser.add_argument("--test-days", type=int, default=7)
    parser.add_argument("--method", default="ensemble", help="the ranker")
    parser.add_argument("--oracle", type=float, default=0.8, help="expected watches to the oracle's, at least")
    parser.add_argument("--popular", type=float, default=1.4, help="expected watches to popularity's, at least")
    parser.add_argument("--cold", type=float, default=1.1, help="the same of cold members")
    parser.add_argument("--ece", type=float, default=0.02, help="on all impressions, less than")
    sys.exit(main(parser.parse_args()))
