"""The blend's recall and the page's NDCG beside four published methods, each tuned with the same budget.

``python benchmarks/candidate_quality.py [SOURCE --path DIR --test-from DAY] [--test-to DAY] [--trials N]``; without a
source on a world of its own, whose last week is the test. A full ranking of the catalogue for members with a history
who engaged with something new on the test days. Of a release that the backtest trains: recall@100 of the blend (and of
each of its generators) and NDCG@10 of the page, through ``Pager`` as the judgement asks it. Beside it, on the same
members with the same histories, what was watched left out everywhere, and written out plainly here:

    popularity   engagements, each worth half as much after some days
    item-kNN     cosine of titles, shrunk, the nearest kept      (Sarwar et al., WWW 2001)
    EASE         a linear item model in closed form              (Steck, WWW 2019)
    iALS         the library ``implicit``                        (Hu, Koren, Volinsky, ICDM 2008)

Each of the four may try as many settings, drawn by a seed from a grid, for as many seconds; settings are chosen on the
last days before the test (those that the release calibrates on), one for each figure, and then fitted on everything
before the test. The best of the four is the one with the best figure on the test itself. Intervals resample members,
in pairs. The exit status is 1 where a bar is missed; with fewer than --least members there is no verdict.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from pipelines import backtest
from pipelines.candidates.interactions import engaged_watches, histories, interactions
from pipelines.candidates.top import best
from pipelines.core import days
from pipelines.core.contracts import History, Interactions
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.window import Window
from pipelines.judgement import MOST_MEMBERS, scored_by, sitting
from pipelines.metrics.intervals import Interval, bootstrap_mean, paired_difference
from pipelines.metrics.ranking import ndcg, recall
from pipelines.released import load_release
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.world import simulate
from pipelines.sources import SOURCES

SEED, DEPTH, PAGE = 7, 100, 10
OWN, WORLD = "world", WorldConfig(seed=11, members=1000, days=49)
RECALL, NDCG = f"recall@{DEPTH}", f"ndcg@{PAGE}"
SEEN = -1e30
"""The score of what a member watched: below everything else."""


@dataclass(frozen=True)
class Question:
    """What a method learns from, and who is asked. watched: (members, titles) of all who engaged with something.

    asked: (n, titles) the histories of those who are asked. wanted: for each, the codes it engaged with afterwards.
    """

    known: Interactions
    watched: sparse.csr_matrix
    asked: sparse.csr_matrix
    wanted: Sequence[np.ndarray]
    as_of: datetime

    def figures(self, scores: np.ndarray) -> dict[str, np.ndarray]:
        """Both figures a member, of (n, titles) scores; the history is left out here, for every method alike."""
        scores[self.asked.nonzero()] = SEEN
        codes, found = best(scores, DEPTH)
        codes = np.where(found > SEEN, codes, -1)
        return {RECALL: recall(codes, self.wanted, DEPTH), NDCG: ndcg(codes, self.wanted, PAGE)}


def question(
    lake: Lake, as_of: datetime, members: Sequence[str], known: Mapping[str, History], wanted: Any
) -> Question:
    """Everything engaged with before ``as_of``, and those members, who wanted titles afterwards."""
    learnt = interactions(lake, as_of)
    code = {media: place for place, media in enumerate(learnt.catalogue.tolist())}
    outside = len(code)  # Wanted and not in the catalogue: it counts as missed, as in the judgement.
    users, row = np.unique(learnt.users, return_inverse=True)
    column = np.array([code.get(media, -1) for media in learnt.media.tolist()])
    watched = matrix(row[column >= 0], column[column >= 0], len(users), len(code))
    pairs = [(n, code[media]) for n, user in enumerate(members) for media in known[user].media if media in code]
    asker, title = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    asked = matrix(asker, title, len(members), len(code))
    codes = [np.array([code.get(m, outside + n) for n, m in enumerate(sorted(own))], dtype=np.int64) for own in wanted]
    return Question(learnt, watched, asked, codes, as_of)


def matrix(row: np.ndarray, column: np.ndarray, rows: int, columns: int) -> sparse.csr_matrix:
    """Ones at those places."""
    made = sparse.csr_matrix((np.ones(len(row), dtype=np.float32), (row, column)), shape=(rows, columns))
    made.data[:] = 1.0
    return made


def validation(lake: Lake, window: Window) -> Question:
    """The same question, asked as the calibration days begin, about what was engaged with on them."""
    zone = lake.dataset.time_zone
    since, until = days.start(window.calibrate_from, zone), days.start(window.known_from, zone)
    known = histories(lake, since)
    rows = engaged_watches(lake, until).to_pandas()
    later = {str(user): set(own) for user, own in rows[rows["at"] >= since].groupby("user_id")["media_id"]}
    new = {user: later[user] - set(known[user].media) for user in sorted(later) if user in known}
    members = [user for user in new if new[user]]
    if len(members) > MOST_MEMBERS:
        members = sorted(np.random.default_rng(SEED).choice(members, MOST_MEMBERS, replace=False).tolist())
    return question(lake, since, members, known, [new[user] for user in members])


def popularity(asked: Question, *, half_life: float) -> np.ndarray:
    """The same score for everyone."""
    known, code = asked.known, {media: place for place, media in enumerate(asked.known.catalogue.tolist())}
    age = (np.datetime64(asked.as_of.replace(tzinfo=None), "us") - known.at) / np.timedelta64(1, "D")
    column = np.array([code.get(media, -1) for media in known.media.tolist()])
    worth = 0.5 ** (age / half_life)
    total = np.bincount(column[column >= 0], worth[column >= 0], minlength=len(code)).astype(np.float32)
    return np.tile(total, (len(asked.wanted), 1))


def item_knn(asked: Question, *, neighbours: int, shrink: float, power: float) -> np.ndarray:
    """Similarity = together / (count^power count^power + shrink), the nearest of each title kept, summed over the
    history; power 0.5 is the cosine."""
    near = (asked.watched.T @ asked.watched).toarray()
    count = np.diag(near) ** power
    near /= np.outer(count, count) + np.float32(shrink + 1e-9)
    np.fill_diagonal(near, 0.0)
    if neighbours < len(near):
        near[near < np.partition(near, -neighbours, axis=1)[:, [-neighbours]]] = 0.0
    return np.asarray(asked.asked @ near.T, dtype=np.float32)


def ease(asked: Question, *, ridge: float) -> np.ndarray:
    """B = I - P / diag(P), P = (X'X + ridge I)^-1; scores are the history times B. Untouched titles have no say."""
    from scipy.linalg.lapack import spotrf, spotri

    touched = np.flatnonzero(np.asarray(asked.watched.sum(axis=0)).ravel() > 0)
    held = asked.watched[:, touched]
    gram = (held.T @ held).toarray().astype(np.float32, order="F")
    gram[np.diag_indices_from(gram)] += ridge
    upper, _ = spotri(spotrf(gram, overwrite_a=True)[0], overwrite_c=True)
    inverse = np.triu(upper) + np.triu(upper, 1).T
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    scores = np.zeros(asked.asked.shape, dtype=np.float32)
    scores[:, touched] = asked.asked[:, touched] @ weights
    return scores


def ials(asked: Question, *, factors: int, regularization: float, alpha: float) -> np.ndarray:
    """Factors of titles from everyone's engagements, those of a member from its history."""
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=factors, regularization=regularization, alpha=alpha, iterations=15, random_state=SEED, num_threads=1
        )
        model.fit(asked.watched, show_progress=False)
        members = model.recalculate_user(np.arange(asked.asked.shape[0]), asked.asked)
    return np.asarray(members @ model.item_factors.T, dtype=np.float32)


