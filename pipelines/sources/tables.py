"""Our own canonical tables as files: how a person brings their data.

A folder with dataset.yaml and, for each table, ``<table>.parquet``, ``<table>.csv`` or a folder ``<table>/`` of parquet
files. A column may be left out where it may be null; ``available_at`` left out or null means the event's own time (for
users, media and preferences: joined_at, platform_at, chosen_at, else the beginning). In CSV a list is written a|b|c.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.core import dataset as datasets
from pipelines.core.errors import DataError
from pipelines.core.tables import AVAILABLE, FLOATS, STRING, STRINGS, TABLES, TIME, Column, Table
from pipelines.sources import delimited
from pipelines.sources.cells import conform
from pipelines.sources.source import ALWAYS, Batch, Part, Source, fill, folder_of

_REMEDY = "give --path a folder with dataset.yaml and files such as users.csv, media.parquet, watches/"
_KNOWN_FROM = {"users": "joined_at", "media": "platform_at", "preferences": "chosen_at"}


def read(path: Path, *, chunk_rows: int = 200_000) -> Source:
    """The data set in ``path``; DataError names the file and column that does not belong or is missing."""
    folder = folder_of(path, _REMEDY)
    dataset = datasets.read(folder)
    _refuse_strangers(folder)
    parts = [
        _part(file, table, dataset.extras_of(table), chunk_rows)
        for table in TABLES.values()
        for file in _files(folder, table)
    ]
    if not parts:
        raise DataError(f"{folder} holds no canonical table ({', '.join(TABLES)}): {_REMEDY}")
    return Source(dataset, parts)


def _refuse_strangers(folder: Path) -> None:
    """A misspelt file name would otherwise be left out without a word."""
    for entry in sorted(folder.iterdir()):
        data = entry.is_dir() or entry.suffix in {".csv", ".parquet"}
        if data and not entry.name.startswith((".", "_")) and entry.stem not in TABLES:
            raise DataError(f"{entry} is not a canonical table: name it one of {', '.join(TABLES)}, or move it away")


def _files(folder: Path, table: Table) -> list[Path]:
    whole = [f for f in (folder / f"{table.name}.parquet", folder / f"{table.name}.csv") if f.exists()]
    parts = sorted((folder / table.name).rglob("*.parquet"))
    if len(whole) + bool(parts) > 1:
        raise DataError(f"{folder} holds {table.name} in more than one form: keep the CSV, the parquet or the folder")
    if not parts and (folder / table.name).is_dir():
        raise DataError(f"{folder / table.name} holds no parquet file: put the parts there or remove the folder")
    return whole or parts


def _part(path: Path, table: Table, extras: Sequence[Column], chunk_rows: int) -> Part:
    delimited.refuse_empty(path)
    columns = {c.name: c for c in (*table.columns, *extras)}
    names = delimited.header(path) if path.suffix == ".csv" else _parquet_names(path)
    for name in names:
        if name not in columns:
            raise DataError(f"{path}: column {name!r} is not a column of {table.name}: declare it in dataset.yaml")
    for column in columns.values():
        if column.name not in names and not column.nullable and column.name != AVAILABLE.name:
            raise DataError(f"{path}: column {column.name!r} is missing and may not be null: add it")
    present = {name: columns[name].type for name in columns if name in names}
    rows = partial(_csv if path.suffix == ".csv" else _parquet, path, present, chunk_rows)
    return Part(path, partial(_batches, rows, table, extras))


def _batches(
    rows: Callable[[Callable[[int], None]], Iterator[pa.Table]],
    table: Table,
    extras: Sequence[Column],
    report: Callable[[int], None],
) -> Iterator[Batch]:
    for chunk in rows(report):
        columns = {name: chunk[name] for name in chunk.column_names}
        yield table, fill(table, columns | {AVAILABLE.name: _available(table, columns, len(chunk))}, extras)


def _available(table: Table, columns: Mapping[str, Any], rows: int) -> Any:
    """From when each row could be known: what the file says, else the time that the row itself carries."""
    candidates = [columns[n] for n in (AVAILABLE.name, table.time or _KNOWN_FROM[table.name]) if n in columns]
    fallback = [] if table.time else [pa.scalar(ALWAYS, TIME)]
    return pc.coalesce(*candidates, *fallback) if candidates else pa.nulls(rows, TIME).fill_null(fallback[0])


def _csv(
    path: Path, types: Mapping[str, pa.DataType], chunk_rows: int, report: Callable[[int], None]
) -> Iterator[pa.Table]:
    written = {name: STRING if type_ in (STRINGS, FLOATS) else type_ for name, type_ in types.items()}
    row = 2
    for chunk in delimited.chunks(path, written, chunk_rows, report, multiline=True):
        lists = {n: pc.split_pattern(chunk[n], "|") if types[n] in (STRINGS, FLOATS) else chunk[n] for n in types}
        yield conform(path, row, pa.table(lists), types)
        row += len(chunk)


def _parquet(
    path: Path, types: Mapping[str, pa.DataType], chunk_rows: int, report: Callable[[int], None]
) -> Iterator[pa.Table]:
    row, size = 1, path.stat().st_size
    with pq.ParquetFile(path) as file:
        total = max(1, file.metadata.num_rows)
        for batch in file.iter_batches(chunk_rows, columns=list(types)):
            yield conform(path, row, pa.Table.from_batches([batch]), types)
            row += batch.num_rows
            report(int(size * (row - 1) / total))


def _parquet_names(path: Path) -> list[str]:
    try:
        names: list[str] = pq.read_schema(path).names
    except pa.ArrowInvalid as exc:
        raise DataError(f"{path} is not a parquet file ({exc}): export it again") from exc
    return names
