"""Impressions that a policy drew by chance and said how probably: from them one learns what a log alone would hide."""

from collections.abc import Sequence
from datetime import date, timedelta

import pandas as pd
import pyarrow.compute as pc

from pipelines.core import days
from pipelines.core.lake import Lake
from pipelines.training_data import rows
from pipelines.training_data.sampled import SamplingConfig

LEAST = 0.5
"""The share of impressions that have to be drawn from all titles for pages to be weighed by their propensities."""


def drawn(lake: Lake, first: date, last: date) -> pd.DataFrame | None:
    """impression_id, propensity, above 0 and below 1, and from_all, whether it was of all titles or of a stated few.

    A place that was certain says nothing of other titles. None where those days hold no logged impression.
    """
    if not lake.dataset.impressions_logged or not lake.days("impressions", first, last):
        return None
    held = lake.read("impressions", first, last, columns=["impression_id", "propensity", "action_set"])
    chance = pc.fill_null(held["propensity"], 0.0)
    kept = pc.and_(pc.greater(chance, 0.0), pc.less(chance, 1.0))
    named = held.append_column("from_all", pc.is_null(held["action_set"])).drop_columns(["action_set"])
    return pd.DataFrame(named.filter(kept).to_pandas())


def slots(lake: Lake, first: date, last: date, members: Sequence[str]) -> pd.DataFrame | None:
    """What the members were shown by a draw from all titles, and what came of it as was known when those days ended:
    user_id, media_id, watched, propensity.

    None where less than LEAST of the impressions of those days were drawn so.
    """
    found = drawn(lake, first, last)
    if found is None:
        return None
    found = found[found["from_all"]]
    if len(found) < LEAST * lake.read("impressions", first, last, columns=["impression_id"]).num_rows:
        return None
    end, sampling = days.start(last + timedelta(days=1), lake.dataset.time_zone), SamplingConfig()
    judged = rows.read(lake, first, last, known_by=end, labels=None, sampling=sampling, seed=0).frame
    mine = judged[judged["user_id"].isin(members)].merge(found, on="impression_id")
    return mine[["user_id", "media_id", "watched", "propensity"]]
