"""The moment of a request (X3): local time, season, the next holiday, the device. Pure and vectorised."""

import datetime
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.core import days
from pipelines.core.contracts import Features
from pipelines.core.errors import DataError

Words = Sequence[str | None] | npt.NDArray[np.object_] | str | None

DAYPARTS = np.array(["night", "morning", "afternoon", "evening"], dtype=object)
SEASONS = np.array(["winter", "spring", "summer", "autumn"], dtype=object)
# fmt: off
SOUTHERN = frozenset((
    "AO", "AR", "AU", "BI", "BO", "BR", "BW", "CL", "EC", "FJ", "ID", "KM", "LS", "MG", "MU", "MW", "MZ", "NA",
    "NC", "NZ", "PE", "PF", "PG", "PY", "RE", "SB", "SC", "SZ", "TL", "TZ", "UY", "VU", "WS", "ZA", "ZM", "ZW",
))
# fmt: on
"""Countries whose people live mostly south of the equator, ISO 3166 alpha-2."""


def context_features(
    at: npt.NDArray[np.datetime64],
    *,
    zone: str,
    member_zone: Words = None,
    country: Words = None,
    device: Words = None,
    surface: Words = None,
) -> Features:
    """The context features of n requests; every word may be one for all, one a request, or None.

    at: (n,) datetime64, UTC. zone: the data set's, for members whose own is absent or no IANA name. A request without
    a country, or with a word that is no ISO 3166 alpha-2 code, has no season and no holiday.
    """
    n = len(at)
    countries = words(country, n)
    local = _local(at, zone, words(member_zone, n))
    hour, weekday = local.hour.to_numpy() + local.minute.to_numpy() / 60.0, local.weekday.to_numpy()
    holiday, distance = _holidays(local.to_numpy().astype("datetime64[D]"), countries)
    return {
        "context_hour": hour,
        "context_weekday": weekday.astype(np.float64),
        "context_weekend": (weekday >= 5).astype(np.float64),
        "context_daypart": DAYPARTS[(local.hour.to_numpy() // 6).astype(int)],
        "context_season": _season(local.month.to_numpy(), countries),
        "context_holiday": holiday,
        "context_device": words(device, n),
        "context_surface": words(surface, n),
        "context_days_to_holiday": distance,
    }


def words(given: Words, n: int) -> npt.NDArray[np.object_]:
    """(n,) objects: one word repeated, or the given ones with every missing value as None."""
    if given is None or isinstance(given, str):
        return np.full(n, given, dtype=object)
    found = np.array(given, dtype=object)
    found[pd.isna(found)] = None
    return found


def _each(values: npt.NDArray[np.object_], apply: Callable[[Any, npt.NDArray[np.intp]], None]) -> None:
    """Call ``apply`` once a distinct value that is not None, with the places where it stands."""
    codes, distinct = pd.factorize(values)
    for code, value in enumerate(distinct):
        apply(value, np.flatnonzero(codes == code))


def _local(at: npt.NDArray[np.datetime64], zone: str, zones: npt.NDArray[np.object_]) -> pd.DatetimeIndex:
    moments = pd.DatetimeIndex(at.astype("datetime64[us]")).tz_localize("UTC")
    found = moments.tz_convert(days.zone(zone)).tz_localize(None).to_numpy().copy()

    def convert(name: str, places: npt.NDArray[np.intp]) -> None:
        with suppress(DataError):
            found[places] = moments[places].tz_convert(days.zone(name)).tz_localize(None).to_numpy()

    _each(zones, convert)
    return pd.DatetimeIndex(found)


def _season(month: npt.NDArray[Any], countries: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    """Meteorological seasons: December to February is winter in the north."""
    codes = countries.astype(str)
    south, known = np.isin(codes, list(SOUTHERN)), np.isin(codes, list(_countries()))
    found: npt.NDArray[np.object_] = SEASONS[((month % 12) // 3 + np.where(south, 2, 0)) % 4]
    found[~known] = None
    return found


@cache
def _countries() -> frozenset[str]:
    """Every ISO 3166 alpha-2 code; the calendar goes by longer codes too, SOUTHERN does not."""
    import holidays

    return frozenset(code for code in holidays.list_supported_countries() if len(code) == 2)


def _holidays(
    day: npt.NDArray[np.datetime64], countries: npt.NDArray[np.object_]
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.float64]]:
    name, distance = np.full(len(day), None, dtype=object), np.full(len(day), np.nan)

    def look_up(country: str, places: npt.NDArray[np.intp]) -> None:
        here = day[places]
        years = range(here.min().astype(object).year, here.max().astype(object).year + 2)
        calendar = [entry for year in years for entry in holidays_of(country, year)]
        if not calendar:
            return
        dates = np.array([d for d, _ in calendar], dtype="datetime64[D]")
        following = np.searchsorted(dates, here, side="left").clip(max=len(dates) - 1)
        name[places] = np.array([n for _, n in calendar], dtype=object)[following]
        distance[places] = (dates[following] - here).astype(np.float64)

    _each(countries, look_up)
    return name, distance


@cache
def holidays_of(country: str, year: int) -> tuple[tuple[datetime.date, str], ...]:
    """The public holidays of a country in a year, in order; none for a country that the library does not know."""
    import holidays

    if country not in _countries():
        return ()
    found = holidays.country_holidays(country, years=year, language=_english(country))
    return tuple((day, name) for day, name in sorted(found.items()) if day.year == year)


def _english(country: str) -> str | None:
    """English names where the library has them, so that one holiday has one name over countries."""
    import holidays

    return "en_US" if "en_US" in holidays.list_localized_countries().get(country, []) else None
