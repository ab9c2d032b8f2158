"""The stage's tasks: label, balance, weigh, join with features as known then, publish."""

import json
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipelines.core import days
from pipelines.core.config import Config
from pipelines.core.dataset import LabelPolicy
from pipelines.core.errors import DataError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.window import Window
from pipelines.training_data import integrity, splits
from pipelines.training_data import rows as labelled
from pipelines.training_data.assemble import FeatureHistory, Retrieval, assemble, feature_names
from pipelines.training_data.balance import BalanceConfig, keep, rate
from pipelines.training_data.draws import uniform
from pipelines.training_data.integrity import IntegrityPolicy, counts, null_shares
from pipelines.training_data.sampled import SamplingConfig
from pipelines.training_data.weight import WeightConfig, watch_time_weights


class TrainingConfig(Config):
    """Everything that shapes a training set."""

    labels: LabelPolicy | None = None
    """Other thresholds than the data set's own, for an experiment."""
    balance: BalanceConfig = BalanceConfig()
    weight: WeightConfig = WeightConfig()
    sampling: SamplingConfig = SamplingConfig()
    integrity: IntegrityPolicy = IntegrityPolicy()


DEFAULT = TrainingConfig()
REPORT = "report.json"


def build(
    settings: Settings,
    window: Window,
    seed: int,
    *,
    config: TrainingConfig = DEFAULT,
    known_by: datetime | None = None,
    store: FeatureHistory | None = None,
    retrieval: Retrieval | None = None,
) -> dict[str, Any]:
    """Publish ``training/<test_from>`` and the integrity report beside it; return the report.

    Rows that fit or calibrate are labelled as they were known when the last of their days was over; test rows as known
    before ``known_by`` (None = everything in the lake). ``retrieval`` scores each row by generators older than its day.

    A red training set is not published, and one of an earlier build is taken away; its report is written all the same.

    Raises:
        DataError: with the reasons when the report is red.
        FeatureError: when the feature store does not answer row by row.
    """
    lake = Lake(settings.lake_path)
    table = table_of(window)
    with lake.alone(table):
        lake.path(table).unlink(missing_ok=True)
        rows, left_out = _labelled(lake, window, seed, config, known_by)
        report: dict[str, Any] = {
            "table": table,
            "window": window.model_dump(mode="json"),
            "seed": seed,
            "config": config.model_dump(mode="json"),
            "thresholds": (config.labels or lake.dataset.labels).model_dump(mode="json"),
            "left_out": left_out,
            "labelled": {"by_split": counts(rows, "split"), "by_day": counts(rows, "day")},
        }
        checks = integrity.check_labels(report["labelled"]["by_split"], window, config.integrity)
        _write(lake, report | {"integrity": integrity.verdict(checks)})
        chosen = _balanced(rows, config, seed)
        assembled = assemble(chosen, store or _feature_store(settings), retrieval)
        report |= _figures(assembled, chosen)
        names = feature_names(assembled, chosen)
        checks += integrity.check_rows(assembled, len(chosen), names, config.integrity)
        report["integrity"] = integrity.verdict(checks)
        _write(lake, report)
        lake.publish(table, _typed(assembled))
    return report


def _figures(assembled: pd.DataFrame, chosen: pd.DataFrame) -> dict[str, Any]:
    """What the report tells of the rows that are published."""
    return {
        "published": {"rows": len(assembled), "by_split": counts(assembled, "split")},
        "sampling_rate": float(chosen.loc[chosen["split"] == splits.FIT, "sampling_rate"].iloc[0]),
        "null_share": null_shares(assembled, feature_names(assembled, chosen)),
    }


def _write(lake: Lake, report: dict[str, Any]) -> None:
    """Store the report, then DataError where it is red."""
    lake.path(report["table"]).with_name(REPORT).write_text(json.dumps(report, indent=2), encoding="utf-8")
    integrity.require_green(report)


def report_of(settings: Settings, window: Window) -> dict[str, Any]:
    """The integrity report of a window's training set; DataError when it was never built."""
    path = Lake(settings.lake_path).path(table_of(window)).with_name(REPORT)
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise DataError(f"{path} is missing: build the training set of {window.test_from} first") from exc
    return report


