"""Evidently's report: every feature's two distributions side by side, for a person to read. Our own PSI decides."""

import os
import warnings
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from monitoring.concordance import Promise
from pipelines.core.settings import Settings

PROJECT = "marquee"
METHOD, THRESHOLD = "psi", 0.25
SAMPLE = 2000
"""Rows of each side; Evidently's time grows with rows and columns, and the eye sees no more."""


def sample(rows: pd.DataFrame, seed: int, weight: npt.NDArray[np.float64] | None = None) -> pd.DataFrame:
    """At most SAMPLE rows, drawn in proportion to ``weight``: the rows that each one stands for."""
    if len(rows) <= SAMPLE and weight is None:
        return rows.reset_index(drop=True)
    chance = None if weight is None else weight / weight.sum()
    drawn = np.random.default_rng(seed).choice(len(rows), SAMPLE, replace=weight is not None, p=chance)
    return rows.iloc[np.sort(drawn)].reset_index(drop=True)


def write(
    settings: Settings,
    path: Path,
    reference: pd.DataFrame,
    current: pd.DataFrame,
    promises: Sequence[Promise],
    *,
    at: datetime,
    name: str,
) -> Path:
    """Write the report as HTML to ``path`` and add its run to the workspace.

    reference, current: the same features, in the order in which a person should read them.
    """
    os.environ.setdefault("DO_NOT_TRACK", "1")
    with warnings.catch_warnings():
        # Evidently divides by bins that are empty in one of the two samples, and says so for each.
        warnings.simplefilter("ignore")
        snapshot = _run(reference, current, promises, at, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        snapshot.save_html(str(path))
        _add(settings, snapshot)
    return path


def _run(reference: pd.DataFrame, current: pd.DataFrame, promises: Sequence[Promise], at: datetime, name: str) -> Any:
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import RowCount, ValueDrift

    from monitoring.evidently_metric import promise_metrics

    words, numbers = _kinds(reference, current)
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=words)
    both = [
        Dataset.from_pandas(_plain(frame[[*numbers, *words]], words), data_definition=definition)
        for frame in (current, reference)
    ]
    ordered = [column for column in reference.columns if column in {*numbers, *words}]
    drift = [ValueDrift(column=column, method=METHOD, threshold=THRESHOLD) for column in ordered]
    report = Report([RowCount(), *promise_metrics(promises), *drift], include_tests=True)
    return report.run(both[0], both[1], timestamp=at, name=name)


def _kinds(reference: pd.DataFrame, current: pd.DataFrame) -> tuple[list[str], list[str]]:
    """(words, numbers): the columns that have a value on both sides and are neither packed nor times."""
    words, numbers = [], []
    for name in reference.columns:
        known = reference[name].dropna()
        if known.empty or name not in current or current[name].dropna().empty:
            continue
        if pd.api.types.is_bool_dtype(known.dtype) or isinstance(known.iloc[0], str):
            words.append(name)
        elif pd.api.types.is_numeric_dtype(known.dtype):
            numbers.append(name)
    return words, numbers


def _plain(frame: pd.DataFrame, words: list[str]) -> pd.DataFrame:
    """Absent words by name, since Evidently has no bin for them."""
    return frame.assign(**{name: frame[name].astype(object).where(frame[name].notna(), "(absent)") for name in words})


def _add(settings: Settings, snapshot: Any) -> None:
    """To the workspace under ``home``; in production to the Evidently server."""
    from evidently.ui.workspace import RemoteWorkspace, Workspace

    if settings.profile == "production" and settings.evidently_url:
        workspace = RemoteWorkspace(settings.evidently_url)
    else:
        workspace = Workspace.create(str(settings.root / "evidently"))
    held = workspace.search_project(PROJECT)
    project = held[0] if held else workspace.create_project(PROJECT, "Drift of what the champion sees, and how it does")
    workspace.add_run(project.id, snapshot)