METHODS: dict[str, tuple[Callable[..., np.ndarray], dict[str, tuple[Any, ...]]]] = {
    "popularity": (popularity, {"half_life": (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 7.0, 14.0, 30.0, 90.0, 365.0, 1e6)}),
    "item-kNN": (
        item_knn,
        {"neighbours": (20, 50, 100, 200, 500, 100_000), "shrink": (0.0, 10.0, 100.0, 300.0), "power": (0.3, 0.5, 0.7)},
    ),
    "EASE": (
        ease,
        {"ridge": (5.0, 20.0, 50.0, 100.0, 200.0, 350.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0, 30_000.0)},
    ),
    "iALS": (
        ials,
        {
            "factors": (8, 16, 32, 64, 128),
            "regularization": (0.1, 1.0, 10.0, 100.0, 300.0),
            "alpha": (1.0, 3.0, 10.0, 30.0, 100.0),
        },
    ),
}
"""Each peer and the grid that its trials are drawn from."""


@dataclass(frozen=True)
class Tuned:
    """chosen: figure -> the settings that were best in it. The trials that were made, and the seconds they took."""

    chosen: Mapping[str, Mapping[str, Any]]
    trials: int
    seconds: float


def tune(name: str, held_out: Question, trials: int, seconds: float) -> Tuned:
    """At most so many trials, none begun after so many seconds."""
    method, grid = METHODS[name]
    every = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    drawn = np.random.default_rng(SEED).permutation(len(every))[:trials]
    began, found = time.perf_counter(), list[tuple[dict[str, Any], dict[str, float]]]()
    for place in drawn.tolist():
        if found and time.perf_counter() - began > seconds:
            break
        figures = held_out.figures(method(held_out, **every[place]))
        found.append((every[place], {figure: float(np.nanmean(values)) for figure, values in figures.items()}))
    chosen = {figure: max(found, key=lambda trial: trial[1][figure])[0] for figure in (RECALL, NDCG)}
    return Tuned(chosen, len(found), time.perf_counter() - began)


