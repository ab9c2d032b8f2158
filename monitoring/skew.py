"""Training-serving skew: the feature vectors that serving logged, rebuilt from the lake as of the request.

Features of media are rebuilt as of the snapshot that the log names; those of the member, of the moment and of both as
of the request. What is compared is the definition: a ranker's encoding comes after it, on both sides by the same code.
"""

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd

from monitoring.agreement import Agreement, compare
from pipelines import snapshot
from pipelines.adapters.event_store import EventStore
from pipelines.adapters.feature_store import FeatureStore
from pipelines.core import days
from pipelines.core.errors import DataError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.features import on_demand, vectors
from pipelines.features.catalogue import COMPUTED, CONTEXT, features
from pipelines.features.job import WATERMARK

AT = "event_timestamp"
MOST = 500
NOT_A_FEATURE = "what the release's generators think of a title is its own, not the feature store's"


@dataclass(frozen=True)
class Skew:
    """What agrees, worst first; and what could not be compared, by reason."""

    first: date
    last: date
    requests: int
    rows: int
    stale: int
    """Requests that were answered from a snapshot of an earlier day than their own."""
    features: tuple[Agreement, ...]
    left_out: dict[str, str]
    """Feature or kind of request -> why it is not compared."""

    @property
    def different(self) -> list[Agreement]:
        """The features that differ anywhere."""
        return [one for one in self.features if one.equal < one.rows]

    def as_dict(self) -> dict[str, Any]:
        return {
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
            "requests": self.requests,
            "rows": self.rows,
            "stale": self.stale,
            "different": [one.feature for one in self.different],
            "features": [one.as_dict() for one in self.features],
            "left_out": self.left_out,
        }


def measure(settings: Settings, first: date, last: date, *, most: int = MOST) -> Skew:
    """Compare the vectors logged on the days ``first`` to ``last``: at most ``most`` requests, drawn by their ids.

    Raises:
        DataError: nothing was logged on these days, or nothing that can be rebuilt yet.
    """
    lake = Lake(settings.lake_path)
    zone = lake.dataset.time_zone
    begin, end = (days.start(day, zone) for day in (first, last + timedelta(days=1)))
    with EventStore(settings.event_store_address) as store:
        store.migrate()
        logged = _drawn(store.served(begin, end), most)
    if not logged:
        raise DataError(
            f"no feature vectors were logged from {first} to {last}: choose days on which pages were served, "
            "or raise MARQUEE_FEATURE_LOG_SHARE"
        )
    ready, waiting = _ready(lake, logged)
    found, unlike = against_the_lake(settings, ready)
    stale = sum(snapshot.moment(row["snapshot_version"]) < _day_start(row, zone) for row in ready)
    rows = sum(len(row["media_ids"]) for row in ready)
    return Skew(first, last, len(ready), rows, stale, tuple(found), waiting | unlike)


def against_the_lake(settings: Settings, logged: list[dict[str, Any]]) -> tuple[list[Agreement], dict[str, str]]:
    """Every feature of these logged requests beside the rebuilt one, worst first; and why others are not compared."""
    served, keys = _served(logged)
    rebuilt = rebuild(settings, logged)
    defined = {f.name: f for f in features(Lake(settings.lake_path).dataset)}
    found = [compare(name, f.kind, keys, served[name], rebuilt[name]) for name, f in defined.items() if name in served]
    left_out = {name: "serving did not log it then" for name in defined if name not in served}
    left_out |= {name: "the catalogue has it no more" for name in served if name not in defined}
    left_out["retrieval scores"] = NOT_A_FEATURE
    return sorted(found, key=lambda one: (one.share, -(one.largest or 0.0), one.feature)), left_out


def rebuild(settings: Settings, logged: list[dict[str, Any]]) -> pd.DataFrame:
    """Every feature of the logged requests' titles, a row each, in their order."""
    store, asked = FeatureStore(settings), _rows(logged)
    found = store.historical(asked.drop(columns=["time_zone", "snapshot_version"]))
    found = _in_the_zone_asked_for(found, asked, Lake(settings.lake_path).dataset.time_zone)
    for version, places in asked.groupby("snapshot_version").indices.items():
        ids = asked["media_id"].iloc[places].tolist()
        media = store.media_rows(ids, snapshot.moment(str(version))).drop(columns="media_id")
        for name in media.columns:
            values = found[name].astype(object)
            values.iloc[places] = pd.Series(media[name].tolist(), index=values.index[places], dtype=object)
            found[name] = values
    return found


def _rows(logged: Iterable[dict[str, Any]]) -> pd.DataFrame:
    words = ("user_id", "device", "country", "surface", "time_zone", "snapshot_version")
    rows = [
        {name: row[name] for name in words} | {"media_id": media, AT: row["requested_at"]}
        for row in logged
        for media in row["media_ids"]
    ]
    return pd.DataFrame(rows).assign(**{AT: lambda f: pd.to_datetime(f[AT], utc=True).dt.as_unit("us")})


def _in_the_zone_asked_for(found: pd.DataFrame, asked: pd.DataFrame, zone: str) -> pd.DataFrame:
    """Where a request named a time zone, its moment is local to that, not to the member's own."""
    named = asked["time_zone"].notna().to_numpy()
    if not named.any():
        return found
    here = found[named]
    seconds = here[AT].astype("int64") / 1e6
    local = here.assign(user_time_zone=asked.loc[named, "time_zone"].to_numpy(), requested_at=seconds, zone=zone)
    moment = on_demand.context(local)
    for feature in (f for f in COMPUTED if f.view == CONTEXT):
        values = found[feature.name].astype(object)
        values[named] = moment[feature.name].astype(object).where(moment[feature.name].notna(), None)
        found[feature.name] = values
    return found


def _drawn(logged: Iterable[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """At most so many, by their ids, in the order of their times."""
    drawn = heapq.nsmallest(most, logged, key=lambda row: hashlib.blake2b(row["request_id"].encode()).digest())
    return sorted(drawn, key=lambda row: (row["requested_at"], row["request_id"]))


def _ready(lake: Lake, logged: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The requests of days that a refresh has computed, and why the others wait."""
    done, zone = lake.watermark(WATERMARK), lake.dataset.time_zone
    ready = [row for row in logged if done and days.of(row["requested_at"], zone) <= done.through]
    if not ready:
        through = done.through if done else "no day"
        raise DataError(f"the lake knows events through {through}: run refresh_features for the days to compare")
    waiting = Counter(days.of(row["requested_at"], zone) for row in logged) - Counter(
        days.of(row["requested_at"], zone) for row in ready
    )
    return ready, {
        f"{n} requests of {day}": "the lake does not know that day's events yet" for day, n in waiting.items()
    }


def _served(logged: list[dict[str, Any]]) -> tuple[dict[str, list[Any]], list[tuple[str, str, str]]]:
    """Feature -> one value a row, of those that every request logged; and request, member and media of each row."""
    unpacked = [vectors.unpack(row["features"]) for row in logged]
    names = set.intersection(*(set(one) for one in unpacked))
    keys = [(row["request_id"], row["user_id"], media) for row in logged for media in row["media_ids"]]
    sizes = [len(row["media_ids"]) for row in logged]
    columns = {
        name: [value for one, n in zip(unpacked, sizes, strict=True) for value in _spread(one[name], n)]
        for name in sorted(names)
    }
    return columns, keys


def _spread(values: list[Any], n: int) -> list[Any]:
    return values if len(values) == n else values * n


def _day_start(row: dict[str, Any], zone: str) -> datetime:
    return days.start(days.of(row["requested_at"], zone), zone)
