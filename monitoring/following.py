"""The days after a champion was judged: what it met there, and how it did."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa

from monitoring.alerts import Origin
from monitoring.champion import Champion
from pipelines import judgement
from pipelines.core import days
from pipelines.core.errors import DataError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.window import Window
from pipelines.metrics.intervals import Interval
from pipelines.released import LoadedRelease, load_release
from pipelines.training_data import job as training_data

Figures = dict[str, dict[str, Interval]]
MOST_PAGES = 300


@dataclass(frozen=True)
class Following:
    """Matured rows with features, whether the champion ``served`` them or they were merely ``logged``, and figures.

    ``unmeasured`` says of each part that has no figures why.
    """

    first: date
    last: date
    rows: pd.DataFrame
    origin: Origin
    figures: Figures
    unmeasured: dict[str, str]


def follow(settings: Settings, champion: Champion, first: date, last: date, *, seed: int, at: datetime) -> Following:
    """Read, label and score the days; DataError when they hold no matured row."""
    retrieval = judgement.retrieval_of(settings, load_release(champion.folder))
    rows = training_data.rows_for(
        settings, first, last, known_by=_known_by(settings, last, at), seed=seed, retrieval=retrieval
    )
    mine = rows[rows["release_id"] == champion.manifest.release_id]
    origin: Origin = "served" if len(mine) else "logged"
    kept = (mine if len(mine) else rows).reset_index(drop=True)
    if kept.empty:
        raise DataError(f"{first} to {last} hold no matured impression: wait for a day to pass, or choose others")
    figures, unmeasured = measure(settings, champion, kept, first, last, seed=seed)
    return Following(first, last, kept, origin, figures, unmeasured)


def measure(
    settings: Settings, champion: Champion, rows: pd.DataFrame, first: date, last: date, *, seed: int
) -> tuple[Figures, dict[str, str]]:
    """The figures that the champion was promoted on, on these rows and days, and why some are missing."""
    release = load_release(champion.folder)
    table = pa.Table.from_pandas(rows.assign(split="test"), preserve_index=False)
    window = champion.window.model_copy(update={"test_from": first, "test_to": last})
    figures: Figures = {}
    unmeasured: dict[str, str] = {}
    parts: dict[str, Callable[[], Figures]] = {
        "ranker": lambda: judgement.row_figures(judgement.score_rows(release, table), seed),
        "page": lambda: _pages(settings, release, window, table, seed),
    }
    for part, find in parts.items():
        try:
            figures |= find()
        except DataError as exc:
            unmeasured[part] = str(exc)
    return figures, unmeasured


def _pages(settings: Settings, release: LoadedRelease, window: Window, table: Any, seed: int) -> Figures:
    ours, _ = judgement.judge_lists(settings, release, window, table, seed=seed, most=MOST_PAGES)
    return judgement.list_figures(ours)


def _known_by(settings: Settings, last: date, at: datetime) -> datetime | None:
    """The moment of the report; None where the data run ahead of the clock, as an imported world may."""
    end = days.start(last + timedelta(days=1), Lake(settings.lake_path).dataset.time_zone)
    return at if at >= end else None
