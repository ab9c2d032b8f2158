"""A data set through the whole of Marquee in one process: train on the days before, score the days after."""

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pipelines import retraining
from pipelines.adapters.feature_store import FeatureStore
from pipelines.core.errors import DataError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.window import Window
from pipelines.features import job as features
from pipelines.ingestion import job as ingestion
from pipelines.judgement import judge
from pipelines.ranking import DEFAULT
from pipelines.ranking import job as ranking
from pipelines.sources import SOURCES

Say = Callable[[str], None]


def run(
    source: str,
    path: Path,
    *,
    settings: Settings,
    test_from: date,
    test_to: date | None = None,
    seed: int = 7,
    say: Say = lambda step: None,
    method: str = DEFAULT,
    options: Mapping[str, Any] = ranking.DEFAULTS,
) -> dict[str, Any]:
    """Import, compute features, train on everything before ``test_from`` and score the days from it on.

    ``method``: the ranker; ``options``: settings of it other than its own.
    ``settings.home`` must be empty: a backtest owns its folder. Returns the judgement's figures, the window and the
    release's hash, all JSON.

    Raises:
        DataError: for an unknown source, ranker or setting, a folder in use, or days that leave nothing to train or to
            test on.
    """
    ranking.configured(method, options)
    window, report = prepare(source, path, settings=settings, test_from=test_from, test_to=test_to, say=say)
    return {
        **train_and_judge(settings, window, seed=seed, say=say, method=method, options=options),
        "dataset": Lake(settings.lake_path).dataset.name,
        "import": report,
    }


def prepare(
    source: str, path: Path, *, settings: Settings, test_from: date, test_to: date | None = None, say: Say
) -> tuple[Window, dict[str, Any]]:
    """Import into an empty home and compute the features of the window; the window, and what the import did.

    Raises:
        DataError: as ``run`` does.
    """
    lake, report = imported(source, path, settings=settings, say=say)
    window = retraining.plan_window(lake, test_from, test_to)
    say(f"features {window.fit_from} to {window.test_to}")
    FeatureStore(settings).apply()
    features.refresh(settings, window.fit_from, window.test_to)
    return window, report


def imported(source: str, path: Path, *, settings: Settings, say: Say) -> tuple[Lake, dict[str, Any]]:
    """A lake in an empty home, and what the import did; DataError for an unknown source or a folder in use."""
    if source not in SOURCES:
        raise DataError(f"source {source!r} is not known: choose one of {', '.join(SOURCES)}")
    if settings.lake_path.exists():
        raise DataError(f"{settings.root} already holds a lake: give the backtest an empty folder")
    say(f"import {source}")
    read = SOURCES[source](path)
    lake = Lake(settings.lake_path)
    return lake, ingestion.ingest(lake, read.dataset, read.batches()).as_dict()


def train(
    settings: Settings,
    window: Window,
    *,
    seed: int,
    say: Say,
    method: str = DEFAULT,
    options: Mapping[str, Any] = ranking.DEFAULTS,
) -> tuple[Path, dict[str, Any]]:
    """Build the training set, fit and seal a release; its folder, and the report of what it learnt from."""
    say("training set")
    built = retraining.build_training_set(settings, window, seed=seed)
    say("fit generators and ranker")
    retraining.fit_generators(settings, window, seed=seed)
    retraining.fit_ranker(settings, window, seed=seed, method=method, options=options)
    folder = retraining.staging(settings, window) / retraining.RELEASE
    retraining.seal(settings, window, seed=seed, folder=folder)
    return folder, built


def train_and_judge(
    settings: Settings,
    window: Window,
    *,
    seed: int,
    say: Say,
    method: str = DEFAULT,
    options: Mapping[str, Any] = ranking.DEFAULTS,
) -> dict[str, Any]:
    """The figures of a release that was trained and judged on the window, all JSON."""
    folder, built = train(settings, window, seed=seed, say=say, method=method, options=options)
    say(f"judge {window.test_from} to {window.test_to}")
    judgement = judge(settings, folder, window, seed=seed)
    manifest = retraining.seal(settings, window, seed=seed, folder=folder, metrics=judgement.as_dict())
    return {
        **judgement.as_dict(),
        "release": manifest.release_id,
        "window": window.model_dump(mode="json"),
        "seed": seed,
        "integrity": built["integrity"]["verdict"],
        "training_set": built,
    }
