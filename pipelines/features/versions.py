"""Members and titles that changed: what they were on each day."""

from typing import Any

import ibis

from pipelines.core.versions import every
from pipelines.features.events import day_of


def of_days(current: Any, before: Any, key: str, zone: str) -> Any:
    """Every version of each row, the last one of a day on which it changed more than once.

    current: a snapshot table; before: the rows of it that newer ones replaced.
    """
    found = every(current, before)
    dated = found.mutate(known_on=day_of(found.available_at, zone))
    newest_first = ibis.window(group_by=[key, "known_on"], order_by=[dated.available_at.desc()])
    placed = dated.mutate(place=ibis.row_number().over(newest_first))
    return placed.filter(placed.place == 0).select(*current.columns)
