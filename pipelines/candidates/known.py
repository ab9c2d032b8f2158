"""Whose history was what at which moment: what serving would have known of a member when a row's title was shown."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.candidates.interactions import COUNTRY, HISTORY_LENGTH, asked_on, engagements
from pipelines.candidates.members import Versions, versions
from pipelines.core.contracts import DEVICE, History
from pipelines.core.lake import Lake

Places = npt.NDArray[np.int64]
REQUEST = (DEVICE, COUNTRY)
"""What the rows may say of the request."""


@dataclass(frozen=True)
class KnownHistories:
    """histories: the distinct ones. place: (n,) which of them is a row's."""

    histories: list[History]
    place: Places


def from_lake(lake: Lake, rows: pd.DataFrame) -> KnownHistories:
    """The history of each row's ``user_id`` at its ``event_timestamp``: engaged watches begun and available before it.

    Oldest first, a media at its latest watch, the last HISTORY_LENGTH of them, and what was known of the member: what
    ``histories`` says of that moment. With it the request's device and country, where the rows have these columns.
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
    users = rows["user_id"].astype(str).tolist()
    members = versions(lake, latest.to_pydatetime(), set(users))
    said = zip(*(rows[name].tolist() if name in rows else [None] * len(rows) for name in REQUEST), strict=True)
    return _ask(own, members, zip(users, moments.tolist(), said, strict=True))


@dataclass(frozen=True)
class _Told:
    """A member's engaged watches in the order in which they became known; all of one length, times in microseconds."""

    media: list[str]
    rank: list[int]
    """The place of each by when it happened: what arrived late is not what was watched last."""
    known_at: list[int]

    @classmethod
    def of(cls, held: pd.DataFrame) -> "_Told":
        happened = np.lexsort((held["media_id"].to_numpy(str), held["at"].to_numpy()))
        return cls(held["media_id"].tolist(), np.argsort(happened).tolist(), held["known_at"].tolist())

    def first(self, count: int) -> tuple[str, ...]:
        """The last media, oldest first, of the ``count`` watches that became known first."""
        order = sorted(range(count), key=self.rank.__getitem__, reverse=True)
        latest = {self.media[n]: None for n in order}
        return tuple(list(latest)[:HISTORY_LENGTH][::-1])


NOBODY, NOTHING = Versions([], []), _Told([], [], [])


def _ask(
    own: dict[str, _Told], members: dict[str, Versions], rows: Iterable[tuple[str, int, tuple[object, ...]]]
) -> KnownHistories:
    """A history is told apart by the member, how many watches were known, what the member was, and the request."""
    histories, places = list[History](), list[int]()
    found, media = dict[tuple[object, ...], int](), dict[tuple[str, int], tuple[str, ...]]()
    for user, moment, words in rows:
        told, member = own.get(user, NOTHING), members.get(user, NOBODY)
        count, version = bisect_left(told.known_at, moment), member.before(moment)
        said = tuple(word if isinstance(word, str) else None for word in words)
        context = member.contexts[version] if version >= 0 else {}
        key = (user if count or context else "", count, version if context else -1, *said)
        if key not in found:
            if (user, count) not in media:
                media[user, count] = told.first(count)
            found[key] = len(histories)
            history = _history(media[user, count], context)
            histories.append(asked_on(history, **dict(zip(REQUEST, said, strict=True))))
        places.append(found[key])
    return KnownHistories(histories, np.array(places, dtype=np.int64))


def _history(media: tuple[str, ...], context: Mapping[str, object]) -> History:
    return History(media, (1.0,) * len(media), context)
