"""What members did lately, over whole tables: the history of the view user_recent, one row each time something of a
member became known.

``pipelines.features.sequence`` defines the row; here it is the same for all members at once. The last events are kept
by an aggregate (the greatest n), not by a frame of the last n rows: what becomes known late belongs in the middle.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.datatypes as dt
import numpy as np
import pyarrow as pa

from pipelines.features.events import micros
from pipelines.features.sequence import EXACT, HISTORY, PAUSE, RECENT, SEARCHED, SEARCHES

VIEW = "user_recent"
KEY = "user_id"
GENRES = "genre_codes"
"""Genre codes of the recent watches, one after another: ``counted`` makes a histogram of them."""

_CODES = dt.Array(dt.int64)
WATCH = dt.Struct(
    {
        "at": dt.int64,
        "id": dt.string,
        "media": dt.string,
        "completion": dt.int64,
        "watched": dt.int64,
        "until": dt.int64,
        "genres": _CODES,
    }
)
ENGAGED = dt.Struct({"at": dt.int64, "id": dt.string, "media": dt.string})
SEARCH = dt.Struct({"at": dt.int64, "id": dt.string, "query": dt.string, "terms": _CODES})


@ibis.udf.agg.builtin(name="max", signature=((WATCH, dt.int64), dt.Array(WATCH)))  # type: ignore[untyped-decorator]
def _last_watches(event: Any, count: int) -> Any:
    """The greatest ``count`` structs, which order by their first fields: the time, then the id."""


@ibis.udf.agg.builtin(name="max", signature=((ENGAGED, dt.int64), dt.Array(ENGAGED)))  # type: ignore[untyped-decorator]
def _last_engaged(event: Any, count: int) -> Any:
    """The same of engaged watches."""


@ibis.udf.agg.builtin(name="max", signature=((SEARCH, dt.int64), dt.Array(SEARCH)))  # type: ignore[untyped-decorator]
def _last_searches(event: Any, count: int) -> Any:
    """The same of searches."""


LISTS: dict[str, tuple[Callable[..., Any], int, dt.DataType]] = {
    "watch": (_last_watches, RECENT, WATCH),
    "engaged": (_last_engaged, HISTORY, ENGAGED),
    "search": (_last_searches, SEARCHES, SEARCH),
}
"""What is kept of a member: the aggregate, how many of them, and what each is."""


@dataclass(frozen=True)
class Span:
    """Rows known from ``begin`` to before ``end``, microseconds; ``whole``: everyone as they stood at ``begin`` too."""

    begin: int
    end: int
    whole: bool = False


def events(watches: Any, searches: Any, genres: Any, terms: Any) -> Any:
    """user_id, known, and one of watch, engaged and search: the events as the lists keep them.

    watches: canonical, with what ``with_engaged`` adds. genres: media_id, codes (array<int64>), one row a media.
    terms: query, codes, one row a query.
    """
    return _watches(watches, genres).union(_liked_later(watches), _searches(searches, terms))


def _watches(watches: Any, genres: Any) -> Any:
    joined = watches.left_join(genres, "media_id")
    at, known = micros(joined.started_at), _known(joined.started_at, joined.available_at)
    watched = _whole(joined.watched_seconds.fill_null(0.0))
    keys = {"at": at, "id": joined.watch_id, "media": joined.media_id}
    more = {
        "completion": _whole(joined.completion.clip(upper=1.0)),
        "watched": watched,
        "until": ibis.least(at + watched, known),
        "genres": joined.codes.fill_null(ibis.literal([], _CODES)),
    }
    return joined.select(
        KEY,
        known=known,
        watch=ibis.struct({**keys, **more}, type=WATCH),
        engaged=ibis.ifelse(
            joined.engaged & (_known(joined.started_at, joined.judged_at) <= known),
            ibis.struct(keys, type=ENGAGED),
            ibis.null(ENGAGED),
        ),
        search=ibis.null(SEARCH),
    )


def _liked_later(watches: Any) -> Any:
    """Watches that were known before the rating that makes them engaged: they enter that list with it."""
    known = _known(watches.started_at, watches.judged_at)
    late = watches.filter(watches.engaged & (known > _known(watches.started_at, watches.available_at)))
    keys = {"at": micros(late.started_at), "id": late.watch_id, "media": late.media_id}
    return late.select(
        KEY,
        known=_known(late.started_at, late.judged_at),
        watch=ibis.null(WATCH),
        engaged=ibis.struct(keys, type=ENGAGED),
        search=ibis.null(SEARCH),
    )


def _searches(searches: Any, terms: Any) -> Any:
    joined = searches.left_join(terms, "query")
    found = joined.codes.fill_null(ibis.literal([], _CODES))
    keys = {"at": micros(joined.searched_at), "id": joined.search_id, "query": joined["query"], "terms": found}
    return joined.select(
        KEY,
        known=_known(joined.searched_at, joined.available_at),
        watch=ibis.null(WATCH),
        engaged=ibis.null(ENGAGED),
        search=ibis.struct(keys, type=SEARCH),
    )


def _known(at: Any, available_at: Any) -> Any:
    return ibis.greatest(micros(at), micros(available_at))


def _whole(value: Any) -> Any:
    return (value * EXACT + 0.5).floor().cast("int64")


def rows(happened: Any, span: Span) -> Any:
    """user_id, known (microseconds) and the view user_recent, GENRES in the place of its histogram.

    One row a member and moment at which something of theirs became known, from all that was known by then.
    """
    new = happened.filter(happened.known >= span.begin, happened.known < span.end)
    old = happened.filter(happened.known < span.begin)
    if not span.whole:
        old = old.semi_join(new.select(KEY).distinct(), KEY)
    before = kept(old)
    after = _running(new)
    joined = after.left_join(before, KEY, rname="{name}_before")
    merged = joined.select(KEY, "known", **{n: _merged(joined[n], joined[f"{n}_before"], n) for n in LISTS})
    if span.whole:
        stood = before.anti_join(new.filter(new.known == span.begin), KEY)
        began = {n: _merged(stood[n], ibis.literal([], dt.Array(LISTS[n][2])), n) for n in LISTS}
        merged = merged.union(stood.select(KEY, known=ibis.literal(span.begin, "int64"), **began))
    return _features(merged)


def kept(happened: Any) -> Any:
    """user_id and the lists ``watch``, ``engaged`` and ``search`` of all the given events: a member's base."""
    return happened.group_by(KEY).agg(
        **{n: latest(happened[n], count, where=happened[n].notnull()) for n, (latest, count, _) in LISTS.items()}
    )


