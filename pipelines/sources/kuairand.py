"""KuaiRand (Gao et al., CIKM 2022) in its official layout, Pure, 1K or 27K, streamed to the canonical tables.

The video statistics file is never read: it averages over the whole period, so it would leak the future.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.core.dataset import Dataset
from pipelines.core.errors import DataError
from pipelines.core.tables import DISMISSALS, HISTORY, IMPRESSIONS, INT, REASON, STRING, TIME, WATCHES
from pipelines.sources import delimited, kuairand_profiles
from pipelines.sources.kuairand_profiles import ZONE
from pipelines.sources.source import Batch, Part, Source, fill, folder_of

_VARIANT = re.compile(r"_(pure|1k|27k)(?:_part\d+)?\.csv$")
_HISTORY = re.compile(r"history_before_(\d+)_(\d+)\.parquet$")
_LOG = {
    "user_id": STRING,
    "video_id": STRING,
    "time_ms": INT,
    "is_click": INT,
    "is_hate": INT,
    "play_time_ms": INT,
    "duration_ms": INT,
    "is_rand": INT,
    "tab": STRING,
}
_HISTORY_COLUMNS = ("user_id", "position", "video_id", "long_view")
_REMEDY = "give --path the KuaiRand folder, which holds data/log_standard_*.csv"


def read(path: Path, *, chunk_rows: int = 200_000) -> Source:
    """The data set in ``path`` (its root or its data/ folder); DataError names what is missing or misshapen."""
    folder = folder_of(path, _REMEDY)
    folder = folder / "data" if (folder / "data").is_dir() else folder
    users, videos = _files(folder, "user_features_*.csv"), _files(folder, "video_features_basic_*.csv")
    logs = _files(folder, "log_*.csv")
    variant = _variant([*users, *videos, *logs])
    parts = [_part(f, kuairand_profiles.USER_TYPES, kuairand_profiles.users, chunk_rows) for f in users]
    parts += [_part(f, kuairand_profiles.VIDEO_TYPES, kuairand_profiles.media, chunk_rows) for f in videos]
    parts += [_history_part(f, chunk_rows) for f in sorted(folder.glob("history_before_*.parquet"))]
    parts += [_part(f, _LOG, events, chunk_rows) for f in logs]
    return Source(_dataset(variant), parts)


def events(rows: pa.Table) -> Iterator[Batch]:
    """Impressions, watches and dismissals of a piece of log. A row whose duration is 0 carries its reason along."""
    shown = _microseconds(rows["time_ms"])
    known = _microseconds(pc.add(rows["time_ms"], pc.max_element_wise(rows["play_time_ms"], 0)))
    ids = pc.binary_join_element_wise(rows["user_id"], rows["video_id"], rows["time_ms"].cast(STRING), "-")
    shared = {"impression_id": ids, "user_id": rows["user_id"], "media_id": rows["video_id"], REASON: _unfit(rows)}
    impressions = {
        "shown_at": shown,
        "available_at": shown,
        "surface": pc.binary_join_element_wise("tab", rows["tab"], ""),
        "policy": pc.if_else(pc.equal(rows["is_rand"], 1), "random", "standard"),
        "clicked": pc.not_equal(rows["is_click"], 0),
    }
    yield IMPRESSIONS, fill(IMPRESSIONS, shared | impressions)
    watches = {
        "watch_id": ids,
        "started_at": shown,
        "available_at": known,
        "watched_seconds": _seconds(rows["play_time_ms"]),
        "total_seconds": _seconds(rows["duration_ms"]),
        "completion": _ratio(rows["play_time_ms"], rows["duration_ms"]),
    }
    yield WATCHES, fill(WATCHES, shared | watches).filter(pc.not_equal(rows["play_time_ms"], 0))
    hated = {"dismissal_id": ids, "dismissed_at": known, "available_at": known}
    yield DISMISSALS, fill(DISMISSALS, shared | hated).filter(pc.not_equal(rows["is_hate"], 0))


def history(rows: pa.Table, before: Any, counts: Any) -> Iterator[Batch]:
    """Impressions with policy HISTORY, a second apart before the moment ``before``: an order, not a measurement.

    The source's own engagement (long_view) maps to a watch of completion 1; seconds are unknown.
    """
    users, media = rows["user_id"].cast(STRING), rows["video_id"].cast(STRING)
    back = pc.subtract(counts, rows["position"])
    shown = pc.subtract(pa.scalar(before, TIME), pc.multiply(back, 1_000_000).cast(pa.duration("us")))
    ids = pc.binary_join_element_wise(users, rows["position"].cast(STRING), "-")
    ids = pc.binary_join_element_wise("history", ids, "-")
    shared = {"impression_id": ids, "user_id": users, "media_id": media, "available_at": shown}
    policy = pa.array([HISTORY]).take(pa.nulls(len(rows), pa.int32()).fill_null(0))
    yield IMPRESSIONS, fill(IMPRESSIONS, shared | {"shown_at": shown, "policy": policy})
    completion = pc.if_else(pc.equal(rows["long_view"], 1), 1.0, None)
    watches = shared | {"watch_id": ids, "started_at": shown, "completion": completion}
    yield WATCHES, fill(WATCHES, watches).filter(pc.equal(rows["long_view"], 1))


def _dataset(variant: str) -> Dataset:
    return Dataset(
        name=f"kuairand-{variant}",
        source="kuairand",
        time_zone=ZONE,
        columns=(*kuairand_profiles.USER_COLUMNS, *kuairand_profiles.MEDIA_COLUMNS),
        licence="CC BY-SA 4.0",
        citation="Gao et al., KuaiRand, CIKM 2022, doi 10.1145/3511808.3557624",
    )


def _files(folder: Path, pattern: str) -> list[Path]:
    found = sorted(folder.glob(pattern))
    if not found:
        raise DataError(f"{folder} has no {pattern}: {_REMEDY}")
    return found


def _variant(files: list[Path]) -> str:
    named = {m.group(1) for f in files if (m := _VARIANT.search(f.name))}
    if len(named) != 1:
        found = ", ".join(sorted(named)) or "none"
        raise DataError(f"{files[0].parent} holds files of {found} where one of pure, 1k, 27k is wanted: separate them")
    return named.pop()


def _part(
    path: Path, types: dict[str, pa.DataType], convert: Callable[[pa.Table], Iterator[Batch]], chunk_rows: int
) -> Part:
    delimited.require(path, delimited.header(path), list(types))

    def batches(report: Callable[[int], None]) -> Iterator[Batch]:
        rows = 0
        for chunk in delimited.chunks(path, types, chunk_rows, report):
            rows += len(chunk)
            yield from convert(chunk)
        if not rows:
            raise DataError(f"{path} has a header and no rows: fetch the file again")

    return Part(path, batches)


def _history_part(path: Path, chunk_rows: int) -> Part:
    named = _HISTORY.search(path.name)
    if not named:
        raise DataError(f"{path}: the name must give the day it ends at, as in history_before_4_25.parquet: rename it")
    delimited.refuse_empty(path)
    try:
        delimited.require(path, pq.read_schema(path).names, _HISTORY_COLUMNS)
    except pa.ArrowInvalid as exc:
        raise DataError(f"{path} is not a parquet file ({exc}): fetch it again") from exc
    before = kuairand_profiles.day_start(int(named.group(1)), int(named.group(2)))
    return Part(path, partial(_history_batches, path, before, chunk_rows))


def _history_batches(path: Path, before: Any, chunk_rows: int, report: Callable[[int], None]) -> Iterator[Batch]:
    """Two passes, because a row's place before ``before`` depends on how many rows its user has in the whole file."""
    users = pq.read_table(path, columns=["user_id"])
    counted = users.group_by("user_id").aggregate([("user_id", "count")])
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(chunk_rows, columns=list(_HISTORY_COLUMNS)):
            rows = pa.Table.from_batches([batch])
            places = pc.index_in(rows["user_id"], counted["user_id"])
            yield from history(rows, before, counted["user_id_count"].take(places))


def _unfit(rows: pa.Table) -> Any:
    return pc.if_else(pc.less_equal(rows["duration_ms"], 0), "duration is 0", pa.scalar(None, STRING))


def _microseconds(milliseconds: Any) -> Any:
    return pc.multiply(milliseconds, 1000).cast(TIME)


def _seconds(milliseconds: Any) -> Any:
    return pc.divide(milliseconds.cast(pa.float64()), 1000.0)


def _ratio(played: Any, duration: Any) -> Any:
    known = pc.if_else(pc.greater(duration, 0), duration, None)
    return pc.divide(played.cast(pa.float64()), known.cast(pa.float64()))