def rows_for(
    settings: Settings,
    first: date,
    last: date,
    *,
    known_by: datetime | None = None,
    config: TrainingConfig = DEFAULT,
    seed: int = 0,
    store: FeatureHistory | None = None,
    retrieval: Retrieval | None = None,
) -> pd.DataFrame:
    """Every matured row of the days ``first`` to ``last`` with its label and features, none thinned out.

    Raises:
        DataError: when those days hold no events.
    """
    found = _read(Lake(settings.lake_path), first, last, known_by, config, seed)
    return assemble(found.frame, store or _feature_store(settings), retrieval)


def labelled_sample(
    settings: Settings, first: date, last: date, *, most: int, seed: int, store: FeatureHistory | None = None
) -> pd.DataFrame:
    """At most ``most`` matured rows of those days with a label, drawn by impression and seed, with their features.

    Labelled as they were known when the last of the days was over, like the rows that fit.

    Raises:
        DataError: when those days hold no row with a label.
    """
    lake = Lake(settings.lake_path)
    until = days.start(last + timedelta(days=1), lake.dataset.time_zone)
    rows = _read(lake, first, last, until, DEFAULT, seed).frame
    rows = rows[rows["label"].notna()].reset_index(drop=True)
    if rows.empty:
        raise DataError(f"no impression from {first} to {last} has a label: import its watches, or choose other days")
    drawn = np.sort(np.argsort(uniform(rows["impression_id"], seed), kind="stable")[:most])
    return assemble(rows.iloc[drawn].reset_index(drop=True), store or _feature_store(settings))


def table_of(window: Window) -> str:
    """The lake table of a window's training set."""
    return f"training/{window.test_from}"


def _typed(rows: pd.DataFrame) -> pa.Table:
    """As Arrow; a column without a single value is text, for numbers have their NaN."""
    table = pa.Table.from_pandas(rows, preserve_index=False)
    fields = [pa.field(f.name, pa.string() if pa.types.is_null(f.type) else f.type) for f in table.schema]
    return table.cast(pa.schema(fields))


def _labelled(
    lake: Lake, window: Window, seed: int, config: TrainingConfig, known_by: datetime | None
) -> tuple[pd.DataFrame, dict[str, dict[str, int]]]:
    """All rows of the window with their split, and what was left out before and in the test."""
    until = days.start(window.known_from, lake.dataset.time_zone)
    before = _read(lake, window.fit_from, window.last_fitted, until, config, seed)
    test = _read(lake, window.test_from, window.test_to, known_by, config, seed)
    frame = pd.concat([before.frame, test.frame], ignore_index=True)
    frame["split"] = splits.assign(frame["day"].tolist(), window)
    return frame, {"fit and calibrate": before.left_out, "test": test.left_out}


def _balanced(rows: pd.DataFrame, config: TrainingConfig, seed: int) -> pd.DataFrame:
    """The rows with ``weight`` and ``sampling_rate`` (the share of negatives kept in the row's split), fit thinned."""
    label, fit = rows["label"].to_numpy(dtype=np.float64), (rows["split"] == splits.FIT).to_numpy()
    share = rate(int((label[fit] == 1.0).sum()), int((label[fit] == 0.0).sum()), config.balance)
    seconds = rows["watched_seconds"].fillna(rows["total_seconds"]).to_numpy(dtype=np.float64)
    weighed = rows.assign(
        weight=watch_time_weights(label, seconds, fit, config.weight), sampling_rate=np.where(fit, share, 1.0)
    )
    kept = ~fit | keep(rows["impression_id"], label, share, seed)
    return weighed[kept].reset_index(drop=True)


def _read(
    lake: Lake, first: date, last: date, known_by: datetime | None, config: TrainingConfig, seed: int
) -> labelled.Rows:
    return labelled.read(
        lake, first, last, known_by=known_by, labels=config.labels, sampling=config.sampling, seed=seed
    )


def _feature_store(settings: Settings) -> FeatureHistory:
    from pipelines.adapters.feature_store import FeatureStore

    store: FeatureHistory = FeatureStore(settings)
    return store
