"""Every registered generator and ranker on the same members and rows: what each is worth, and what it costs.

Generators are asked for the members whom the judgement asks, by full ranking of the catalogue; a generator's *unique*
recall is what it alone of all found. Rankers learn from one training set and are scored on one set of test rows. Times
are those of one run on one machine: compare them with each other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow.compute as pc

from pipelines import backtest, judgement, retraining
from pipelines.backtest import Say
from pipelines.candidates import GENERATORS
from pipelines.candidates.interactions import interactions
from pipelines.core import days
from pipelines.core.contracts import Codes, FittedGenerator, FittedRanker, Floats, History, Interactions
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.window import Window
from pipelines.judgement import DEPTH, MOST_MEMBERS, PAGE, Sitting
from pipelines.metrics.intervals import bootstrap_mean
from pipelines.metrics.judging import judge
from pipelines.metrics.ranking import ndcg, recall
from pipelines.ranking import RANKERS
from pipelines.ranking import job as ranking
from pipelines.released import LoadedRelease, load_release

ROWS = 500
"""Candidates of a page, which a ranker scores at once."""
REPEATS, ASKED_ALONE = 200, 200
"""How often a ranker is timed, and how many members a generator answers one by one."""

Clock = Callable[[], float]


@dataclass(frozen=True)
class Asked:
    """The members, what each engaged with afterwards as codes of the catalogue, and what everyone had before."""

    known: Interactions
    histories: Sequence[History]
    wanted: Sequence[Codes]

    @classmethod
    def of(cls, known: Interactions, seated: Sitting) -> "Asked":
        code = {media: place for place, media in enumerate(known.catalogue.tolist())}
        outside = len(code)  # Not in the catalogue: nobody can propose it, and it counts as missed.
        wanted = [[code.get(m, outside + n) for n, m in enumerate(sorted(own))] for own in seated.truth]
        histories = [seated.known[user] for user in seated.members]
        return cls(known, histories, [np.array(own, dtype=np.int64) for own in wanted])


def run(
    source: str,
    path: Path,
    *,
    settings: Settings,
    test_from: date,
    test_to: date | None = None,
    seed: int = 7,
    most: int = MOST_MEMBERS,
    say: Say = lambda step: None,
    clock: Clock = perf_counter,
) -> dict[str, Any]:
    """Train on everything before ``test_from``, then measure every registered method on the days from it on.

    ``settings.home`` must be empty. Returns ``generators`` and ``rankers``, name -> figures as {"value", "low", "high"}
    and costs as numbers, and what they rest on, all JSON.

    Raises:
        DataError: as a backtest does.
    """
    window, _ = backtest.prepare(source, path, settings=settings, test_from=test_from, test_to=test_to, say=say)
    release = load_release(backtest.train(settings, window, seed=seed, say=say)[0])
    lake = Lake(settings.lake_path)
    rows = judgement.scored_by(settings, release, lake.read(f"training/{window.test_from}"))
    seated = judgement.sitting(settings, window, rows, seed=seed, most=most)
    as_of = days.start(window.last_fitted + timedelta(days=1), lake.dataset.time_zone)
    asked = Asked.of(interactions(lake, as_of), seated)
    generators, titles = generator_figures(asked, window, lake.dataset.time_zone, seed, say, clock)
    names = retraining.ranker_inputs(settings)
    return {
        "dataset": lake.dataset.name,
        "window": window.model_dump(mode="json"),
        "seed": seed,
        "counts": {"members": len(asked.histories), "titles": titles, "rows": rows.num_rows},
        "generators": generators,
        "rankers": {name: _ranker(name, release, rows, names, seed, say, clock) for name in RANKERS},
    }


def generator_figures(
    asked: Asked, window: Window, zone: str, seed: int, say: Say, clock: Clock
) -> tuple[dict[str, dict[str, Any]], int]:
    """Name -> recall@100, unique recall@100, NDCG@10, seconds to fit, milliseconds a member; and how many titles."""
    as_of = days.start(window.last_fitted + timedelta(days=1), zone)
    codes, costs = dict[str, Codes](), dict[str, dict[str, float]]()
    for name, method in GENERATORS.items():
        say(f"generator {name}")
        began = clock()
        fitted = method().fit(asked.known, as_of=as_of, seed=seed)
        costs[name] = {"fit_seconds": clock() - began, "ms_a_member": _alone(fitted, asked.histories, clock)}
        codes[name] = fitted.candidates(asked.histories, DEPTH)[0]
    found = dict[str, dict[str, Any]]()
    for name, mine in codes.items():
        figures = {
            f"recall@{DEPTH}": recall(mine, asked.wanted, DEPTH),
            f"unique_recall@{DEPTH}": unique_recall(mine, [c for n, c in codes.items() if n != name], asked.wanted),
            f"ndcg@{PAGE}": ndcg(mine, asked.wanted, PAGE),
        }
        held = {metric: bootstrap_mean(values, seed).as_dict() for metric, values in figures.items()}
        found[name] = {**held, **costs[name]}
    return found, len(asked.known.catalogue)


def unique_recall(mine: Codes, others: Sequence[Codes], wanted: Sequence[Codes]) -> Floats:
    """(n,) recall@100 counting only hits that none of the other lists has among its first 100."""
    alone = mine.copy()
    for row in range(len(mine)):
        found = np.concatenate([np.empty(0, dtype=np.int64), *(other[row, :DEPTH] for other in others)])
        alone[row, np.isin(mine[row], found)] = -1
    hits = judge(alone, wanted, DEPTH).hits.sum(axis=1, dtype=np.float64)
    possible = np.array([min(len(own), DEPTH) for own in wanted], dtype=np.float64)
    share: Floats = np.divide(hits, possible, out=np.full(len(hits), np.nan), where=possible > 0)
    return share


def _alone(fitted: FittedGenerator, histories: Sequence[History], clock: Clock) -> float:
    """The median milliseconds of 500 candidates for one member."""
    taken = []
    for history in [histories[0], *histories[:ASKED_ALONE]]:
        began = clock()
        fitted.candidates([history], ROWS)
        taken.append(clock() - began)
    return 1000 * float(np.median(taken[1:]))


def _ranker(
    name: str, release: LoadedRelease, rows: Any, names: list[str], seed: int, say: Say, clock: Clock
) -> dict[str, Any]:
    """AUC and GAUC of labelled rows, log loss and ECE of all, seconds to fit, milliseconds for 500 rows."""
    say(f"ranker {name}")
    began = clock()
    ranker = ranking.train(rows, names, seed=seed, method=name)
    seconds = clock() - began
    figures = judgement.row_figures(judgement.score_rows(replace(release, ranker=ranker), rows), seed)
    labelled, every = figures["ranker"], figures["ranker_all_impressions"]
    held = {"auc": labelled["auc"], "gauc": labelled["gauc"], "log_loss": every["log_loss"], "ece": every["ece"]}
    p50, p99 = _latency(ranker, rows, clock)
    costs = {"fit_seconds": seconds, "p50_ms": p50, "p99_ms": p99}
    return {metric: value.as_dict() for metric, value in held.items()} | costs


def _latency(ranker: FittedRanker, rows: Any, clock: Clock) -> tuple[float, float]:
    """The 50th and 99th percentile of the milliseconds for 500 rows whose features are encoded and in memory."""
    test = rows.filter(pc.field("split") == "test")
    some = test.take(np.resize(np.arange(test.num_rows), ROWS))
    features: Mapping[str, Any] = ranking.columns(some, list(ranker.feature_names))
    held = {**features, **ranker.encode(features)}
    taken = []
    for _ in range(REPEATS + 10):
        began = clock()
        ranker.probability(held)
        taken.append(clock() - began)
    p50, p99 = np.quantile(taken[10:], [0.5, 0.99])
    return 1000 * float(p50), 1000 * float(p99)
