"""What a member engaged with, by language, people, lately by genre, and as one embedding (X2, X5): view user_tastes.

The engine answers whom it concerns and which titles each engaged with on which day. The rest is a matrix product of
whole numbers (a member's day by title, a title by code) and a running sum a member, so no order of rows can show.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import ibis
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from scipy.sparse import csr_matrix

from pipelines.core.dataset import Dataset
from pipelines.core.engagement import with_engaged
from pipelines.features.embedding import UNITS
from pipelines.features.events import usable_day
from pipelines.features.titles import Titles, as_lists

VIEW, KEY = "user_tastes", "user_id"
SPANS = {"_30d": 30, "_90d": 90}
FOLD = 128
"""A histogram has at most so many places: code c of a longer vocabulary counts at c modulo FOLD."""
CELLS = 20_000_000
"""Numbers that are summed at a time."""
BY_CODE = {
    "user_language_watched": "media_language_code",
    "user_actor_watched": "media_actors",
    "user_director_watched": "media_directors",
    "user_keyword_watched": "media_keywords",
}
"""Histograms over everything ever engaged with, and the titles' codes that they count."""

Whole = npt.NDArray[np.int64]


def engaged(watches: Any, ratings: Any, dataset: Dataset, before: int, last: int, *, whole: bool) -> Any:
    """user_id, media_id, e and times: the engaged watches up to the day ``last`` of the members it concerns.

    Those are all of them where ``whole``; else those for whom a day from ``before`` to ``last`` changes something, as
    a watch enters a window or leaves one.
    """
    judged = with_engaged(watches, ratings, dataset)
    liked = judged.filter(judged.engaged)
    dated = liked.select(KEY, "media_id", e=usable_day(liked.started_at, liked.judged_at, dataset.time_zone))
    happened = dated.filter(dated.e <= last)
    if not whole:
        changes = ibis.union(*(happened.select(KEY, e=happened.e + days) for days in (0, *SPANS.values())))
        concerned = changes.filter(changes.e >= before, changes.e <= last).select(KEY).distinct()
        happened = happened.semi_join(concerned, KEY)
    return happened.group_by(KEY, "media_id", "e").agg(times=happened.count())


