"""Whose history was what at which moment: what serving would have known of a member when a row's title was shown."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.candidates.interactions import HISTORY_LENGTH, engagements
from pipelines.core.contracts import History
from pipelines.core.lake import Lake

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class KnownHistories:
    """histories: the distinct ones. place: (n,) which of them is a row's."""

    histories: list[History]
    place: Places


def from_lake(lake: Lake, rows: pd.DataFrame) -> KnownHistories:
    """The history of each row's ``user_id`` at its ``event_timestamp``: engaged watches begun and available before it.

    Oldest first, a media at its latest watch, the last HISTORY_LENGTH of them: what ``histories`` says of that moment.
    """
    moments = pd.to_datetime(rows["event_timestamp"], utc=True).dt.as_unit("us").astype(np.int64).to_numpy()
    if not len(rows):
        return KnownHistories([], np.empty(0, dtype=np.int64))
    latest = pd.Timestamp(int(moments.max()), unit="us", tz="UTC")
    events = engagements(lake, latest.to_pydatetime()).to_pandas()
    events = events[events["user_id"].isin(set(rows["user_id"]))]
    known_at = events[["at", "available_at"]].max(axis=1).astype("datetime64[us, UTC]").astype(np.int64)
    events = events.assign(known_at=known_at).sort_values(["user_id", "known_at", "at", "media_id"])
    own = {str(user): _Told.of(held) for user, held in events.groupby("user_id", sort=False)}
    return _ask(own, rows["user_id"].astype(str).tolist(), moments)


def from_column(rows: pd.DataFrame, name: str) -> KnownHistories:
    """The histories that a column of media id lists holds, oldest first."""
    codes, distinct = pd.factorize(
        pd.Series([tuple(v) if isinstance(v, (list, tuple, np.ndarray)) else () for v in rows[name]])
    )
    return KnownHistories([_history(list(media)) for media in distinct], codes.astype(np.int64))


@dataclass(frozen=True)
class _Told:
    """A member's engaged watches in the order in which they became known; all of one length, times in microseconds."""

    media: list[str]
    rank: list[int]
    """The place of each by when it happened: what arrived late is not what was watched last."""
    known_at: npt.NDArray[np.int64]

    @classmethod
    def of(cls, held: pd.DataFrame) -> "_Told":
        happened = np.lexsort((held["media_id"].to_numpy(str), held["at"].to_numpy()))
        return cls(held["media_id"].tolist(), np.argsort(happened).tolist(), held["known_at"].to_numpy(np.int64))

    def first(self, count: int) -> History:
        """The history made of the ``count`` watches that became known first."""
        order = sorted(range(count), key=self.rank.__getitem__, reverse=True)
        latest = {self.media[n]: None for n in order}
        return _history(list(latest)[:HISTORY_LENGTH][::-1])


def _ask(own: dict[str, _Told], users: list[str], moments: Any) -> KnownHistories:
    histories, places, found = [History()], np.zeros(len(users), dtype=np.int64), dict[tuple[str, int], int]()
    for row, user in enumerate(users):
        told = own.get(user)
        count = int(np.searchsorted(told.known_at, moments[row], side="left")) if told else 0
        if told is None or not count:
            continue
        if (user, count) not in found:
            found[user, count] = len(histories)
            histories.append(told.first(count))
        places[row] = found[user, count]
    return KnownHistories(histories, places)


def _history(media: list[str]) -> History:
    return History(tuple(media), (1.0,) * len(media))
