"""Is every feature there, and does it tell anything? Measured on labelled rows, joined as a training set's are."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.adapters.feature_store import FeatureStore
from pipelines.core.errors import DataError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.features.catalogue import features
from pipelines.features.columns import arrays
from pipelines.features.feature import Feature
from pipelines.features.requirements import REQUIREMENTS, answered, unanswered
from pipelines.metrics.information import Bins, Information, information, number_bins, word_bins
from pipelines.training_data import job as training_data

ROWS = 20_000
SUMMARIES = 32
"""The columns of a packed feature that are looked at: those that vary most, or its commonest members."""

FINE, MISSING, ABSENT, CONSTANT = "fine", "missing", "absent", "constant"


@dataclass(frozen=True)
class Measured:
    """One feature: the share of rows that have it, and what it tells of the label; None where it was not joined."""

    feature: Feature
    verdict: str
    present: float = 0.0
    information: Information | None = None

    def as_dict(self) -> dict[str, Any]:
        told = self.information
        return {
            "name": self.feature.name,
            "source": self.feature.source,
            "verdict": self.verdict,
            "present": round(self.present, 6),
            "information": None if told is None else round(told.nats, 6),
            "shuffled": None if told is None else round(told.shuffled, 6),
        }


@dataclass(frozen=True)
class Coverage:
    """What was measured, by requirement; a feature that answers two stands under both."""

    dataset: str
    first: date
    last: date
    rows: int
    positives: int
    measured: tuple[Measured, ...]

    def of(self, requirement: str) -> tuple[Measured, ...]:
        """The features that answer it; those of ``""`` answer none by name."""
        if not requirement:
            return tuple(m for m in self.measured if not answered(m.feature))
        return tuple(m for m in self.measured if requirement in answered(m.feature))

    @property
    def problems(self) -> list[str]:
        """Each reason why this is not what was asked for, and what to do."""
        asked = unanswered(m.feature for m in self.measured)
        return asked + [_problem(m) for m in self.measured if m.verdict != FINE]

    def as_dict(self) -> dict[str, Any]:
        """As JSON; ``other`` holds the features that no requirement names."""
        found = {
            name: {"about": of.about, "asks": dict(of.asked), "features": [m.as_dict() for m in self.of(name)]}
            for name, of in REQUIREMENTS.items()
        }
        return {
            "dataset": self.dataset,
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
            "rows": self.rows,
            "positives": self.positives,
            "requirements": found,
            "other": [m.as_dict() for m in self.of("")],
            "problems": self.problems,
        }


def measure(settings: Settings, *, most: int = ROWS, seed: int = 7) -> Coverage:
    """The coverage of the refreshed days of the lake, on at most ``most`` of their labelled impressions.

    Raises:
        DataError: where no feature was ever computed, or no impression has a label.
    """
    lake = Lake(settings.lake_path)
    held, refreshed = lake.days("impressions") or lake.days("watches"), lake.watermark("features")
    if refreshed is None or not held:
        raise DataError(f"the lake {lake.root} has no features: run `marquee features` first, or measure on a world")
    last = min(refreshed.through, held[-1])
    store = FeatureStore(settings)
    store.apply()
    rows = training_data.labelled_sample(settings, held[0], last, most=most, seed=seed, store=store)
    found = look(rows, features(lake.dataset), seed=seed)
    positives = int(rows["label"].sum())
    return Coverage(lake.dataset.name, held[0], last, len(rows), positives, found)


def look(rows: pd.DataFrame, asked: Sequence[Feature], *, seed: int) -> tuple[Measured, ...]:
    """Each feature that was asked for, in its order. ``rows`` has a ``label`` of 0 or 1 and the features."""
    label = rows["label"].to_numpy(np.float64)
    return tuple(_measured(rows, feature, label, seed) for feature in asked)


def _measured(rows: pd.DataFrame, feature: Feature, label: npt.NDArray[np.float64], seed: int) -> Measured:
    if feature.name not in rows.columns:
        return Measured(feature, MISSING)
    present = _present(rows[feature.name])
    values = arrays(rows, [feature])[feature.name]
    if feature.kind in ("codes", "embedding"):
        # Zeros pad codes, and the embedding of nothing is zeros.
        present &= (values != 0).any(axis=1)
    if not present.any():
        return Measured(feature, ABSENT)
    told = information(summaries(feature, values), label, seed=seed)
    verdict = CONSTANT if _constant(values[present]) else FINE
    return Measured(feature, verdict, float(present.mean()), told)


def _present(column: "pd.Series[Any]") -> npt.NDArray[np.bool_]:
    """(n,) False where a row has no value; an empty list is none."""
    found = column.notna().to_numpy(dtype=bool)
    if column.dtype == object:
        found &= np.array([np.isscalar(value) or value is None or len(value) > 0 for value in column], dtype=bool)
    return found


def _constant(values: npt.NDArray[Any]) -> bool:
    """Whether all rows that have a value have the same."""
    if values.dtype == object:
        return len(set(values.tolist())) == 1
    return bool((values == values[0]).all())


def summaries(feature: Feature, values: npt.NDArray[Any]) -> list[Bins]:
    """The columns on which a feature is judged, each in bins; the best of them speaks for it.

    A number and a word are one column. Of an array of numbers (a histogram, an embedding) each of its SUMMARIES most
    varying columns is one. Of codes and sequences: how many there are, and whether each of the SUMMARIES commonest is
    among them.
    """
    if feature.kind in ("codes", "sequence"):
        return _members([[v for v in row if v] for row in values.tolist()])
    if values.ndim == 2:
        widest = np.argsort(-values.var(axis=0), kind="stable")[:SUMMARIES]
        return [number_bins(values[:, place]) for place in widest]
    return [word_bins(values) if values.dtype == object else number_bins(values)]


def _members(lists: list[list[Any]]) -> list[Bins]:
    sets = [set(row) for row in lists]
    counted = Counter(value for row in sets for value in row)
    common = [value for value, _ in sorted(counted.items(), key=lambda item: (-item[1], str(item[0])))[:SUMMARIES]]
    among = [np.array([value in row for row in sets], dtype=np.int64) for value in common]
    return [number_bins(np.array([len(row) for row in lists], dtype=np.float64)), *among]


def _problem(measured: Measured) -> str:
    feature = measured.feature
    name, made_from = feature.name, feature.source or "its source"
    return {
        MISSING: f"{name} is in the catalogue and not in the rows: its view {feature.view} does not give it",
        ABSENT: f"{name} is absent in every row: look whether {made_from} is ever filled",
        CONSTANT: f"{name} is constant, the same in every row that has it: look whether {made_from} varies",
    }[measured.verdict]
