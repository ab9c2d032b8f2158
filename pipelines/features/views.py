"""Every stored view as an expression over the canonical tables: the one list of what a refresh computes."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from pipelines.core import tables
from pipelines.core.dataset import Dataset
from pipelines.core.lake import Lake
from pipelines.features import events, media, packing, user


def tables_of(connection: Any, lake: Lake, dataset: Dataset) -> dict[str, Any]:
    """The canonical tables by name; those that were never published have no rows."""
    return {name: _table(connection, lake, name, dataset=dataset) for name in tables.TABLES}


def _table(connection: Any, lake: Lake, name: str, *, dataset: Dataset) -> Any:
    files = lake.files(name)
    if files:
        return connection.read_parquet([str(f) for f in files], hive_partitioning=False, union_by_name=True)
    table = tables.TABLES[name]
    connection.con.register(f"no_{name}", tables.empty(table, dataset.extras_of(table)))
    return connection.table(f"no_{name}")


def snapshots_of(connection: Any, read: Mapping[str, Any], dataset: Dataset, genres: tuple[str, ...]) -> dict[str, Any]:
    """View -> key, ``e`` (the last day that a snapshot knows of, as days since 1970) and the view's columns."""
    facts = _materialised(connection, events.facts(read["impressions"], read["watches"], read["ratings"], dataset))
    coded = pa.table({"value": pa.array(genres, pa.string()), "code": pa.array(range(len(genres)), pa.int64())})
    connection.con.register("codes", coded)
    codes = connection.table("codes")
    titles, zone = read["media"], dataset.time_zone
    found = {
        "user_attributes": user.attributes(read["users"], dataset),
        "user_activity": user.activity(facts, media.main_genre(titles), read["sessions"], zone),
        "user_genres": user.genres(facts, media.genre_codes(titles, codes), genres),
        "media_profile": media.profile(titles, genres, dataset),
        "media_popularity": media.popularity(facts),
        "media_creator": media.creator(facts, titles, zone),
    }
    return found | {view: packing.with_packed(found[view], view, dataset) for view in packing.PACKED_VIEWS}


def _materialised(connection: Any, expression: Any) -> Any:
    """The facts feed four views: computed once, into a temporary table of the engine."""
    connection.raw_sql(f"CREATE TEMP TABLE facts AS {connection.compile(expression)}")
    return connection.table("facts")
