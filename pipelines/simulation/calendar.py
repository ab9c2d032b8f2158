"""How time shapes visits and moods: local hours, weekdays, holidays, seasons."""

from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import numpy.typing as npt

from pipelines.core import days
from pipelines.simulation.geography import ZONES

Times = npt.NDArray[np.datetime64]
WORKDAY_HOURS = np.array([3, 2, 1, 1, 1, 1, 2, 4, 4, 3, 3, 3, 5, 4, 3, 4, 5, 7, 10, 14, 16, 15, 11, 6], dtype=float)
WEEKEND_HOURS = np.array([5, 3, 2, 1, 1, 1, 1, 3, 6, 8, 8, 8, 8, 9, 9, 9, 9, 10, 12, 14, 15, 14, 11, 8], dtype=float)
WEEKDAY_RATE = np.array([0.9, 0.87, 0.9, 0.95, 1.1, 1.25, 1.2])
HOLIDAYS = frozenset({(1, 1), (2, 14), (5, 1), (10, 31), (12, 24), (12, 25), (12, 26), (12, 31)})
DAYPARTS = 4
"""Night 0-5, morning 6-11, afternoon 12-17, evening 18-23."""


def is_holiday(day: date) -> bool:
    """Whether members everywhere keep this day free."""
    return (day.month, day.day) in HOLIDAYS


def visit_rate(day: date) -> float:
    """How busy a day is against a mean one: weekday, holiday, and a winter that is busier than the summer."""
    season = 1 + 0.12 * float(np.cos(2 * np.pi * (day.timetuple().tm_yday - 15) / 365))
    return float(WEEKDAY_RATE[day.weekday()]) * season * (1.3 if is_holiday(day) else 1.0)


def offsets(day: date) -> npt.NDArray[np.float64]:
    """(zones,) hours that local clocks are ahead of UTC at noon of that day."""
    noon = datetime.combine(day, time(12), tzinfo=UTC)
    return np.array([(noon.astimezone(days.zone(z)).utcoffset() or timedelta()) / timedelta(hours=1) for z in ZONES])


def visit_seconds(day: date, zone: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """(n,) seconds of the UTC day at which members in these zones visit: they keep the hours of their own clocks."""
    hours = WEEKEND_HOURS if day.weekday() >= 5 or is_holiday(day) else WORKDAY_HOURS
    local = rng.choice(24, size=len(zone), p=hours / hours.sum()) + rng.random(len(zone))
    return ((local - offsets(day)[zone]) % 24 * 3600).astype(np.int64)


def local_hours(at: Times, zone: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """(n,) hour of the local day with its fraction, and (n,) local weekday, 0 = Monday."""
    utc_days = at.astype("datetime64[D]")
    distinct, inverse = np.unique(utc_days, return_inverse=True)
    table = np.stack([offsets(d) for d in distinct.tolist()]) if len(distinct) else np.zeros((1, len(ZONES)))
    seconds = at.astype("datetime64[s]").astype(np.int64) + (table[inverse, zone] * 3600).astype(np.int64)
    return (seconds % 86400) / 3600.0, (seconds // 86400 + 3) % 7


def holiday_flags(at: Times) -> npt.NDArray[np.bool_]:
    """(n,) whether each moment falls on a holiday (UTC day)."""
    distinct, inverse = np.unique(at.astype("datetime64[D]"), return_inverse=True)
    flags = np.array([is_holiday(d) for d in distinct.tolist()], dtype=bool)
    return flags[inverse]