def _running(new: Any) -> Any:
    """The lists at each moment of the new events, from the new events alone; one row a member and moment."""
    so_far = ibis.range_window(preceding=None, following=0, group_by=KEY, order_by="known")
    lists = {n: latest(new[n], count, where=new[n].notnull()).over(so_far) for n, (latest, count, _) in LISTS.items()}
    place = ibis.row_number().over(ibis.window(group_by=[KEY, "known"], order_by="known"))
    running = new.select(KEY, "known", place=place, **lists)
    return running.filter(running.place == 0).drop("place")


def _merged(one: Any, other: Any, name: str) -> Any:
    """The last of both lists, oldest first."""
    _, count, of = LISTS[name]
    nothing = ibis.literal([], dt.Array(of))
    both = one.fill_null(nothing).concat(other.fill_null(nothing)).sort()
    return both[ibis.greatest(both.length() - count, 0) :]


def _features(found: Any) -> Any:
    watches, searches = found.watch, found.search
    known = watches.map(lambda w: w.completion).filter(lambda c: c.notnull())
    lately = searches[ibis.greatest(searches.length() - SEARCHED, 0) :]
    return found.select(
        KEY,
        "known",
        user_history=found.engaged.map(lambda w: w.media),
        user_recent_media=watches.map(lambda w: w.media),
        user_searches=searches.map(lambda s: s["query"]),
        user_search_terms=lately.map(lambda s: s.terms).flatten().unique().sort().cast("array<float32>"),
        **{GENRES: watches.map(lambda w: w.genres).flatten()},
        user_recent_watch_at=watches[-1].at.cast("float64") / EXACT,
        user_recent_completion=known.sums().cast("float64") / known.length().nullif(0).cast("float64") / EXACT,
        **_session(watches, searches),
    )


def _session(watches: Any, searches: Any) -> dict[str, Any]:
    """See sequence._session."""
    ended, searched = watches[-1].until, searches[-1].at
    parted = watches.map(
        lambda w, i: ibis.ifelse((i > 0) & (w.at - watches[ibis.greatest(i - 1, 0)].until > PAUSE), i, 0)
    )
    first = ibis.ifelse((searched - ended > PAUSE).fill_null(False), watches.length(), parted.maxs().fill_null(0))
    here = watches[first:]
    return {
        "user_session_watches": (watches.length() - first).cast("float64"),
        "user_session_watched_seconds": here.map(lambda w: w.watched).sums().fill_null(0).cast("float64") / EXACT,
        "user_session_seen_at": ibis.greatest(ibis.coalesce(ended, searched), ibis.coalesce(searched, ended)).cast(
            "float64"
        )
        / EXACT,
    }


def counted(found: pa.Table, width: int) -> pa.Table:
    """The rows with the histogram user_recent_genres, (width,) float32 each, in the place of GENRES."""
    place = found.schema.get_field_index(GENRES)
    codes = found.column(place).combine_chunks()
    n = found.num_rows
    of_row = np.repeat(np.arange(n), np.asarray(codes.value_lengths().fill_null(0)))
    flat = np.asarray(codes.flatten(), dtype=np.int64)
    counts = np.bincount(of_row * width + flat, minlength=n * width).astype(np.float32)
    edges = pa.array(np.arange(n + 1, dtype=np.int32) * width)
    return found.set_column(place, "user_recent_genres", pa.ListArray.from_arrays(edges, pa.array(counts)))


def codes_of(connection: Any, name: str, key: str, values: Iterable[tuple[str, list[int]]]) -> Any:
    """A table of ``key`` and ``codes`` in the engine, from pairs."""
    pairs = list(values)
    table = pa.table(
        {
            key: pa.array([k for k, _ in pairs], pa.string()),
            "codes": pa.array([codes for _, codes in pairs], pa.list_(pa.int64())),
        }
    )
    connection.con.register(name, table)
    return connection.table(name)
