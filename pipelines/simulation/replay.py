"""Members of a real log at the page: a title counts as watched exactly where the log says that they watched it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd

from pipelines.core import days
from pipelines.core.errors import DataError
from pipelines.simulation.randomness import stream
from pipelines.simulation.traffic import Event, Item, Request, page_request, visit, watch


class ReplayBehaviour:
    """``watches``: the log from the simulated day on (columns of the canonical table), in the data set's ``time_zone``.

    Nothing is known of what the log did not show: a title that the member never met there counts as not watched, so
    figures from replayed traffic are lower than those of live members.
    """

    def __init__(self, watches: pd.DataFrame, time_zone: str = "UTC") -> None:
        if watches.empty:
            raise DataError("the log holds no watches to replay: simulate a day within it")
        ordered = watches.assign(started_at=pd.to_datetime(watches["started_at"], utc=True)).sort_values("started_at")
        self._zone = time_zone
        self._visits = ordered[["user_id", "started_at", "device"]]
        self._watched = ordered.drop_duplicates(["user_id", "media_id"]).set_index(["user_id", "media_id"])

    def requests(self, day: date, n: int, seed: int) -> list[Request]:
        """At most ``n`` of the members whom the log saw on that day, each at the time of the first watch there."""
        began, ended = days.start(day, self._zone), days.start(day + timedelta(days=1), self._zone)
        today = self._visits[self._visits["started_at"].between(began, ended, inclusive="left")]
        first = today.drop_duplicates("user_id").sort_values(["started_at", "user_id"], kind="stable")
        if first.empty:
            raise DataError(f"watches has no rows for {day}: simulate a day that the log holds")
        kept = stream(seed, "replay", day.toordinal()).permutation(len(first))[:n]
        rows = first.iloc[np.sort(kept)]
        triples = zip(rows["user_id"], rows["started_at"], rows["device"], strict=True)
        return [
            page_request(day, seed, k, user, at.to_pydatetime(), None if pd.isna(device) else device)
            for k, (user, at, device) in enumerate(triples)
        ]

    def respond(self, items: Sequence[Item], request: Request, seed: int) -> list[Event]:
        """The log decides: ``seed`` is not needed."""
        events: list[Event] = []
        at: datetime = request["at"].astimezone(UTC) + timedelta(seconds=20)
        for item in items:
            key = (request["user_id"], item["media_id"])
            if key not in self._watched.index:
                continue
            events.append(self._watch(request, item, at))
            at += timedelta(seconds=events[-1]["watched_seconds"] or 0)
        return [*events, visit(request, events)]

    def _watch(self, request: Request, item: Item, at: datetime) -> Event:
        """As logged; where the log does not know how much was watched, all of it."""
        row = self._watched.loc[(request["user_id"], item["media_id"])]
        watched, total, completion = (
            None if pd.isna(row[name]) else float(row[name])
            for name in ("watched_seconds", "total_seconds", "completion")
        )
        unknown = watched is None and completion is None
        return watch(request, item, at, watched, total) | {"completion": 1.0 if unknown else completion}