def peers(held_out: Question, test: Question, trials: int, seconds: float) -> dict[str, dict[str, np.ndarray]]:
    """Method -> figure -> (n,) on the test; each figure by the settings that were chosen for it."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for name, (method, _) in METHODS.items():
        tuned = tune(name, held_out, trials, seconds)
        by_setting: dict[str, dict[str, np.ndarray]] = {}
        for chosen in tuned.chosen.values():
            if str(chosen) not in by_setting:
                by_setting[str(chosen)] = test.figures(method(test, **chosen))
        found[name] = {figure: by_setting[str(chosen)][figure] for figure, chosen in tuned.chosen.items()}
        said = "; ".join(f"{figure}: {settings(chosen)}" for figure, chosen in tuned.chosen.items())
        say(f"{name}: {tuned.trials} trials in {tuned.seconds:.0f} s; {said}")
    return found


def settings(chosen: Mapping[str, Any]) -> str:
    """In words."""
    return ", ".join(f"{key} {value:g}" for key, value in chosen.items())


def ours(home: Settings, window: Window, method: str, most: int) -> tuple[dict[str, dict[str, np.ndarray]], Question]:
    """The release's figures a member, and the same question for the peers."""
    release = load_release(backtest.train(home, window, seed=SEED, say=say, method=method)[0])
    lake = Lake(home.lake_path)
    rows = scored_by(home, release, lake.read(f"training/{window.test_from}"))
    seated = sitting(home, window, rows, seed=SEED, most=most)
    say(f"pages of {len(seated.members):,} members")
    lists, _ = seated.lists(release, SEED)
    test = question(lake, seated.at, seated.members, seated.known, seated.truth)
    found = {"blend": {RECALL: lists["candidates"].values[RECALL]}, "page": {NDCG: lists["page"].values[NDCG]}}
    asked = [seated.known[user] for user in seated.members]
    for name, generator in release.generators.items():
        codes, _ = generator.candidates(asked, DEPTH)
        own = {RECALL: recall(codes, test.wanted, DEPTH), NDCG: ndcg(codes, test.wanted, PAGE)}
        found[f"generator {name}"] = own
    return found, test


