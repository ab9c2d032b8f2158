"""What a training set is made of, stored beside it, and whether it may be learnt from: green, or red with reasons."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from pipelines.core.config import Config
from pipelines.core.contracts import TIMES
from pipelines.core.errors import DataError
from pipelines.core.window import Window
from pipelines.training_data.splits import CALIBRATE, FIT, TEST

GREEN, RED = "green", "red"


class IntegrityPolicy(Config):
    """From where a training set is red."""

    rarest: float = Field(default=0.0005, ge=0, lt=0.5)
    """The least share of labelled rows that either class may have."""
    shift: float = Field(default=5.0, gt=1)
    """How many times the share of positives may change from the fit to the calibration or the test."""
    absent_more: float = Field(default=0.5, gt=0, le=1)
    """How much larger the absent share of a feature may be in later rows than in fit rows: more is a lost source."""


@dataclass(frozen=True)
class Check:
    """One question: what was ``found``, and ``reasons`` why that is red, none where it is green."""

    name: str
    found: Any
    reasons: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {"verdict": RED if self.reasons else GREEN, "found": self.found, "reasons": list(self.reasons)}


def verdict(checks: list[Check]) -> dict[str, Any]:
    """{"verdict", "reasons", "checks"}: green where every check is."""
    reasons = [reason for check in checks for reason in check.reasons]
    return {
        "verdict": RED if reasons else GREEN,
        "reasons": reasons,
        "checks": {check.name: check.as_dict() for check in checks},
    }


def require_green(report: Mapping[str, Any]) -> None:
    """DataError with every reason where the report of a training set is red."""
    held = report["integrity"]
    if held["verdict"] != GREEN:
        raise DataError(
            f"{report['table']} is red, and nothing is trained on it: {'; '.join(held['reasons'])}; "
            "its report.json has the figures"
        )


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
    return {name: round(float(rows[name].isna().mean()), 6) for name in features}


def check_labels(by_split: Mapping[str, Mapping[str, int]], window: Window, policy: IntegrityPolicy) -> list[Check]:
    """What labels alone tell, before any feature is joined: rows, both classes, and their balance."""
    return [_rows(by_split, window), _balance(by_split, policy)]


def check_rows(rows: pd.DataFrame, asked: int, features: list[str], policy: IntegrityPolicy) -> list[Check]:
    """What the assembled rows tell. ``asked`` is how many were to be assembled."""
    lost = () if len(rows) == asked else (f"{asked} rows went into the join and {len(rows)} came out",)
    twice = int(rows["impression_id"].duplicated().sum())
    weight = rows["weight"].to_numpy(np.float64)
    wrong = int((~(np.isfinite(weight) & (weight > 0))).sum())
    return [
        Check("rows in = rows out", {"in": asked, "out": len(rows)}, lost),
        Check("rows twice", twice, (f"{twice} impressions stand in it more than once",) if twice else ()),
        Check("weights", wrong, (f"{wrong} rows have no weight above 0",) if wrong else ()),
        _later_than_label(rows),
        _absent(rows, features, policy),
        _infinite(rows, features),
    ]


def _rows(by_split: Mapping[str, Mapping[str, int]], window: Window) -> Check:
    spans = {FIT: (window.fit_from, window.calibrate_from), CALIBRATE: (window.calibrate_from, window.known_from)}
    reasons = []
    for split, (first, end) in spans.items():
        held = by_split.get(split, {"positives": 0, "negatives": 0})
        if not held["positives"] or not held["negatives"]:
            reasons.append(
                f"split {split} ({first} to before {end}) has {held['positives']} positives and {held['negatives']} "
                "negatives: models need both; widen the window, or import those days and run refresh_features"
            )
    if TEST not in by_split:
        reasons.append(f"split {TEST} ({window.test_from} to {window.test_to}) has no matured row: choose other days")
    return Check("rows", {split: held["rows"] for split, held in by_split.items()}, tuple(reasons))


def _balance(by_split: Mapping[str, Mapping[str, int]], policy: IntegrityPolicy) -> Check:
    shares = {
        split: held["positives"] / (held["positives"] + held["negatives"])
        for split, held in by_split.items()
        if held["positives"] + held["negatives"]
    }
    reasons = [
        f"{share:.4%} of the labelled rows of split {split} are positive: a class of less than {policy.rarest:.4%} "
        "is too rare to learn; check the thresholds and the import of watches"
        for split, share in shares.items()
        if split != TEST and not policy.rarest <= share <= 1 - policy.rarest
    ]
    first = shares.get(FIT, 0.0)
    for split in (CALIBRATE, TEST):
        share = shares.get(split, first)
        if min(first, share) > 0 and max(first, share) > policy.shift * min(first, share):
            reasons.append(
                f"the share of positives moves from {first:.4%} in split {FIT} to {share:.4%} in split {split}: "
                "watches of some days are missing, or labels changed their meaning"
            )
    return Check("balance", {split: round(share, 6) for split, share in shares.items()}, tuple(reasons))


def _later_than_label(rows: pd.DataFrame) -> Check:
    """Features from after the moment at which the title was shown, by view; there must be none."""
    shown = pd.to_datetime(rows["event_timestamp"], utc=True)
    views = [str(name) for name in rows.columns if str(name).endswith(TIMES)]
    late = {name.removesuffix(TIMES): int((pd.to_datetime(rows[name], utc=True) > shown).sum()) for name in views}
    reasons = tuple(
        f"{count} rows have features of {view} that are later than the row" for view, count in late.items() if count
    )
    return Check("features later than the label", late, reasons)


def _absent(rows: pd.DataFrame, features: list[str], policy: IntegrityPolicy) -> Check:
    by_split = pd.DataFrame({name: rows[name].isna() for name in features}).groupby(rows["split"], sort=True).mean()
    shares = {split: by_split.loc[split] for split in by_split.index}
    reasons = []
    if features and all(bool((share == 1).all()) for share in shares.values()):
        reasons.append("every feature is absent in every row: run refresh_features for the days of the window")
    elif FIT in shares:
        for split in (CALIBRATE, TEST):
            more = shares.get(split, shares[FIT]) - shares[FIT]
            gone = [str(name) for name in features if more[name] > policy.absent_more]
            if gone:
                reasons.append(
                    f"{', '.join(gone)} vanish from split {FIT} to split {split}: their source was lost on the way"
                )
    found = {split: round(float(share.mean()), 6) for split, share in shares.items()}
    return Check("absent features", found, tuple(reasons))


def _infinite(rows: pd.DataFrame, features: list[str]) -> Check:
    counts = {name: int(np.isinf(rows[name]).sum()) for name in features if pd.api.types.is_numeric_dtype(rows[name])}
    found = {name: count for name, count in counts.items() if count}
    return Check(
        "infinite features", found, tuple(f"{name} is infinite in {count} rows" for name, count in found.items())
    )
