"""Days: the unit of time, in the data set's own zone. A moment is a UTC datetime; an interval is half-open."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipelines.core.errors import DataError


def zone(name: str) -> ZoneInfo:
    """The named IANA zone; DataError names it when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as exc:
        raise DataError(f"time zone {name!r} is not an IANA zone: write one such as Asia/Shanghai") from exc


def parse(text: str) -> date:
    """An ISO day; DataError names what was given."""
    try:
        return date.fromisoformat(text)
    except (ValueError, TypeError) as exc:
        raise DataError(f"day {text!r} is not a date: write it as 2022-04-29") from exc


def start(day: date, zone_name: str) -> datetime:
    """The UTC moment at which ``day`` begins in that zone."""
    return datetime.combine(day, time.min, tzinfo=zone(zone_name)).astimezone(UTC)


def of(moment: datetime, zone_name: str) -> date:
    """The day that ``moment`` falls on in that zone."""
    return moment.astimezone(zone(zone_name)).date()


def between(first: date, last: date) -> Iterator[date]:
    """Every day from ``first`` to ``last``, both included."""
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)
