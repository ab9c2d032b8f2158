"""The history of user_recent in the lake: a file a day, a row each time something of a member became known.

A row holds from its ``event_timestamp`` on, which is when its last event became known. DuckDB computes it whichever
engine computes the daily views: no other one keeps the greatest n of a growing frame.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.core import days
from pipelines.core.dataset import Dataset
from pipelines.core.engagement import with_engaged
from pipelines.core.lake import Lake
from pipelines.features import engines, stream, vocabulary
from pipelines.features.plan import Span, table_of
from pipelines.features.sequence import micros
from pipelines.features.text import codes
from pipelines.features.views import tables_of

TERMS = vocabulary.TERMS
DAY = timedelta(days=1)


def publish(lake: Lake, dataset: Dataset, genres: tuple[str, ...], span: Span) -> int:
    """Publish the days ``span.first`` to ``span.last``; a day on which nothing became known is empty. Rows in all.

    A span that is made anew begins with everyone as they stood at its start.
    """
    name, zone = table_of(stream.VIEW), dataset.time_zone
    begin, end = (days.start(day, zone) for day in (span.first, span.last + DAY))
    with engines.opened("duckdb") as connection:
        happened = events(connection, lake, dataset, genres, through=span.last)
        due = stream.rows(happened, stream.Span(micros(begin), micros(end), span.whole))
        found = stream.counted(due.order_by("known", stream.KEY).to_pyarrow(), len(genres))
    by_day = dict(_by_day(_stamped(found), span, zone))
    stale = {*lake.days(name, span.first, span.last), *([span.first] if span.whole else [])}
    for day in sorted(stale | by_day.keys()):
        lake.publish(name, by_day.get(day, _stamped(found.slice(0, 0))), day)
    return int(found.num_rows)


def events(connection: Any, lake: Lake, dataset: Dataset, genres: tuple[str, ...], through: date | None = None) -> Any:
    """The lake's watches and searches as ``stream.events``, of the days up to ``through``."""
    read = tables_of(connection, lake, dataset, through=through)
    watches = with_engaged(read["watches"], read["ratings"], dataset)
    of_media = stream.codes_of(connection, "media_codes", "media_id", genre_codes(lake, genres).items())
    asked = pc.unique(read["searches"].select("query").distinct().to_pyarrow()["query"]).to_pylist()
    of_query = stream.codes_of(connection, "query_codes", "query", term_codes(lake, asked).items())
    return stream.events(watches, read["searches"], of_media, of_query)


def genre_codes(lake: Lake, genres: tuple[str, ...]) -> dict[str, list[int]]:
    """The codes of each media's genres, each once; of a media that is listed twice, those of its last row."""
    code = {genre: place for place, genre in enumerate(genres)}
    media = lake.read("media", columns=["media_id", "available_at", "genres"]).sort_by("available_at")
    listed = zip(media["media_id"].to_pylist(), media["genres"].to_pylist(), strict=True)
    return {media_id: sorted({code[g] for g in own or () if g in code}) for media_id, own in listed}


def term_codes(lake: Lake, queries: list[str]) -> dict[str, list[int]]:
    """The codes of each query's words, counted from 1; words that no title has are left out."""
    code = {term: place for place, term in enumerate(vocabulary.read(lake, TERMS), start=1)}
    return {query: codes(query, code) for query in queries}


def _stamped(found: pa.Table) -> pa.Table:
    """The rows in the order of the catalogue, their time in microseconds UTC as Feast reads it."""
    at = found["known"].cast(pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC"))
    return (
        found.select([n for n in found.column_names if n != "known"])
        .append_column("event_timestamp", at)
        .append_column("created_timestamp", at)
    )


def _by_day(rows: pa.Table, span: Span, zone: str) -> Iterator[tuple[date, pa.Table]]:
    at = rows["event_timestamp"]
    for day in days.between(span.first, span.last):
        begin, end = (pa.scalar(days.start(d, zone), pa.timestamp("us", tz="UTC")) for d in (day, day + DAY))
        here = rows.filter(pc.and_(pc.greater_equal(at, begin), pc.less(at, end)))
        if here.num_rows:
            yield day, here
