"""The tasks of an experiment: plan it on past days, say what a night's reading needs, look."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from pipelines.adapters.event_store import EventStore
from pipelines.adapters.experiment_store import ExperimentStore
from pipelines.core import days
from pipelines.core.errors import DataError, RequestError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.experiments import outcomes, power, readout
from pipelines.experiments.definition import Definition
from pipelines.experiments.lifecycle import Held, find, held
from pipelines.experiments.outcomes import Period
from pipelines.experiments.readout import Readout

LENGTHS = (7, 14, 21, 28)
"""Whole weeks, because weekends differ."""


@dataclass(frozen=True)
class Look:
    """An experiment, the days that were looked at, and what they say."""

    held: Held
    period: Period
    readout: Readout


def plan(settings: Settings, definition: Definition, lengths: tuple[int, ...] = LENGTHS) -> power.Plan:
    """Members and days that the experiment needs, judged by the lake's last days.

    Raises:
        DataError: the lake has too few days, or nobody came on them.
    """
    lake = Lake(settings.lake_path)
    zone, last = lake.dataset.time_zone, _complete(lake)
    there = (last - lake.days("impressions")[0]).days + 1 - definition.pre_days
    fitting = [length for length in lengths if length <= there]
    if not fitting:
        raise DataError(
            f"the lake holds {there + definition.pre_days} days of impressions: {min(lengths)} to plan on and "
            f"{definition.pre_days} before them are needed; set pre_days lower, or name fewer --days"
        )
    first = last - timedelta(days=max(fitting) - 1)
    rows = outcomes.read(lake, Period(first, last, zone), None, definition)
    return power.plan(definition, rows, _before(lake, first, zone, definition), fitting)


def due(settings: Settings, experiment: str | None, through: str | None, *, at: datetime) -> dict[str, Any] | None:
    """{"experiments", "first", "last"}: what to read, and the days whose events it needs; None where nothing runs.

    experiment: empty for every running one. through: empty for the day before ``at``.
    """
    with EventStore(settings.event_store_address) as store:
        store.migrate()
        known = ExperimentStore(store)
        wanted = [find(known, experiment)] if experiment else [one for one in held(known.decisions()) if one.running]
    if not wanted:
        return None
    lake = Lake(settings.lake_path)
    zone = lake.dataset.time_zone
    until = days.parse(through) if through else at.astimezone(ZoneInfo(zone)).date() - timedelta(days=1)
    spans = {one.definition.name: _span(one, until, zone) for one in wanted}
    spans = {name: span for name, span in spans.items() if span[0] <= span[1]}
    if not spans:
        return None
    last = max(end for _, end in spans.values())
    mark = lake.watermark("impressions")
    # The last day is brought again, and the one before it: a click may come after midnight.
    since = min(mark.through + timedelta(days=1) if mark else last, last - timedelta(days=1))
    return {"experiments": list(spans), "first": since.isoformat(), "last": last.isoformat()}


def look(settings: Settings, name: str, through: str | None) -> Look:
    """Look at an experiment as it stood at the end of a day; empty for the last that is complete in the lake.

    Days after the planned end, or after it was stopped, do not count.

    Raises:
        RequestError: there is no such experiment, or it had not begun. DataError: the lake does not reach that day, or
            nobody was exposed.
    """
    lake = Lake(settings.lake_path)
    zone = lake.dataset.time_zone
    with EventStore(settings.event_store_address) as store:
        store.migrate()
        known = ExperimentStore(store)
        one = find(known, name)
        first, last = _span(one, days.parse(through) if through else _complete(lake), zone)
        if last < first:
            raise RequestError(f"experiment {name!r} began on {first}, after {last}: read it through a later day")
        if last > _complete(lake):
            raise DataError(f"the lake is complete through {_complete(lake)}, not {last}: run the read_experiment DAG")
        period = Period(first, last, zone)
        exposures = _exposures(known, name, period)
    rows = outcomes.read(lake, period, exposures.groupby("user_id")["exposed_at"].min(), one.definition)
    before = _before(lake, first, zone, one.definition)
    whole = (one.definition.planned_end - first).days + 1
    members = readout.members_of(one.definition, exposures)
    found = readout.read(one.definition, members, rows, before, day=len(period), days=whole)
    return Look(one, period, found)


def _span(one: Held, until: date, zone: str) -> tuple[date, date]:
    """The first day of an experiment, and the last that counts by ``until``."""
    begun = one.definition.start or one.started["decided_at"]
    ends = [until, one.definition.planned_end]
    if one.stopped:
        ends.append(one.stopped["decided_at"].astimezone(ZoneInfo(zone)).date())
    return begun.astimezone(ZoneInfo(zone)).date(), min(ends)


def _complete(lake: Lake) -> date:
    mark = lake.watermark("impressions")
    if mark is None:
        raise DataError(f"the lake {lake.root} holds no impressions: run marquee import, or the read_experiment DAG")
    return mark.through


def _before(lake: Lake, first: date, zone: str, definition: Definition) -> outcomes.Rows:
    """What everybody did on the days before the first one."""
    since = first - timedelta(days=max(definition.pre_days, 1))
    rows = outcomes.read(lake, Period(since, first - timedelta(days=1), zone), None, definition)
    return rows if definition.pre_days else rows[:0]


def _exposures(store: ExperimentStore, name: str, period: Period) -> pd.DataFrame:
    columns = ["user_id", "variant", "release_id", "exposed_at"]
    found = pd.DataFrame(store.exposures(name, period.end.to_pydatetime()), columns=columns)
    found = found.astype({"exposed_at": "datetime64[us, UTC]"})
    return found.assign(day=period.number(found["exposed_at"]))