def say(step: str) -> None:
    """Progress."""
    print(f"  {time.strftime('%H:%M:%S')} {step}", file=sys.stderr, flush=True)


def told(value: Interval, sign: str = "") -> str:
    """A figure and its interval."""
    return f"{value.value:{sign}.4f} [{value.low:{sign}.4f}, {value.high:{sign}.4f}]"


def bar(name: str, mine: np.ndarray, others: Mapping[str, Mapping[str, np.ndarray]], figure: str, least: int) -> bool:
    """Print one bar; whether it is met, or there are too few members to say."""
    top = max(others, key=lambda peer: float(np.nanmean(others[peer][figure])))
    gain = paired_difference(mine, others[top][figure], SEED)
    verdict = ("met" if gain.low > 0 else "MISSED") if len(mine) >= least else f"no verdict ({len(mine)} members)"
    print(f"bar: {name} over {top}, the best of the four, {figure} | {told(gain, '+')} | interval above 0 | {verdict}")
    return verdict != "MISSED"


def main(asked: argparse.Namespace) -> int:
    """Print a line a method and the bars; 1 where one is missed."""
    with tempfile.TemporaryDirectory() as folder:
        home = Settings(home=Path(folder) / "home")
        source, path, test_from = asked.source, asked.path, asked.test_from
        if source == WORLD.name:
            simulate(WORLD, Path(folder) / "world")
            source, path, test_from = "tables", Path(folder) / "world", WORLD.start + timedelta(days=WORLD.days - 7)
        window, _ = backtest.prepare(source, path, settings=home, test_from=test_from, test_to=asked.test_to, say=say)
        mine, test = ours(home, window, asked.method, asked.most)
        held_out = validation(Lake(home.lake_path), window)
        say(f"tuning on {len(held_out.wanted):,} members of {window.calibrate_from} to {window.last_fitted}")
        others = peers(held_out, test, asked.trials, asked.seconds)
    print(
        f"{asked.source}, {window.test_from} to {window.test_to}: {len(test.wanted):,} members with a history, "
        f"{test.watched.shape[1]:,} titles; at most {asked.trials} trials and {asked.seconds:g} s for each peer"
    )
    print(f"{'method':<26} {RECALL:>26} {NDCG:>26}")
    for name, figures in {**others, **mine}.items():
        shown = [told(bootstrap_mean(figures[f], SEED)) if f in figures else "" for f in (RECALL, NDCG)]
        print(f"{name:<26} {shown[0]:>26} {shown[1]:>26}")
    met = [
        bar(f"{asked.source}: blend", mine["blend"][RECALL], others, RECALL, asked.least),
        bar(f"{asked.source}: page", mine["page"][NDCG], others, NDCG, asked.least),
    ]
    return 0 if all(met) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", nargs="?", default=OWN, choices=[OWN, *sorted(SOURCES)])
    parser.add_argument("--path", type=Path, help="the folder of the source")
    parser.add_argument("--test-from", type=date.fromisoformat)
    parser.add_argument("--test-to", type=date.fromisoformat)
    parser.add_argument("--trials", type=int, default=12, help="settings that each peer may try")
    parser.add_argument("--seconds", type=float, default=300.0, help="after which it begins no other trial")
    parser.add_argument("--method", default="ensemble", help="the ranker of the page")
    parser.add_argument("--most", type=int, default=MOST_MEMBERS, help="members who get a page")
    parser.add_argument("--least", type=int, default=200, help="members below whom there is no verdict")
    given = parser.parse_args()
    if given.source != OWN and not (given.path and given.test_from):
        parser.error(f"{given.source} needs --path and --test-from")
    sys.exit(main(given))
