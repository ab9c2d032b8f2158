"""The stage's tasks: read a training set, fit, calibrate, save."""

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from pipelines.core.contracts import Features, FittedRanker, Ranker
from pipelines.core.errors import DataError, ReleaseError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.window import Window
from pipelines.ranking import DEFAULT, FITTED, RANKERS
from pipelines.ranking.classes import require_both

FOLDER = "ranker"
FILE = "method.json"
DEFAULTS: Mapping[str, Any] = {}
LEARNT = ("user_id", "split", "label", "watched", "weight", "sampling_rate")
"""What is read of a row beside its features."""
POSITION, FIRST = "position", 0.0
Position = Literal["ignored", "neutral"]
"""What becomes of where a title stood: nothing; or it is learnt from, and every title that is scored stands first."""


def columns(rows: pa.Table, names: list[str]) -> Features:
    """The named columns as arrays: numbers as float32 with NaN, strings as objects with None, lists as objects of
    arrays, empty where absent."""
    found: dict[str, np.ndarray] = {}
    for name in names:
        column = rows[name].combine_chunks()
        if pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
            found[name] = pc.cast(column, pa.float32()).to_numpy(zero_copy_only=False)
        elif pa.types.is_list(column.type):
            found[name] = _lists(column)
        else:
            found[name] = column.to_numpy(zero_copy_only=False)
    return found


def _lists(column: pa.ListArray) -> np.ndarray:
    """(n,) objects; equal words are one string, or a million rows' histories would fill the memory."""
    flat = column.flatten()
    if pa.types.is_string(flat.type):
        coded = flat.dictionary_encode()
        values = coded.dictionary.to_numpy(zero_copy_only=False)[coded.indices.to_numpy()]
    else:
        values = flat.to_numpy(zero_copy_only=False)
    ends = np.cumsum(pc.fill_null(pc.list_value_length(column), 0).to_numpy())
    found = np.empty(len(column), dtype=object)
    for row, (begin, end) in enumerate(pairwise([0, *ends.tolist()])):
        found[row] = values[begin:end]
    return found


def fit(settings: Settings, window: Window, *, names: list[str], into: Path, seed: int, method: str = DEFAULT) -> None:
    """Fit ``method`` on the features ``names``, calibrate it on the later days, and save it below ``into``."""
    table = f"training/{window.test_from}"
    # A training set is wide, and half of it is for reports: what is not learnt from stays on the disk.
    rows = Lake(settings.lake_path).read(table, columns=[*dict.fromkeys((*names, *LEARNT))])
    save(train(rows, names, seed=seed, method=method), method, into)


def configured(method: str, options: Mapping[str, Any]) -> Ranker:
    """The method with other settings than its own; DataError for one that is not known, or a value that is wrong."""
    if method not in RANKERS:
        raise DataError(f"ranker {method!r} is not known: choose one of {', '.join(RANKERS)}")
    try:
        return RANKERS[method](**options)
    except ValidationError as exc:
        raise DataError(f"settings of ranker {method!r} do not fit: {exc}") from exc


def train(
    rows: pa.Table,
    names: list[str],
    *,
    seed: int,
    method: str = DEFAULT,
    options: Mapping[str, Any] = DEFAULTS,
    position: Position = "ignored",
) -> FittedRanker:
    """Fit on the labelled rows of split ``fit``, calibrate on every matured row of ``calibrate``, then fit on both.

    The last step gives the ranker the latest days; the calibration stays from before it had seen them. ``options``:
    settings of the method other than its own. ``position``: whether it is learnt from; the calibration, made of scores
    that are all of the first position, then brings them back to the mean over the positions that were logged.

    Raises:
        DataError: when there is nothing to fit on, or an unknown method or setting is asked for.
    """
    ranker = configured(method, options)
    labelled = rows.filter(pc.field("label").is_valid())
    fitting = labelled.filter(pc.field("split") == "fit")
    rate = _rate(fitting)
    first = _fit(fitting, names, rate, seed=seed, ranker=ranker, position=position)
    later = rows.filter(pc.field("split") == "calibrate")
    calibrated = first.calibrated(first.probability(columns(later, names)), _numbers(later, "watched"), rate)
    both = labelled.filter(pc.field("split") != "test")
    return _fit(both, names, rate, seed=seed, ranker=ranker, position=position).calibrated_like(calibrated)


def _rate(fitting: pa.Table) -> float:
    label = _numbers(fitting, "label")
    require_both(label)
    return float(_numbers(fitting, "sampling_rate")[label == 0].mean())


def _fit(
    rows: pa.Table, names: list[str], rate: float, *, seed: int, ranker: Ranker, position: Position
) -> FittedRanker:
    """Negatives that were not thinned out like those of the fit rows weigh as if they had been."""
    label, weight = _numbers(rows, "label"), _numbers(rows, "weight")
    alike = np.where(label == 0, rate / _numbers(rows, "sampling_rate"), 1.0)
    groups = rows["user_id"].to_numpy(zero_copy_only=False)
    if position == "ignored":
        return ranker.fit(columns(rows, names), label, weight * alike, groups, seed=seed)
    fitted = ranker.fit(columns(rows, [*names, POSITION]), label, weight * alike, groups, seed=seed)
    return fitted.fixing({POSITION: FIRST})


def _numbers(rows: pa.Table, name: str) -> np.ndarray:
    return np.asarray(rows[name].combine_chunks().to_numpy(zero_copy_only=False), dtype=np.float64)


def save(ranker: FittedRanker, method: str, into: Path) -> None:
    """Write the ranker and the name of its method."""
    folder = into / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    ranker.save(folder)
    (folder / FILE).write_text(json.dumps({"method": method}), encoding="utf-8")


def load(release: Path) -> FittedRanker:
    """The ranker of a release; ReleaseError names a method that this version does not know."""
    held = method_of(release)
    if held not in FITTED:
        raise ReleaseError(f"{release} holds ranker {held!r}, which is not one of {', '.join(FITTED)}")
    return FITTED[held].load(release / FOLDER)


def method_of(release: Path) -> str:
    """The name of the method of a release's ranker."""
    stored: dict[str, Any] = json.loads((release / FOLDER / FILE).read_text(encoding="utf-8"))
    return str(stored["method"])
