"""Every stored view as an expression over the canonical tables: the one list of what a refresh computes."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import ibis
import pyarrow as pa

from pipelines.core import tables
from pipelines.core.dataset import Dataset
from pipelines.core.lake import Lake
from pipelines.core.versions import since_first
from pipelines.features import (
    audience,
    catalogue,
    distributor,
    engines,
    events,
    media,
    stream,
    tastes,
    titles,
    user,
    versions,
    windows,
)


def tables_of(connection: Any, lake: Lake, dataset: Dataset, through: date | None = None) -> dict[str, Any]:
    """The canonical tables by name, events up to the day ``through``; those that were never published have no rows.

    Beside them, what members and titles were before they changed, by the name that ``tables.earlier`` gives.
    """
    found = {}
    for name, table in _named().items():
        files = lake.files(name, last=through)
        found[name] = engines.read_files(connection, files) if files else _nothing(table, dataset)
    return found


def _named() -> dict[str, tables.Table]:
    return {**tables.TABLES, **{tables.earlier(t.name): t for t in (tables.USERS, tables.MEDIA)}}


def _nothing(table: tables.Table, dataset: Dataset) -> Any:
    """No rows, with every column nullable, as engines read them from files."""
    schema = table.schema(dataset.extras_of(table))
    return ibis.memtable(pa.schema([pa.field(f.name, f.type) for f in schema]).empty_table())


def columns_of(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    """The columns of every view in the lake, in order, without the timestamps of its rows; the stream's last."""
    nothing = {name: _nothing(table, dataset) for name, table in _named().items()}
    views = snapshots_of(nothing, dataset, ("",), hold=lambda expression: expression)
    daily = {view: tuple(c for c in found.columns if c != "e") for view, found in views.items()}
    keys = {titles.VIEW: titles.KEY, tastes.VIEW: tastes.KEY, stream.VIEW: stream.KEY}
    return daily | {view: (key, *(f.name for f in catalogue.STORED if f.view == view)) for view, key in keys.items()}


def snapshots_of(
    read: Mapping[str, Any],
    dataset: Dataset,
    genres: tuple[str, ...],
    hold: Callable[[Any], Any],
    settled_before: int | None = None,
) -> dict[str, Any]:
    """View -> key, ``e`` (the last day that a snapshot knows of, as days since 1970) and the view's columns.

    hold: has the engine compute an expression once and keep it, for what feeds several views.
    settled_before: events of earlier days may count as of one day, see ``windows.settled``; then only the snapshots
    from ``settled_before + windows.LONGEST`` on are right, and they are equal to those of the whole.
    """
    every = events.facts(read["impressions"], read["watches"], read["ratings"], dataset)
    facts = hold(windows.settled(every, settled_before))
    visits = windows.settled(events.visits(read["sessions"], dataset.time_zone), settled_before)
    codes = ibis.memtable(
        pa.table({"value": pa.array(genres, pa.string()), "code": pa.array(range(len(genres)), pa.int64())})
    )
    zone = dataset.time_zone
    members = versions.of_days(read["users"], read[tables.earlier("users")], user.KEY, zone)
    profiles = versions.of_days(read["media"], read[tables.earlier("media")], media.KEY, zone)
    titles = since_first(read["media"], read[tables.earlier("media")], media.KEY)
    return {
        "user_attributes": user.attributes(members, dataset),
        "user_activity": user.activity(facts, media.main_genre(titles), visits),
        "user_genres": user.genres(facts, media.genre_codes(titles, codes), genres),
        "media_profile": media.profile(profiles, genres, dataset),
        "media_popularity": media.popularity(facts),
        "media_creator": media.creator(facts, titles, zone),
        "media_audience": audience.audience(read["watches"], read["ratings"], members, dataset, settled_before),
        "media_distributor": distributor.distributor(facts, titles, zone, settled_before),
    }
