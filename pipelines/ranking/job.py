"""The stage's tasks: read a training set, fit, calibrate, save."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from pipelines.core.contracts import Features, FittedRanker, Floats, Groups, Ranker
from pipelines.core.errors import DataError, ReleaseError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.window import Window
from pipelines.ranking import DEFAULT, FITTED, RANKERS
from pipelines.ranking.classes import require_both

FOLDER = "ranker"
FILE = "method.json"
DEFAULTS: Mapping[str, Any] = {}
UNFIXED: Mapping[str, float] = {}
LEARNT = ("user_id", "day", "split", "label", "watched", "weight", "sampling_rate")
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
        elif pa.types.is_string(column.type):
            found[name] = _words(column)
        else:
            found[name] = column.to_numpy(zero_copy_only=False)
    return found


def _words(column: pa.Array) -> np.ndarray:
    """(n,) strings, None where absent; equal words are one string, or a million rows' would fill the memory."""
    coded = column.dictionary_encode()
    words = np.array([*coded.dictionary.to_pylist(), None], dtype=object)
    return np.asarray(words[pc.fill_null(coded.indices, len(words) - 1).to_numpy()])


def _lists(column: pa.ListArray) -> np.ndarray:
    """(n,) objects."""
    flat = column.flatten()
    values = _words(flat) if pa.types.is_string(flat.type) else flat.to_numpy(zero_copy_only=False)
    ends = np.cumsum(pc.fill_null(pc.list_value_length(column), 0).to_numpy())
    found = np.empty(len(column), dtype=object)
    for row, (begin, end) in enumerate(pairwise([0, *ends.tolist()])):
        found[row] = values[begin:end]
    return found


def fit(
    settings: Settings,
    window: Window,
    *,
    names: list[str],
    into: Path,
    seed: int,
    method: str = DEFAULT,
    options: Mapping[str, Any] = DEFAULTS,
) -> Floats:
    """Fit ``method`` on the features ``names``, calibrate it on the later days, and save it below ``into``.

    ``options``: settings of the method other than its own, as `marquee tune --to FILE` writes them.

    Returns (m,) what it expected of the rows of split ``calibrate``, in their order, before it had learnt them.
    """
    ranker = configured(method, options)
    table = f"training/{window.test_from}"
    # A training set is wide, and half of it is for reports: what is not learnt from stays on the disk.
    read = [*dict.fromkeys((*names, *LEARNT))]
    past = Past.of(Lake(settings.lake_path).read(table, columns=read), [*names])
    fitted, expected = _train(past, ranker, names, seed)
    save(fitted, method, into, options)
    return expected


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

    The last step gives the ranker the latest days. The calibration stays from before it had seen them, but for its
    level, which is that of those days: what moved since the fit days is learnt by then, and would count twice.

    ``options``: settings of the method other than its own. ``position``: whether it is learnt from; the calibration,
    made of scores that are all of the first position, then brings them back to the mean over the logged positions.

    Raises:
        DataError: when there is nothing to fit on, or an unknown method or setting is asked for.
    """
    learnt = names if position == "ignored" else [*names, POSITION]
    fixed = {} if position == "ignored" else {POSITION: FIRST}
    return _train(Past.of(rows, learnt), configured(method, options), names, seed, fixed)[0]


@dataclass(frozen=True)
class Past:
    """What a ranker may learn from: every row before the test. features: those that are learnt from, (n,) each.

    label: NaN where a title was watched in part. calibrating: whether a row is of the later days.
    """

    features: Features
    label: Floats
    watched: Floats
    weight: Floats
    sampling_rate: Floats
    calibrating: npt.NDArray[np.bool_]
    groups: Groups

    @classmethod
    def of(cls, rows: pa.Table, names: list[str]) -> "Past":
        """The table's columns as arrays, so that the table itself need not stay in memory."""
        past = rows.filter(pc.field("split") != "test")
        label, watched, weight, rate = (_numbers(past, n) for n in ("label", "watched", "weight", "sampling_rate"))
        calibrating = np.asarray(pc.equal(past["split"], "calibrate").combine_chunks().to_numpy(zero_copy_only=False))
        return cls(columns(past, names), label, watched, weight, rate, calibrating.astype(bool), _groups(past))

    def taken(self, chosen: npt.NDArray[np.bool_], names: Sequence[str]) -> Features:
        return {name: self.features[name][chosen] for name in names}


def _train(
    past: Past, ranker: Ranker, names: Sequence[str], seed: int, fixed: Mapping[str, float] = UNFIXED
) -> tuple[FittedRanker, Floats]:
    """The ranker, and what it expected of the calibration rows before it had learnt them."""
    learnt = np.full(len(past.label), True) if ranker.MIDDLE else ~np.isnan(past.label)
    fitting = learnt & ~past.calibrating
    require_both(past.label[fitting & ~np.isnan(past.label)])
    rate = float(past.sampling_rate[fitting & (past.label == 0)].mean())
    first = _fit(past, fitting, rate, ranker, seed, fixed)
    later, watched = past.taken(past.calibrating, names), past.watched[past.calibrating]
    calibrated = first.calibrated(first.probability(later), watched, rate)
    last = _fit(past, learnt, rate, ranker, seed, fixed).calibrated_like(calibrated)
    return last.levelled(last.probability(later), watched), calibrated.probability(later)


def _fit(
    past: Past,
    chosen: npt.NDArray[np.bool_],
    rate: float,
    ranker: Ranker,
    seed: int,
    fixed: Mapping[str, float],
) -> FittedRanker:
    """Negatives that were not thinned out like those of the fit rows weigh as if they had been."""
    label, weight = past.label[chosen], past.weight[chosen]
    alike = np.where(label == 0, rate / past.sampling_rate[chosen], 1.0)
    fitted = ranker.fit(past.taken(chosen, [*past.features]), label, weight * alike, past.groups[chosen], seed=seed)
    return fitted.fixing(fixed) if fixed else fitted


def _groups(rows: pa.Table) -> Groups:
    codes = [np.unique(rows[name].to_numpy().astype(str), return_inverse=True)[1] for name in ("user_id", "day")]
    return np.stack(codes, axis=1).astype(np.int64)


def _numbers(rows: pa.Table, name: str) -> Floats:
    return np.asarray(rows[name].combine_chunks().to_numpy(zero_copy_only=False), dtype=np.float64)


def save(ranker: FittedRanker, method: str, into: Path, options: Mapping[str, Any] = DEFAULTS) -> None:
    """Write the ranker, the name of its method, and which settings were not the method's own."""
    folder = into / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    ranker.save(folder)
    (folder / FILE).write_text(json.dumps({"method": method, "options": dict(options)}), encoding="utf-8")


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
