"""What generators learn from: the lake's engaged watches that were known by a moment, as arrays."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.candidates.members import contexts, member_table
from pipelines.core.contracts import DEVICE, History, Ids, Interactions, Shown
from pipelines.core.engagement import with_engaged
from pipelines.core.errors import DataError
from pipelines.core.lake import Lake
from pipelines.core.tables import earlier


def _table(files: list[Path]) -> ibis.Table:
    return ibis.read_parquet([str(file) for file in files], hive_partitioning=False)


COUNTRY = "country"
KEY, WINDOW = "media_id", ("platform_at", "leaves_at")
HISTORY_LENGTH = 100
"""The most media of a history that generators are asked with, wherever it is read."""


def engagements(lake: Lake, as_of: datetime) -> pa.Table:
    """user_id, media_id, at, available_at, device of every engaged watch begun and known as such before ``as_of``.

    DataError when the lake holds no watches at all.
    """
    return _engagements(lake, as_of).drop("impression_id").to_pyarrow()


def _engagements(lake: Lake, as_of: datetime) -> ibis.Table:
    files = lake.files("watches")
    if not files:
        raise DataError(f"watches has no rows in {lake.root}: run marquee import first")
    ratings = _table(lake.files("ratings")) if lake.exists("ratings") else None
    watches = with_engaged(_table(files), ratings, lake.dataset)
    known = watches.filter(watches.engaged, watches.started_at < as_of, watches.judged_at < as_of)
    return known.select(
        "user_id", "media_id", "device", "impression_id", available_at=known.judged_at, at=known.started_at
    )


def engaged_watches(lake: Lake, as_of: datetime) -> pa.Table:
    """user_id, media_id, at, device of every engaged watch begun and available before ``as_of``, by member and time.

    One row a (member, media): the latest, on the device of the latest that named one; null where none did. DataError
    when the lake holds no watches at all.
    """
    known = _engagements(lake, as_of)
    # Of two watches at one moment the greater name, lest the engine's order decide.
    moments = known.group_by("user_id", "media_id", "at").agg(device=known["device"].max())
    latest = moments.group_by("user_id", "media_id").agg(
        at=moments["at"].max(), device=moments["device"].argmax(moments["at"])
    )
    return latest.order_by("user_id", "at", "media_id").to_pyarrow()


def media_table(lake: Lake, as_of: datetime, columns: Sequence[str] | None = None) -> pa.Table:
    """Every media on the platform at ``as_of``, by what was known of it then, sorted by id: the columns of ``media``.

    columns: only these, beside the id. DataError when there is none.
    """
    read = None if columns is None else list(dict.fromkeys((KEY, "available_at", *WINDOW, *columns)))
    tables = [_typed(lake, t, read) for t in (earlier("media"), "media") if t == "media" or lake.exists(t)]
    # A column that was declared since the earlier rows were written is null there.
    versions = pa.concat_tables(tables, promote_options="permissive")
    known = versions.filter(pc.field("available_at") < as_of)
    known = known.take(pc.sort_indices(known, [(KEY, "ascending"), ("available_at", "ascending")]))
    ids = known[KEY].to_numpy(zero_copy_only=False).astype(str)
    last = known.filter(pa.array(np.append(ids[1:] != ids[:-1], True)[: len(ids)]))
    came, leaves = (pc.field(name) for name in WINDOW)
    here = last.filter((came.is_null() | (came < as_of)) & (leaves.is_null() | (leaves > as_of)))
    if not here.num_rows:
        raise DataError(f"media has no title available before {as_of:%Y-%m-%d %H:%M}: import a catalogue first")
    return here if columns is None else here.select(list(dict.fromkeys((KEY, *columns))))


def _typed(lake: Lake, table: str, columns: list[str] | None) -> pa.Table:
    if columns is None or table == "media":
        return lake.read(table, columns=columns)
    held = pq.read_schema(lake.files(table)[0]).names
    return lake.read(table, columns=[name for name in columns if name in held])


def catalogue(lake: Lake, as_of: datetime) -> Ids:
    """The ids of every media on the platform at ``as_of``, by what was known of it then, sorted, as (n,) unicode.

    DataError when there is none.
    """
    return _ids(media_table(lake, as_of, ()))


def _ids(titles: pa.Table) -> Ids:
    return np.asarray(titles[KEY].to_numpy(zero_copy_only=False).astype(str))


def interactions(lake: Lake, as_of: datetime) -> Interactions:
    """Everything engaged with and shown before ``as_of``, and what was known of titles and members; weights are 1."""
    rows, titles = engaged_watches(lake, as_of), media_table(lake, as_of)
    return Interactions(
        users=rows["user_id"].to_numpy(zero_copy_only=False).astype(str),
        media=rows["media_id"].to_numpy(zero_copy_only=False).astype(str),
        weight=np.ones(rows.num_rows, dtype=np.float32),
        at=rows["at"].cast(pa.timestamp("us")).to_numpy(),
        catalogue=_ids(titles),
        media_table=titles,
        member_table=member_table(lake, as_of),
        device=rows["device"].to_numpy(zero_copy_only=False),
        shown=shown(lake, as_of),
    )


def shown(lake: Lake, as_of: datetime) -> Shown | None:
    """Every impression known before ``as_of``, by time, and whether a watch that it led to was engaged by then.

    None where the data set logged no impressions.
    """
    files = lake.files("impressions")
    if not files:
        return None
    impressions = _table(files)
    known = impressions.filter(impressions.shown_at < as_of, impressions.available_at < as_of)
    liked = _engagements(lake, as_of).filter(lambda watch: watch.impression_id.notnull())
    liked = liked.select(of="impression_id").distinct()
    rows = known.left_join(liked, known.impression_id == liked.of)
    found = rows.select(
        "impression_id", "user_id", "media_id", "position", "device", at=rows.shown_at, engaged=rows.of.notnull()
    )
    held = found.order_by("at", "impression_id").to_pyarrow()
    names = {name: held[name].to_numpy(zero_copy_only=False) for name in ("user_id", "media_id", "device")}
    return Shown(
        users=names["user_id"].astype(str),
        media=names["media_id"].astype(str),
        at=held["at"].cast(pa.timestamp("us")).to_numpy(),
        engaged=held["engaged"].cast(pa.float32()).to_numpy(zero_copy_only=False),
        position=held["position"].cast(pa.float32()).to_numpy(zero_copy_only=False),
        device=names["device"],
    )


def histories(lake: Lake, as_of: datetime, limit: int = HISTORY_LENGTH) -> dict[str, History]:
    """What was known of each member before ``as_of``, also of those who watched nothing yet.

    Engaged media, oldest first, the last ``limit`` of them; and the columns MEMBER as context. What is the request's,
    its device and country, is added where a page is asked for.
    """
    rows = engaged_watches(lake, as_of)
    users = rows["user_id"].to_numpy(zero_copy_only=False)
    media = rows["media_id"].to_pylist()
    found = {user: History(context=known) for user, known in contexts(member_table(lake, as_of))}
    edges = np.flatnonzero(np.r_[True, users[1:] != users[:-1], True]) if len(users) else np.array([0])
    for begin, end in pairwise(edges.tolist()):
        own, user = tuple(media[max(begin, end - limit) : end]), str(users[begin])
        found[user] = History(own, (1.0,) * len(own), found[user].context if user in found else {})
    return found


def asked_on(history: History, *, device: object = None, country: object = None) -> History:
    """The history with what the request says of itself, which counts before what is known of the member."""
    said = {name: word for name, word in ((DEVICE, device), (COUNTRY, country)) if isinstance(word, str)}
    return History(history.media, history.weight, {**history.context, **said}) if said else history
