"""Time-series cross-validation: the same backtest on several test windows in turn, each after what it learnt from (T4).

The import and the features are made once: a feature is of its moment, whatever fold reads it. What is learnt from is
each fold's own. A sliding window moves the rows that the ranker learns from; generators and features know all the past
of each moment, as they would in a release of that day.
"""

from datetime import date, timedelta
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from pipelines import backtest
from pipelines.backtest import Say
from pipelines.core.errors import DataError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.window import Window
from pipelines.ranking import DEFAULT
from pipelines.training_data.splits import FoldConfig, folds

FIGURES = (
    ("ranker", "auc"),
    ("ranker", "log_loss"),
    ("ranker_all_impressions", "ece"),
    ("candidates", "recall@100"),
    ("page", "ndcg@10"),
)


def run(
    source: str,
    path: Path,
    *,
    settings: Settings,
    test_from: date,
    test_to: date | None = None,
    number: int = 3,
    kind: str = "expanding",
    gap_days: int = 0,
    seed: int = 7,
    method: str = DEFAULT,
    say: Say = lambda step: None,
) -> dict[str, Any]:
    """Divide the days from ``test_from`` on into ``number`` tests of equal length and train before each.

    Where the days do not divide, the earliest are tested by none. ``settings.home`` must be empty. Returns each fold's
    judgement, and every figure's mean and standard deviation over the folds, all JSON.

    Raises:
        DataError: as a backtest does, and where the days before leave too little to learn from.
    """
    window, _ = backtest.prepare(source, path, settings=settings, test_from=test_from, test_to=test_to, say=say)
    asked = fold_config(window, number=number, kind=kind, gap_days=gap_days)
    found = []
    for place, fold in enumerate(folds(window.fit_from, window.test_to, asked), start=1):
        say(f"fold {place} of {number}: learn from {fold.fit_from} to {fold.last_fitted}")
        found.append(backtest.train_and_judge(settings, fold, seed=seed, say=say, method=method))
    return {
        "dataset": Lake(settings.lake_path).dataset.name,
        "seed": seed,
        "config": asked.model_dump(mode="json"),
        "folds": found,
        "over_folds": over(found),
    }


def fold_config(window: Window, *, number: int, kind: str, gap_days: int) -> FoldConfig:
    """Tests as long as the window's test days allow; DataError where they are fewer than the folds."""
    held = (window.test_to - window.test_from + timedelta(days=1)).days
    if held < number:
        raise DataError(f"{window.test_from} to {window.test_to} are {held} days: {number} folds need a test day each")
    return FoldConfig.model_validate({"folds": number, "kind": kind, "test_days": held // number, "gap_days": gap_days})


def over(found: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """``<part>.<figure>`` -> its mean over the folds, standard deviation, least and most."""
    answer = {}
    for part, name in FIGURES:
        values = [float(fold[part][name]["value"]) for fold in found]
        answer[f"{part}.{name}"] = {
            "mean": fmean(values),
            "sd": stdev(values),
            "least": min(values),
            "most": max(values),
        }
    return answer
