"""Who engages with a media: the mean age of its audience (X5), for each day on which it changes."""

from typing import Any

import ibis

from pipelines.core.dataset import Dataset
from pipelines.core.engagement import with_engaged
from pipelines.features import windows
from pipelines.features.events import day_of, usable_day

KEY, MEMBER = "media_id", "user_id"


def audience(watches: Any, ratings: Any, members: Any, dataset: Dataset, settled_before: int | None = None) -> Any:
    """media_id, e and the view media_audience. members: every version of every member, one a day of change."""
    judged = with_engaged(watches, ratings, dataset)
    liked = judged.filter(judged.engaged)
    happened = liked.group_by(MEMBER, KEY, e=usable_day(liked.started_at, liked.judged_at, dataset.time_zone)).agg(
        times=liked.count()
    )
    aged = windows.settled(_with_age(happened, members, dataset.time_zone), settled_before)
    daily = aged.group_by(KEY, "e").agg(years=(aged.age * aged.times).sum(), people=aged.times.sum())
    over = windows.ever(KEY)
    return daily.select(
        KEY,
        "e",
        media_audience_age=daily.years.sum().over(over).cast("float64") / daily.people.sum().over(over).cast("float64"),
    )


def _with_age(happened: Any, members: Any, zone: str) -> Any:
    """The rows whose member's age is known, with the age stated last by that day; or the first one stated, and then
    as of the day from which that was known."""
    stated = members.filter(members.age.notnull())
    ages = stated.select(MEMBER, "age", since=day_of(stated.available_at, zone))
    joined = happened.inner_join(ages, MEMBER)
    nearest = ibis.ifelse(joined.since <= joined.e, joined.since, -joined.since)
    first = ibis.window(group_by=[MEMBER, KEY, "e"], order_by=[nearest.desc()])
    placed = joined.mutate(place=ibis.row_number().over(first))
    nearest_of = placed.filter(placed.place == 0)
    return nearest_of.mutate(e=ibis.greatest(nearest_of.e, nearest_of.since)).select(*happened.columns, "age")
