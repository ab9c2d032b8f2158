"""What a release, or its floor, scored on a window: enough to compare two of them member by member, row by row."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from pipelines.core.errors import DataError, ReleaseError

Floats = npt.NDArray[np.float64]
Text = npt.NDArray[np.str_]
PARTS = ("ids", "member", "label", "probability")


@dataclass(frozen=True)
class Rows:
    """The probabilities of labelled rows. All (rows,): unique ids, the place of each row's member in
    ``Evidence.members``, label 0 or 1, probability in [0, 1]."""

    ids: Text
    member: npt.NDArray[np.int64]
    label: Floats
    probability: Floats


@dataclass(frozen=True)
class Evidence:
    """Figures on one window of days. ``fitted_through`` is the last day that the scored thing had learnt from.

    members: (n,) distinct ids. metrics: name -> (n,) figures of each member's list, NaN = none, such as
    ``page.ndcg@10``. rows: name -> labelled rows, such as ``ranker``; ``ranker.auc`` names a metric of them.
    slices: name -> (n,) words, in which part of a slice such as ``country`` each member is; see evaluation/slices.
    figures: name -> one figure of the whole, such as ``release.size_mb``. reliability: (bins, 3) the calibration curve
    on all impressions. The last three may be empty: an older file has none.
    """

    test_from: date
    test_to: date
    fitted_through: date
    members: Text
    metrics: Mapping[str, Floats] = field(default_factory=dict)
    rows: Mapping[str, Rows] = field(default_factory=dict)
    release_id: str | None = None
    """Whose figures these are; None before the release is sealed, and for a floor."""
    slices: Mapping[str, Text] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    reliability: Floats | None = None

    def __post_init__(self) -> None:
        if len(np.unique(self.members)) != len(self.members):
            raise DataError("evidence names a member twice: give every member one place")
        columns: dict[str, npt.NDArray[Any]] = {**self.metrics, **{f"slice {n}": v for n, v in self.slices.items()}}
        for name, values in columns.items():
            if values.shape != self.members.shape:
                raise DataError(f"evidence {name} has shape {values.shape} for {len(self.members)} members")
        for name, rows in self.rows.items():
            if len({len(getattr(rows, part)) for part in PARTS}) != 1:
                raise DataError(f"evidence rows {name} have columns of different lengths: give one value a row")

    def save(self, path: Path) -> Path:
        """Write one npz file that holds no code."""
        arrays: dict[str, Any] = {f"metrics/{name}": values for name, values in self.metrics.items()}
        for name, rows in self.rows.items():
            arrays |= {f"rows/{part}/{name}": getattr(rows, part) for part in PARTS}
        arrays |= {f"slices/{name}": _text(words) for name, words in self.slices.items()}
        arrays |= {f"figures/{name}": np.float64(value) for name, value in self.figures.items()}
        if self.reliability is not None:
            arrays["reliability"] = self.reliability
        days = [self.test_from.isoformat(), self.test_to.isoformat(), self.fitted_through.isoformat()]
        about = np.array([*days, self.release_id or ""], dtype=np.str_)
        np.savez_compressed(path, about=about, members=_text(self.members), **arrays)
        return path

    @classmethod
    def load(cls, path: Path) -> "Evidence":
        """Read it back; ReleaseError names a file that is missing or no evidence."""
        try:
            with path.open("rb") as handle, np.load(handle, allow_pickle=False) as stored:
                return _evidence({name: stored[name] for name in stored.files})
        except FileNotFoundError as exc:
            raise ReleaseError(f"{path} is missing: evaluate the release again") from exc
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as exc:
            raise ReleaseError(f"{path} is no evidence file: evaluate the release again") from exc


def rows(ids: npt.ArrayLike, member: npt.ArrayLike, label: npt.ArrayLike, probability: npt.ArrayLike) -> Rows:
    """Rows with their columns in the types that Evidence stores."""
    return Rows(
        _text(ids),
        np.asarray(member, dtype=np.int64),
        np.asarray(label, dtype=np.float64),
        np.asarray(probability, dtype=np.float64),
    )


def _evidence(stored: Mapping[str, Any]) -> Evidence:
    first, last, fitted, release_id = stored["about"].tolist()
    named = sorted(key.removeprefix("rows/ids/") for key in stored if key.startswith("rows/ids/"))
    return Evidence(
        date.fromisoformat(first),
        date.fromisoformat(last),
        date.fromisoformat(fitted),
        stored["members"],
        _below(stored, "metrics/"),
        {name: Rows(*(stored[f"rows/{part}/{name}"] for part in PARTS)) for name in named},
        release_id or None,
        _below(stored, "slices/"),
        {name: float(value) for name, value in _below(stored, "figures/").items()},
        stored.get("reliability"),
    )


def _below(stored: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {key.removeprefix(prefix): values for key, values in stored.items() if key.startswith(prefix)}


def _text(ids: npt.ArrayLike) -> Text:
    """Ids as fixed-width unicode, which needs no pickle; an empty array keeps a width."""
    return np.asarray(ids).astype(np.str_)
