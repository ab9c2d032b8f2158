"""The tasks of monitor_behaviour: which days to look at, then what happened on them."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from monitoring import concordance, drift, online_metrics, summary
from monitoring import report as evidently_report
from monitoring.alerts import Alert, of_alias, raise_alerts
from monitoring.champion import Champion, current, following_days
from monitoring.following import Following, follow
from pipelines.core import days
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.metrics.drift import Sketch
from pipelines.promotion import ledger
from pipelines.training_data.splits import FIT

REFERENCE = "monitoring/reference.json"
SUMMARY, REPORT, TABLE = "summary.html", "drift.html", "report.json"
MOST_DRAWN = 40
"""Features in Evidently's report: each costs a tenth of a second and 50 kB, and no one reads a hundred."""

Interval = dict[str, str]


@dataclass(frozen=True)
class Reference:
    """The champion's training rows by feature, how many rows each stands for, and the sketch sealed with it."""

    rows: pd.DataFrame
    weight: npt.NDArray[np.float64]
    sketch: Sketch


def plan(settings: Settings, first: str | None, last: str | None) -> Interval:
    """{"first", "last"}: the days asked for, or those after the champion's test.

    Raises:
        ReleaseError: there is no champion. DataError: a day is none, or they are in the wrong order.
    """
    since, until = following_days(settings, current(settings).window, first, last)
    return {"first": since.isoformat(), "last": until.isoformat()}


def report(settings: Settings, interval: Interval, *, seed: int, at: datetime) -> dict[str, Any]:
    """Compare the champion's training window with these days, write the three files, return what they say.

    Writes reports/<last>/summary.html, drift.html and report.json under home, and a run in the Evidently workspace.

    Raises:
        DataError: no matured impression lies on these days.
    """
    champion = current(settings)
    first, last = days.parse(interval["first"]), days.parse(interval["last"])
    found = follow(settings, champion, first, last, seed=seed, at=at)
    reference = _reference(settings, champion)
    drifts = drift.compare(reference.sketch, found.rows, drift.DriftPolicy())
    told = _summary(settings, champion, found, drifts, at)
    folder = settings.root / "reports" / last.isoformat()
    _draw(settings, folder / REPORT, reference, found, told, seed=seed)
    summary.write(folder / SUMMARY, told, REPORT)
    return _publish(folder, told)


def _reference(settings: Settings, champion: Champion) -> Reference:
    sketch: Sketch = json.loads((champion.folder / REFERENCE).read_text(encoding="utf-8"))
    wanted = ["split", "label", "sampling_rate", *sketch]
    rows = Lake(settings.lake_path).read(f"training/{champion.window.test_from}", columns=wanted).to_pandas()
    fit = rows[rows["split"] == FIT].reset_index(drop=True)
    weight = np.where(fit["label"] == 0.0, 1.0 / fit["sampling_rate"], 1.0)
    return Reference(fit[list(sketch)], weight, sketch)


def _summary(
    settings: Settings, champion: Champion, found: Following, drifts: list[drift.Drift], at: datetime
) -> summary.Summary:
    promises = concordance.compare(champion.manifest.metrics, found.figures)
    return summary.Summary(
        release_id=champion.manifest.release_id,
        dataset=champion.manifest.dataset,
        origin=found.origin,
        first=found.first,
        last=found.last,
        trained=(champion.window.fit_from, champion.window.last_fitted),
        rows=len(found.rows),
        members=int(found.rows["user_id"].nunique()),
        at=at,
        alerts=_alerts(settings, found, drifts, promises),
        promises=promises,
        drifts=drifts,
        online=online_metrics.by_release(Lake(settings.lake_path), found.first, found.last),
        unmeasured=found.unmeasured,
    )


def _alerts(
    settings: Settings, found: Following, drifts: list[drift.Drift], promises: list[concordance.Promise]
) -> list[Alert]:
    raised = [*of_alias(ledger.read(settings)), *raise_alerts(drifts, promises, len(found.rows), found.origin)]
    return sorted(raised, key=lambda alert: alert.severity != "act")


def _draw(
    settings: Settings, path: Path, reference: Reference, found: Following, told: summary.Summary, *, seed: int
) -> None:
    """Evidently's report on samples of the furthest moved features."""
    names = [d.feature for d in told.drifts[:MOST_DRAWN]]
    evidently_report.write(
        settings,
        path,
        evidently_report.sample(reference.rows[names], seed, reference.weight),
        evidently_report.sample(found.rows[names], seed),
        told.promises,
        at=told.at,
        name=f"{told.release_id} on {told.first} to {told.last}",
    )


def _publish(folder: Path, told: summary.Summary) -> dict[str, Any]:
    content: dict[str, Any] = {
        "release": told.release_id,
        "verdict": told.verdict,
        "first": told.first.isoformat(),
        "last": told.last.isoformat(),
        "origin": told.origin,
        "rows": told.rows,
        "members": told.members,
        "alerts": [asdict(a) for a in told.alerts],
        "promises": [asdict(p) for p in told.promises],
        "drift": [asdict(d) for d in told.drifts],
        "online": [asdict(o) for o in told.online],
        "unmeasured": told.unmeasured,
        "summary": str(folder / SUMMARY),
        "report": str(folder / REPORT),
    }
    plain: dict[str, Any] = _without_nan(content)
    (folder / TABLE).write_text(json.dumps(plain, indent=2), encoding="utf-8")
    return plain


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: absent instead."""
    if isinstance(value, dict):
        return {k: _without_nan(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_without_nan(v) for v in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
