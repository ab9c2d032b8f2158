"""Whether a media's distributor is among the ten that were engaged with most (X7), for each day on which it changes."""

from typing import Any

import ibis

from pipelines.features import windows
from pipelines.features.events import usable_day

KEY, OF = "media_id", "distributor"
TOP = 10


def distributor(facts: Any, media: Any, zone: str, settled_before: int | None = None) -> Any:
    """media_id, e and the view media_distributor: a row from the day a media became known, where it names one."""
    named = media.filter(media.distributor.notnull())
    works = windows.settled(
        named.select(KEY, OF, e=usable_day(named.available_at, named.available_at, zone)), settled_before
    ).rename(known="e")
    liked = facts.filter(facts.engaged > 0)
    joined = liked.inner_join(works, KEY)
    daily = joined.group_by(OF, "e").agg(engaged=joined.engaged.sum())
    days = daily.select("e").union(works.select(e=works.known)).distinct()
    standing = _standing(daily, days)
    arrived = works.left_join(standing, [works[OF] == standing[OF], works.known == standing.e], rname="{name}_of")
    moved = works.inner_join(standing.filter(standing.changed), OF, rname="{name}_of")
    later = moved.filter(moved.e > moved.known).select(KEY, "e", media_distributor_top10=moved.top)
    return arrived.select(KEY, e=arrived.known, media_distributor_top10=arrived.top.fill_null(0.0)).union(later)


def _standing(daily: Any, days: Any) -> Any:
    """distributor, e, top (1 or 0) and changed, of those that were ever engaged with, on every day; ties by name."""
    grid = daily.select(OF).distinct().cross_join(days)
    filled = grid.left_join(daily, [OF, "e"], rname="{name}_of").select(OF, "e", "engaged")
    summed = filled.mutate(total=filled.engaged.fill_null(0.0).sum().over(windows.ever(OF)))
    by_day = ibis.window(group_by="e", order_by=[summed.total.desc(), summed[OF]])
    placed = summed.mutate(place=ibis.row_number().over(by_day))
    flagged = placed.select(OF, "e", top=((placed.place < TOP) & (placed.total > 0)).cast("float64"))
    before = flagged.top.lag().over(ibis.window(group_by=OF, order_by="e"))
    return flagged.mutate(changed=flagged.top != before.fill_null(0.0))
