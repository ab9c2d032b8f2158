"""What diversity costs: how unlike the titles of a page are, and its expected watches under a world's truth.

``python benchmarks/diversity.py [SEED ...] [--members N] [--days N]`` (33 to 40 where none is named, which nothing was
chosen on; the default was chosen on 11, 12 and 41 to 58). What a page pays for diversity differs between worlds by half
a percent, so that two of them are too few. For each seed a world is made, a release is trained on it, and its members
get a page by each setting, from the same release and snapshot, without exploration, whose draws are noise here: first
in the ranking's own order, then with the cap on a series alone, then with the cap and each method.
Printed for each, over all members:

- the mean over pairs of 1 - cosine of genres and of embeddings (pipelines.metrics.diversity);
- how many wholly unlike titles a page of ten is worth by its genres: the same figure on a scale that does not end at 1,
  for in some worlds the mean over pairs is 0.83 before anything is done, and a fifth more lies beyond its end;
- expected watches: the true probability that each title is examined at its place and watched, added up;
- each against the ranking's own order, in %, with paired bootstrap intervals over members.

Then what diversity costs whoever orders all that a member may be shown by the true probability: the better a ranking
knows its members, the dearer it is to leave what they like. Then the microseconds of reranking 50 candidates, and the
bar for what a release has by default: the mean over pairs of genres up by a fifth for at most 1 % of expected watches,
within 300 us; the same for unlike titles stands beside it.
The exit status is 1 where the bar is missed.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from pipelines import backtest, judgement
from pipelines.core import days
from pipelines.core.settings import Settings
from pipelines.metrics.diversity import intra_list_diversity, unlike_titles
from pipelines.metrics.intervals import Interval, bootstrap_statistic
from pipelines.page import Pager, PageRequest
from pipelines.released import LoadedRelease, load_release
from pipelines.rerank.arrangement import Arrangement, Shelf, Titles
from pipelines.rerank.diversity import METHODS, DiversityConfig
from pipelines.rerank.exploration import ExplorationConfig
from pipelines.rerank.ordering import OrderingConfig
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.world import World, simulate
from pipelines.snapshot import MediaSnapshot, write

SEEDS, MOST, K = tuple(range(33, 41)), 400, 10
GAIN, LOSS, MICROSECONDS = 20.0, 1.0, 300.0
STRENGTHS = {"mmr": (0.12, 0.16), "dpp": (0.006, 0.02), "maxsum": (0.08, 0.1, 0.12, 0.2)}
FIGURES = ("genres", "embedding", "unlike", "watches")


@dataclass(frozen=True)
class Sitting:
    """A release on a world in the evening of its first test day, and the members who get a page."""

    world: World
    release: LoadedRelease
    snapshot: MediaSnapshot
    rows: dict[str, dict[str, object]]
    at: datetime

    @property
    def _rate(self) -> dict[str, float]:
        return {"rate": self.release.manifest.settings["diversity"]["rate"]}

    def figures(self, diversity: DiversityConfig) -> np.ndarray:
        """(members, FIGURES) of each member's page; the rate is the release's own."""
        manifest = self.release.manifest
        told = {"diversity": diversity.model_dump() | self._rate, "exploration": {"slots": []}}
        manifest = manifest.model_copy(update={"settings": manifest.settings | told})
        pager = Pager(replace(self.release, manifest=manifest), self.snapshot)
        pages = [
            [item.media_id for item in pager.assemble(PageRequest(u, f"r-{u}", self.at, k=K), row, history).items]
            for u, row in self.rows.items()
            for history in [self.snapshot.history(u)]
        ]
        return self._worth(pages)

    def by_truth(self, diversity: DiversityConfig) -> np.ndarray:
        """(members, FIGURES) of pages in the order of the true probability, reranked by the same steps."""
        held = self.snapshot
        titles = Titles(held.titles, held.groups, held.features["media_embedding"], held.features["media_genres"])
        diversity = diversity.model_copy(update=self._rate)
        arrange = Arrangement(OrderingConfig(prior=0), diversity, ExplorationConfig(slots=()))
        moment = np.datetime64(self.at.replace(tzinfo=None), "us")
        where = self.world.media_codes(held.ids)
        pages = []
        for user in self.rows:
            allowed = self.world.showable([user], moment)[0, where]
            places = np.flatnonzero(allowed & ~np.isin(held.ids, held.history(user).media))
            chance = self.world.watch_probability([user] * len(places), held.ids[places], moment, position=0)
            best = np.argsort(-chance, kind="stable")[: 2 * diversity.depth]
            none = np.zeros(len(best))
            shelf = Shelf(titles, places[best], chance[best], none, none, places[best])
            page = arrange(shelf, K, request_id=user, seed=1).page
            pages.append(held.ids[shelf.rows[page]].tolist())
        return self._worth(pages)

    def _worth(self, pages: list[list[str]]) -> np.ndarray:
        users = np.repeat(list(self.rows), [len(page) for page in pages])
        media = np.concatenate(pages)
        place = np.concatenate([np.arange(len(page)) for page in pages])
        moment = np.datetime64(self.at.replace(tzinfo=None), "us")
        chance = self.world.watch_probability(users, media, moment, position=place)
        codes = np.full((len(pages), K), -1)
        codes[np.repeat(np.arange(len(pages)), [len(page) for page in pages]), place] = np.searchsorted(
            self.snapshot.ids, media
        )
        genres, written = (
            intra_list_diversity(codes, self.snapshot.features[name]) for name in ("media_genres", "media_embedding")
        )
        watches = np.bincount(np.repeat(np.arange(len(pages)), [len(page) for page in pages]), chance)
        return np.stack([genres, written, unlike_titles(genres, K), watches], axis=1)


def trained(config: WorldConfig, folder: Path) -> Sitting:
    """A world, and a release trained on all but its last two days."""
    simulate(config, folder / "world")
    settings = Settings(home=folder / "home")
    begins = config.start + timedelta(days=config.days - 2)
    window, _ = backtest.prepare("tables", folder / "world", settings=settings, test_from=begins, say=_silent)
    path, _ = backtest.train(settings, window, seed=7, say=_silent)
    evening = days.start(begins, "UTC") + timedelta(hours=19)
    snapshot = MediaSnapshot.load(write(settings, evening, folder / "snapshot"))
    members = sorted(snapshot.histories)[:MOST]
    rows = judgement.member_rows(settings, members, evening)
    return Sitting(World.load(folder / "world"), load_release(path), snapshot, rows, evening)


def _silent(step: str) -> None:
    pass


def change(figures: np.ndarray, before: np.ndarray) -> list[Interval]:
    """Of each figure, its change in % of what it was, paired by member."""

    def of(column: int) -> Interval:
        both = ~np.isnan(figures[:, column]) & ~np.isnan(before[:, column])
        new, old = figures[both, column], before[both, column]
        return bootstrap_statistic(len(new), lambda counts: 100 * (counts @ new / (counts @ old) - 1), seed=1)

    return [of(column) for column in range(len(FIGURES))]


def show(name: str, figures: np.ndarray, before: np.ndarray) -> list[Interval]:
    """Print a line of a setting's figures and what they are against the ranking's own order."""
    changed = change(figures, before)
    told = [
        f"{what} {mean:.3f} ({each.value:+.1f} % [{each.low:+.1f}, {each.high:+.1f}])"
        for what, mean, each in zip(FIGURES, np.nanmean(figures, axis=0), changed, strict=True)
    ]
    print(f"{name:13} {', '.join(told)}", flush=True)
    return changed


def microseconds(diversity: DiversityConfig, n: int = 50, times: int = 400) -> float:
    """The median time of reranking ``n`` candidates: score, diversity, the cap, exploration."""
    rng = np.random.default_rng(1)
    groups = [f"g{code}" for code in rng.integers(0, 20, n)]
    titles = Titles([""] * n, groups, rng.random((n, 32), np.float32), rng.random((n, 18), np.float32))
    shelf = Shelf(titles, np.arange(n), rng.random(n), rng.random(n), rng.random(n), np.arange(n))
    arrange, took = Arrangement(OrderingConfig(), diversity, ExplorationConfig()), []
    for turn in range(times):
        began = time.perf_counter()
        arrange(replace(shelf), K, request_id=f"r{turn}", seed=1)
        took.append(time.perf_counter() - began)
    return float(np.median(took) * 1e6)


def main(asked: argparse.Namespace) -> int:
    """Measure every setting; the exit status."""
    sittings = []
    with tempfile.TemporaryDirectory(prefix="mq-diversity-") as folder:
        for seed in asked.seeds:
            config = WorldConfig(seed=seed, members=asked.members, days=asked.days)
            sittings.append(trained(config, Path(folder) / str(seed)))

        def pages(config: DiversityConfig) -> np.ndarray:
            return np.concatenate([sitting.figures(config) for sitting in sittings])

        none = pages(DiversityConfig(method="none", most=K, within=K))
        print(f"{len(none)} members of worlds {', '.join(s.world.config.name for s in sittings)}")
        show("ranking", none, none)
        for most in (3, 5, 8):
            show(f"cap {most} alone", pages(DiversityConfig(method="none", most=most)), none)
        for method in METHODS:
            for strength in STRENGTHS[method]:
                show(f"{method} {strength:g}", pages(DiversityConfig(method=method, strength=strength)), none)
        show("most diverse", pages(DiversityConfig(method="mmr", strength=1, most=K)), none)
        chosen = DiversityConfig()
        changed = dict(zip(FIGURES, show(f"{chosen.method} {chosen.strength:g} *", pages(chosen), none), strict=True))

        def by_truth(config: DiversityConfig) -> np.ndarray:
            return np.concatenate([sitting.by_truth(config) for sitting in sittings])

        none = by_truth(DiversityConfig(method="none", most=K, within=K))
        show("truth", none, none)
        for strength in sorted({*STRENGTHS["maxsum"], chosen.strength}):
            show(f"its maxsum {strength:g}", by_truth(DiversityConfig(strength=strength)), none)
    took = {name: microseconds(DiversityConfig(method=name)) for name in ("none", *METHODS)}
    print("reranking 50 candidates, median us:", json.dumps({name: round(us) for name, us in took.items()}))
    cheap, fast = changed["watches"].value >= -LOSS, took[chosen.method] < MICROSECONDS
    bar("expected watches", f"{changed['watches'].value:+.2f} %", f"at least {-LOSS:+.0f} %", cheap)
    for figure in ("genres", "unlike"):
        more = changed[figure].value
        bar(f"diversity by {figure}", f"{more:+.1f} %", f"at least {GAIN:+.0f} %", more >= GAIN)
    bar("50 candidates", f"{took[chosen.method]:.0f} us", f"under {MICROSECONDS:.0f} us", fast)
    return 0 if cheap and fast and changed["genres"].value >= GAIN else 1


def bar(name: str, measured: str, asked: str, met: bool) -> None:
    """Print one."""
    print(f"bar: reranking: {name} | {measured} | {asked} | {'met' if met else 'MISSED'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "seeds", type=int, nargs="*", default=SEEDS, help="of worlds; as they are, nothing was chosen on them"
    )
    parser.add_argument("--members", type=int, default=600)
    parser.add_argument("--days", type=int, default=21)
    sys.exit(main(parser.parse_args()))
