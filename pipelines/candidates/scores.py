"""What generators think of titles that others chose: features of rankers, from fits older than the row's day."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import PositiveInt

from pipelines.candidates import FITTED, GENERATORS, two_tower
from pipelines.candidates.interactions import interactions
from pipelines.candidates.known import from_lake
from pipelines.core import days
from pipelines.core.config import Config
from pipelines.core.contracts import RETRIEVAL, Codes, FittedGenerator, Floats, History
from pipelines.core.errors import DataError
from pipelines.core.lake import Lake

FITTED_AT = "retrieval__at"
"""Beside the scores: as of which moment the generators that gave them were fitted; absent where none was."""

LOG = logging.getLogger(__name__)
ASKED_TOGETHER = 1024
Places = npt.NDArray[np.int64]


def names(generators: Sequence[str] = tuple(GENERATORS)) -> list[str]:
    """The features that the generators' scores are."""
    return [RETRIEVAL + name for name in generators]


def score(
    generators: Mapping[str, FittedGenerator], histories: Sequence[History], place: Places, media: Sequence[str]
) -> dict[str, Floats]:
    """Feature -> (n,) float32 of n pairs. place: (n,) whose history it is; media: (n,) ids, NaN for unknown ones."""
    found = {name: np.full(len(place), np.nan, dtype=np.float32) for name in names(tuple(generators))}
    if not len(place) or not generators:
        return found
    catalogue = next(iter(generators.values())).catalogue
    code = {media_id: number for number, media_id in enumerate(catalogue.tolist())}
    codes = np.array([code.get(media_id, -1) for media_id in media], dtype=np.int64)
    for rows, line, column, asked in _grids(place):
        grid: Codes = np.full((len(asked), int(column.max()) + 1), -1, dtype=np.int64)
        grid[line, column] = codes[rows]
        for name, generator in generators.items():
            answer = generator.scores([histories[one] for one in asked.tolist()], grid)
            found[RETRIEVAL + name][rows] = answer[line, column]
    return found


def _grids(place: Places) -> Iterator[tuple[Places, Places, Places, Places]]:
    """(rows, their lines, their columns, the history of each line): each history once, those with as many rows meet.

    A member's page is many rows of one history, and to know the member is the dear part of a score.
    """
    order = np.argsort(place, kind="stable")
    asked, first, count = np.unique(place[order], return_index=True, return_counts=True)
    by_count = np.argsort(count, kind="stable")
    for begin in range(0, len(asked), ASKED_TOGETHER):
        chosen = by_count[begin : begin + ASKED_TOGETHER]
        line = np.repeat(np.arange(len(chosen)), count[chosen])
        column = np.arange(len(line)) - np.repeat(np.cumsum(count[chosen]) - count[chosen], count[chosen])
        yield order[np.repeat(first[chosen], count[chosen]) + column], line, column, asked[chosen]


@dataclass(frozen=True)
class Released:
    """Scores by the generators of one release, for rows of days after it was fitted."""

    lake: Lake
    generators: Mapping[str, FittedGenerator]
    fitted_at: datetime

    def scored(self, rows: pd.DataFrame) -> pd.DataFrame:
        """``retrieval_<generator>`` and FITTED_AT for each row, in order. rows: user_id, media_id, event_timestamp."""
        known = from_lake(self.lake, rows)
        found = score(self.generators, known.histories, known.place, rows["media_id"].astype(str).tolist())
        return pd.DataFrame({**found, FITTED_AT: pd.Timestamp(self.fitted_at)}, index=rows.index)


class CheckpointConfig(Config):
    """How often generators are fitted anew through a window, and how often at the most."""

    every_days: PositiveInt = 1
    most: PositiveInt = 8


def checkpoint_days(first: date, calibrate_from: date, until: date, config: CheckpointConfig) -> list[date]:
    """The days at whose start generators are fitted: evenly from ``first``, always ``calibrate_from`` and ``until``.

    ``until`` is the day from which a release serves: rows of that day and later are scored as the release scores them.
    """
    span = (calibrate_from - first).days
    step = max(config.every_days, -(-span // config.most))
    even = {first + timedelta(days=n) for n in range(0, span, step)}
    return sorted(even | {calibrate_from, until})


@dataclass(frozen=True)
class Checkpoints:
    """Scores by generators fitted before each row's day: the latest of ``days`` that is not after it.

    Each fit is kept below ``folder`` as ``<day>/<generator>``, and a second question finds it there.
    """

    lake: Lake
    days: Sequence[date]
    folder: Path
    seed: int
    zone: str

    def generators(self, day: date) -> dict[str, FittedGenerator]:
        """Every registered generator, fitted on what was known when ``day`` began; none where no title was known."""
        held = self.folder / day.isoformat()
        if not held.exists():
            self._fit(day, held)
        return {path.name: FITTED[path.name].load(path) for path in sorted(held.iterdir()) if path.is_dir()}

    def _fit(self, day: date, into: Path) -> None:
        into.mkdir(parents=True)
        at = days.start(day, self.zone)
        try:
            known = interactions(self.lake, at)
        except DataError:  # No title was known then: the rows of these days have no score, as on a platform's first.
            return
        for name, method in GENERATORS.items():
            if name == "two_tower" and not two_tower.available():
                LOG.warning("two_tower is left out of the generators: install Marquee's extra 'deep' to fit it")
                continue
            (into / name).mkdir()
            method().fit(known, as_of=at, seed=self.seed).save(into / name)

    def scored(self, rows: pd.DataFrame) -> pd.DataFrame:
        """``retrieval_<generator>`` and FITTED_AT for each row, in order; absent before the first of ``days``.

        rows: user_id, media_id, event_timestamp, day.
        """
        known = from_lake(self.lake, rows)
        found = {name: np.full(len(rows), np.nan, dtype=np.float32) for name in names()}
        fitted_at = pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us, UTC]")
        of_row = self._fit_of(rows["day"])
        for day in sorted({one for one in of_row if one is not None}):
            generators, mine = self.generators(day), np.flatnonzero(of_row == day)
            media = rows["media_id"].iloc[mine].astype(str).tolist()
            for name, values in score(generators, known.histories, known.place[mine], media).items():
                found[name][mine] = values
            if generators:
                fitted_at.iloc[mine] = pd.Timestamp(days.start(day, self.zone))
        return pd.DataFrame({**found, FITTED_AT: fitted_at}, index=rows.index)

    def _fit_of(self, of_rows: "pd.Series[date]") -> npt.NDArray[np.object_]:
        """(n,) the day of the fit that scores each row: the latest that is not after the row's day; None before all."""
        latest = {day: max((fit for fit in self.days if fit <= day), default=None) for day in set(of_rows)}
        return np.array([latest[day] for day in of_rows], dtype=object)
