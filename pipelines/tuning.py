"""Settings for a ranker, searched by time-series cross-validation on the days before one; later ones play no part."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines import backtest, retraining
from pipelines.backtest import Say
from pipelines.candidates import job as candidates
from pipelines.core import days
from pipelines.core.errors import DataError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.window import Window
from pipelines.metrics.classification import auc, gauc, log_loss
from pipelines.ranking import job as ranking
from pipelines.ranking.search import Objective, SearchConfig, Trial, best, search
from pipelines.training_data import job as training_data
from pipelines.training_data.splits import FoldConfig, folds

DEFAULT = SearchConfig()


def run(
    source: str,
    path: Path,
    *,
    settings: Settings,
    until: date,
    method: str = "gbdt",
    config: SearchConfig = DEFAULT,
    seed: int = 7,
    say: Say = lambda step: None,
    clock: Callable[[], float] = perf_counter,
) -> dict[str, Any]:
    """Search the settings of ``method`` on folds whose tests end on the day before ``until``.

    ``settings.home`` must be empty. What is told of the days from ``until`` on plays no part: their features are not
    made, and what becomes known on them is not known. Returns the settings that ``ranking.job.train`` takes as
    ``options`` (none where the method's own were best), and a line a trial, all JSON.

    Raises:
        DataError: as a backtest does, for an unknown method, and where the days before are too few for the folds.
    """
    ranker = ranking.configured(method, {})
    last = until - timedelta(days=1)
    first_test = until - timedelta(days=config.folds * config.test_days)
    window, _ = backtest.prepare(source, path, settings=settings, test_from=first_test, test_to=last, say=say)
    asked = FoldConfig(folds=config.folds, test_days=config.test_days, least_days=2)
    held = [_rows(settings, fold, seed, say) for fold in folds(window.fit_from, last, asked)]
    names = retraining.ranker_inputs(settings, method)
    scored = Folds(held, names, method, config.objective, seed)
    size = f"{config.trials} trials of {2 * config.folds} fits on {sum(len(rows) for rows in held):,} rows"
    say(f"plan: {size}, {config.minutes:g} minutes at most")
    trials = search(ranker.SPACE, config, scored.score, seed=seed, clock=clock, say=say)
    if all(np.isnan(trial.value) for trial in trials):
        raise DataError(f"no settings of ranker {method!r} could be scored: its folds' test days hold one class only")
    return _report(method, until, seed, config, trials) | {"folds": [_days(rows) for rows in held]}


def _report(method: str, until: date, seed: int, config: SearchConfig, trials: Sequence[Trial]) -> dict[str, Any]:
    chosen = best(trials, config)
    return {
        "method": method,
        "until": until.isoformat(),
        "seed": seed,
        "config": config.model_dump(mode="json"),
        "options": dict(chosen.options),
        "value": chosen.value,
        "own_value": trials[0].value,
        "trials": [asdict(trial) for trial in trials],
    }


def _rows(settings: Settings, fold: Window, seed: int, say: Say) -> pa.Table:
    """The fold's training set, its test labelled as it was known when its last day was over."""
    say(f"fold: learn from {fold.fit_from} to {fold.last_fitted}, score {fold.test_from} to {fold.test_to}")
    lake = Lake(settings.lake_path)
    over = days.start(fold.test_to + timedelta(days=1), lake.dataset.time_zone)
    folder = settings.root / "staging" / f"tuning-{fold.test_from}"
    retrieval = candidates.checkpoints(settings, fold, folder=folder, seed=seed)
    training_data.build(settings, fold, seed, known_by=over, retrieval=retrieval)
    return lake.read(training_data.table_of(fold))


def _days(rows: pa.Table) -> dict[str, Any]:
    return {entry["values"]: entry["counts"] for entry in rows["split"].value_counts().to_pylist()}


@dataclass(frozen=True)
class Folds:
    """Training sets, each with its own test, and how a ranker is scored on them."""

    rows: Sequence[pa.Table]
    names: list[str]
    method: str
    objective: Objective
    seed: int

    def score(self, options: Mapping[str, Any]) -> float:
        """The mean over folds; NaN where the settings cannot be fitted, or a test holds one class only."""
        try:
            return fmean(self._fold(rows, options) for rows in self.rows)
        except DataError:
            return float("nan")

    def _fold(self, rows: pa.Table, options: Mapping[str, Any]) -> float:
        ranker = ranking.train(rows, self.names, seed=self.seed, method=self.method, options=options)
        test = rows.filter(pc.field("split") == "test")
        probability = ranker.probability(ranking.columns(test, list(ranker.feature_names)))
        if self.objective == "log_loss":
            return log_loss(test["watched"].to_numpy(), probability)
        label = test["label"].to_numpy()
        judged = ~np.isnan(label)
        members = test["user_id"].to_numpy(zero_copy_only=False)[judged]
        return auc(label[judged], probability[judged]) + gauc(label[judged], probability[judged], members)
