"""KuaiRand's user and video tables: who the members are and what the videos are, with the columns of its own.

The data set dates neither table. Users are taken as known from the beginning; a video from the start of the day it was
uploaded. `register_days` counts from a day that is not published, so `joined_at` stays null.
"""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.core import days
from pipelines.core.dataset import ExtraColumn
from pipelines.core.tables import DAY, FLOAT, INT, MEDIA, STRING, TIME, TYPES, USERS, Column
from pipelines.sources.source import ALWAYS, Batch, fill

ZONE = "Asia/Shanghai"
_YEAR = 2022  # The logs run from 8 April to 8 May 2022; file names give month and day only.
_NO_MUSIC = "0"  # Written on the rows that have no music_type either.


def _own(entity: Any, type_: Any, **meanings: str) -> tuple[ExtraColumn, ...]:
    return tuple(ExtraColumn(name=n, entity=entity, type=type_, meaning=m) for n, m in meanings.items())


_ENCRYPTED = {n: f"onehot_feat{n}: an encrypted category of the member" for n in range(18)}
USER_COLUMNS = (
    *_own("user", "string", user_active_degree="how active the member is, in the source's words"),
    *_own(
        "user",
        "bool",
        is_lowactive_period="the member is in a period of low activity",
        is_live_streamer="the member streams live; null = unknown",
        is_video_author="the member has uploaded a video",
    ),
    *_own(
        "user",
        "int",
        follow_user_num="how many users the member follows",
        fans_user_num="how many users follow the member",
        friend_user_num="how many friends the member has",
        register_days="days since the member registered, counted from a day that is not published",
    ),
    *_own("user", "string", **{f"onehot_feat{n}": meaning for n, meaning in _ENCRYPTED.items()}),
)
"""The *_range columns are left out: they are bins of the numbers beside them."""

MEDIA_COLUMNS = (
    *_own(
        "media",
        "string",
        upload_type="how the video was uploaded",
        music_id="the music in the video",
        music_type="the kind of music",
        visible_status="who may see the video",
    ),
    *_own("media", "int", server_width="width in pixels", server_height="height in pixels"),
)

USER_TYPES = {"user_id": STRING} | {
    c.name: FLOAT if c.name.startswith("onehot") else INT if c.type == "bool" else TYPES[c.type] for c in USER_COLUMNS
}
VIDEO_TYPES = {
    "video_id": STRING,
    "author_id": STRING,
    "video_type": STRING,
    "upload_dt": DAY,
    "upload_type": STRING,
    "visible_status": FLOAT,
    "video_duration": FLOAT,
    "server_width": FLOAT,
    "server_height": FLOAT,
    "music_id": STRING,
    "music_type": FLOAT,
    "tag": STRING,
}


def day_start(month: int, day: int) -> datetime:
    """The moment at which that day of the logs' year begins in Shanghai."""
    return days.start(date(_YEAR, month, day), ZONE)


def users(rows: pa.Table) -> Iterator[Batch]:
    """Users with every column of the source that is not a bin of another."""
    columns: dict[str, Any] = {"user_id": rows["user_id"], "available_at": _repeat(ALWAYS, TIME, len(rows))}
    for column in USER_COLUMNS:
        values = rows[column.name]
        if column.type == "bool":
            columns[column.name] = _flag(values)
        elif column.name.startswith("onehot"):
            columns[column.name] = _category(values)
        else:
            columns[column.name] = _known(values) if column.type == "string" else values
    yield USERS, fill(USERS, columns, _extras(USER_COLUMNS))


def media(rows: pa.Table) -> Iterator[Batch]:
    """Media: kind is the video's type, the creator its author, genres its tags (``tag39``), main one first."""
    uploaded = pc.assume_timezone(rows["upload_dt"].cast(pa.timestamp("us")), ZONE).cast(TIME)
    columns = {
        "media_id": rows["video_id"],
        "available_at": pc.coalesce(uploaded, pa.scalar(ALWAYS, TIME)),
        "kind": _known(rows["video_type"]),
        "duration_seconds": pc.divide(rows["video_duration"], 1000.0),
        "genres": _genres(rows["tag"]),
        "creator": rows["author_id"],
        "release_date": rows["upload_dt"],
        "platform_at": uploaded,
        "upload_type": _known(rows["upload_type"]),
        "music_id": pc.if_else(pc.equal(rows["music_id"], _NO_MUSIC), pa.scalar(None, STRING), rows["music_id"]),
        "music_type": _category(rows["music_type"]),
        "visible_status": _category(rows["visible_status"]),
        "server_width": rows["server_width"],
        "server_height": rows["server_height"],
    }
    yield MEDIA, fill(MEDIA, columns, _extras(MEDIA_COLUMNS))


def _extras(columns: tuple[ExtraColumn, ...]) -> tuple[Column, ...]:
    return tuple(Column(c.name, TYPES[c.type], c.meaning) for c in columns)


def _repeat(value: object, type_: pa.DataType, rows: int) -> Any:
    return pa.nulls(rows, type_).fill_null(pa.scalar(value, type_))


def _known(values: Any) -> Any:
    """The source writes UNKNOWN where it does not know; here absent is null."""
    return pc.if_else(pc.equal(values, "UNKNOWN"), pa.scalar(None, STRING), values)


def _flag(values: Any) -> Any:
    """1 and 0 are true and false; anything else (the source's -124) is unknown."""
    return pc.if_else(pc.is_in(values, pa.array([0, 1], INT)), pc.equal(values, 1), pa.scalar(None, pa.bool_()))


def _category(values: Any) -> Any:
    """Categories that the source writes as 4.0 or 4 are the string 4."""
    return values.cast(INT).cast(STRING)


def _genres(tags: Any) -> Any:
    split = pc.split_pattern(tags.combine_chunks() if isinstance(tags, pa.ChunkedArray) else tags, ",")
    named = pc.binary_join_element_wise("tag", pc.utf8_trim_whitespace(split.values), "")
    return pa.ListArray.from_arrays(split.offsets, named, mask=split.is_null())
