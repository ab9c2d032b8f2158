"""What a training set is made of, stored beside it; and when it is too thin to learn from."""

from typing import Any

import pandas as pd

from pipelines.core.errors import DataError
from pipelines.core.window import Window
from pipelines.training_data.splits import CALIBRATE, FIT


def counts(rows: pd.DataFrame, by: str) -> dict[str, dict[str, int]]:
    """For each value of the column ``by``: rows, members, positives, negatives, middle and watched."""
    figures = rows.groupby(by, sort=True).agg(
        rows=("label", "size"),
        members=("user_id", "nunique"),
        positives=("label", lambda label: int((label == 1.0).sum())),
        negatives=("label", lambda label: int((label == 0.0).sum())),
        middle=("label", lambda label: int(label.isna().sum())),
        watched=("watched", lambda watched: int(watched.sum())),
    )
    return {str(key): {str(n): int(v) for n, v in row.items()} for key, row in figures.to_dict("index").items()}


def null_shares(rows: pd.DataFrame, features: list[str]) -> dict[str, float]:
    """The share of rows in which each feature is absent."""
    return {str(name): round(float(share), 6) for name, share in rows[features].isna().mean().items()}


def require_both_classes(by_split: dict[str, dict[str, Any]], window: Window) -> None:
    """DataError naming the days and the remedy when a split that models learn from is empty or of one class."""
    spans = {FIT: (window.fit_from, window.calibrate_from), CALIBRATE: (window.calibrate_from, window.known_from)}
    for split, (first, end) in spans.items():
        held = by_split.get(split, {"positives": 0, "negatives": 0})
        if not held["positives"] or not held["negatives"]:
            raise DataError(
                f"split {split} ({first} to before {end}) has {held['positives']} positives and {held['negatives']} "
                "negatives: models need both; widen the window, or import those days and run refresh_features"
            )