def snapshots(found: pa.Table, titles: Titles, before: int, last: int, *, whole: bool) -> pa.Table:
    """user_id, e and the view, ordered by them, for the days ``before`` to ``last`` on which something changed.

    found: rows of ``engaged``. What is older counts as of one day: of ``before`` itself where ``whole``, so that
    everyone stands in it; else of the day before, which is not returned.
    """
    base = before if whole else before - 1
    user, names = _factorized(found[KEY])
    days, media = found["e"].to_numpy(), found["media_id"].to_numpy(zero_copy_only=False)
    watched = _Watched(user, days, _version(titles, media, days), found["times"].to_numpy())
    order = np.argsort(user, kind="stable")
    parts = [
        _of_members(names, watched.take(rows), titles, base, last)
        for rows in _blocks(order, user[order], CELLS // max(FOLD, _width(titles, "genres"), 1))
    ]
    table = pa.concat_tables(parts)
    kept = table if whole else table.filter(pa.array(table["e"].to_numpy() > base))
    return kept.sort_by([("e", "ascending"), (KEY, "ascending")])


def _factorized(column: pa.ChunkedArray) -> tuple[Whole, pa.Array]:
    """(n,) the place of each value among the distinct ones in their order, and those."""
    names = pa.array(sorted(column.unique().to_pylist()), pa.string())
    places = pa.compute.index_in(column.combine_chunks(), value_set=names)
    return places.to_numpy(zero_copy_only=False).astype(np.int64), names


def _version(titles: Titles, media: npt.NDArray[np.object_], days: Whole) -> Whole:
    """(n,) which version of its title each watch met: the last one known by that day, else the first; -1 = unknown."""
    if not len(titles.ids):
        return np.full(len(media), -1)
    own, distinct = pd.factorize(titles.ids)
    order = np.lexsort((titles.since, own))
    scale = int(max(titles.since.max(), days.max(initial=0))) + 2
    keys = own[order] * scale + np.clip(titles.since[order], 0, None)
    asked = pd.Index(distinct).get_indexer(pd.Index(media))
    place = np.searchsorted(keys, asked * scale + np.clip(days, 0, None), side="right") - 1
    first = np.searchsorted(own[order], asked)
    known = asked >= 0
    place, first = place.clip(0), first.clip(max=len(order) - 1)
    return np.where(known, order[np.maximum(place, first)], -1)


def _blocks(order: Whole, user: Whole, rows: int) -> Iterator[Whole]:
    """``order`` in parts of about ``rows`` changes, no member in two of them; one part at least."""
    ends = np.flatnonzero(np.diff(user, append=-1)) + 1
    begin = 0
    while begin < len(order):
        place = int(np.searchsorted(ends, begin + max(rows // (1 + len(SPANS)), 1)))
        end = int(ends[min(place, len(ends) - 1)])
        yield order[begin:end]
        begin = end
    if not len(order):
        yield order


@dataclass(frozen=True)
class _Watched:
    """What some members engaged with: who (their places), on which days, which version of a title, how many times."""

    user: Whole
    days: Whole
    version: Whole
    times: Whole

    def take(self, rows: Whole) -> "_Watched":
        return _Watched(self.user[rows], self.days[rows], self.version[rows], self.times[rows])


def _of_members(names: pa.Array, watched: _Watched, titles: Titles, base: int, last: int) -> pa.Table:
    scale = last + max(SPANS.values()) + 2
    entered = watched.user * scale + np.maximum(watched.days, base)
    left = {suffix: watched.user * scale + np.maximum(watched.days + span, base) for suffix, span in SPANS.items()}
    every = np.unique(np.concatenate([entered, *left.values()]))
    every = every[every % scale <= last]

    def running(codes: Any, *changes: tuple[Whole, int]) -> Whole:
        moments, signs = zip(*changes, strict=True)
        met, times = np.tile(watched.version, len(changes)), np.concatenate([s * watched.times for s in signs])
        at = np.concatenate(moments)
        due = (at % scale <= last) & (met >= 0)
        rows = np.searchsorted(every, at[due])
        by_title = csr_matrix((times[due], (rows, met[due])), shape=(len(every), len(titles.ids)))
        return _within_members(np.asarray((by_title @ codes).todense(), dtype=np.int64), every // scale)

    columns: dict[str, npt.NDArray[Any]] = {n: running(_by_code(titles, of), (entered, 1)) for n, of in BY_CODE.items()}
    columns["user_embedding"] = running(csr_matrix(titles.units)[titles.look], (entered, 1)) / UNITS
    of_genre = _by_code(titles, "genres")
    columns |= {f"user_genre_watched{span}": running(of_genre, (entered, 1), (at, -1)) for span, at in left.items()}
    held = {name: as_lists(values) for name, values in columns.items()}
    return pa.table({KEY: names.take(pa.array(every // scale)), "e": pa.array(every % scale, pa.int64()), **held})


def _within_members(changes: Whole, member: Whole) -> Whole:
    """(n, width) running sums of the rows, begun anew with each member; rows in the order of members and days."""
    summed = np.concatenate([np.zeros((1, changes.shape[1]), np.int64), np.cumsum(changes, axis=0)])
    found: Whole = summed[1:] - summed[np.searchsorted(member, member)]
    return found


def _width(titles: Titles, column: str) -> int:
    """Places of a histogram; one over genres is as wide as their vocabulary, as media_genres is."""
    return titles.sizes[column] if column == "genres" else min(titles.sizes[column], FOLD)


def _by_code(titles: Titles, column: str) -> Any:
    """(titles, width) how often each title counts at each place."""
    codes, width = titles.codes[column], _width(titles, column)
    places = (codes.values - 1) % (max(width, 1) if column == "genres" else FOLD)
    return csr_matrix((np.ones(len(places), np.int64), places, codes.edges), shape=(len(titles.ids), width))
