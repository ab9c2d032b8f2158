"""The point-in-time join: for each question the row of a history that held and was known at its moment.

A row holds from its event time on, and is known from its created time on. Of the rows that both hold and are known at
a moment, the answer is the one with the latest event time, and of those the one created last. So a row that is already
surpassed when it becomes known is never an answer, and without such rows a plain ASOF join on the moment from which a
row counts is exact. DuckDB joins keys, moments and places only; the wide columns are then read once of the rows that
were found, and spread over the questions by Arrow.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from glob import glob
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.core.errors import FeatureError

Numbers = npt.NDArray[np.int64]

FIRST, EPOCH, LAST = (datetime(year, 1, 1, tzinfo=UTC) for year in (1, 1970, 9999))
MICROSECOND = timedelta(microseconds=1)
AT_ONCE = 1 << 18
"""Questions that are answered at a time: so little is held twice, and no list outgrows Arrow's 32-bit offsets."""
ATTEMPTS = 3
FOREVER = timedelta(0)
NEVER = -(1 << 62)
"""Created before everything else: of rows with the same event time, one without a created time comes first."""

PLACE = "(f.file_index::BIGINT << 32 | f.file_row_number::BIGINT)"
"""Where a row of the files read as ``f`` lies."""


@dataclass(frozen=True)
class History:
    """Parquet files of rows by key and time, whichever lie at the pattern when they are read.

    keys: column of the files -> column of the questions. columns: name in the answer -> column of the files.
    times: the column of the answer that says from when the row found holds and is known; None: there is none.
    ttl: a row older than this at the moment of the question is no answer, but for ``FOREVER`` (zero).
    """

    name: str
    pattern: str
    event: str
    created: str | None
    keys: Mapping[str, str]
    columns: Mapping[str, str]
    ttl: timedelta = FOREVER
    times: str | None = None


def as_of(
    questions: pa.Table, moments: Numbers, histories: Sequence[History], *, known: bool, memory: str | None = None
) -> pa.Table:
    """The columns of every history, a row a question in the order of the questions; null where no row answers.

    See ``found``.
    """
    answers = found(questions, moments, histories, known=known, memory=memory)
    return pa.table({name: spread(rows[name], positions) for rows, positions in answers for name in rows.column_names})


def found(
    questions: pa.Table, moments: Numbers, histories: Sequence[History], *, known: bool, memory: str | None = None
) -> Iterator[tuple[pa.Table, Numbers]]:
    """Of each history the rows that answer, once each, and (n,) the place among them of each question's, -1 for none.

    questions: the key columns, (n,) each. moments: (n,) microseconds UTC. known: rows created after the moment do not
    count. memory: what DuckDB may hold before it spills to disk, such as ``4GB``.

    Raises:
        FeatureError: a history has no files, or its files are replaced again and again while they are read.
    """
    limit = {"memory_limit": memory} if memory else {}
    # A folder of its own: joins of several processes would spill into files of the same names.
    with (
        tempfile.TemporaryDirectory() as spilt,
        duckdb.connect(config={"temp_directory": spilt, **limit}) as connection,
    ):
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        for history in histories:
            connection.register("question", _asked(questions, moments, history))
            yield _steady(connection, history, moments, known)


def _asked(questions: pa.Table, moments: Numbers, history: History) -> pa.Table:
    keys = {f"key_{n}": questions[name] for n, name in enumerate(history.keys.values())}
    return pa.table({"number": np.arange(len(moments)), "moment": moments, **keys})


def _steady(connection: Any, history: History, moments: Numbers, known: bool) -> tuple[pa.Table, Numbers]:
    """The rows found and each question's position among them, -1 for none.

    Rows are found by their place in a file, so the files must be the same from the first look to the last.
    """
    for _ in range(ATTEMPTS):
        files = _files(history)
        if not files:
            raise FeatureError(
                f"the source of view {history.name} has no files: run refresh_features first, they belong at "
                f"{history.pattern}"
            )
        try:
            found = _found(connection, history, list(files), moments, known)
        except (duckdb.Error, FeatureError):
            if _files(history) == files:
                raise
        else:
            if _files(history) == files:
                return found
    raise FeatureError(
        f"the files of view {history.name} were replaced {ATTEMPTS} times while they were read: "
        "wait until refresh_features is done, then ask again"
    )


def _files(history: History) -> dict[str, tuple[int, int, int]]:
    """The files that there are now, and what tells each from one that takes its place."""
    found = {}
    for file in sorted(glob(history.pattern)):
        with contextlib.suppress(FileNotFoundError):
            stat = os.stat(file)
            found[file] = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
    return found


def _found(
    connection: Any, history: History, files: Sequence[str], moments: Numbers, known: bool
) -> tuple[pa.Table, Numbers]:
    places = _places(connection, history, files, moments, known)
    distinct, inverse = np.unique(places[places >= 0], return_inverse=True)
    rows, order = _rows(connection, history, files, distinct)
    positions = np.full(len(places), -1, dtype=np.int64)
    positions[places >= 0] = order[inverse]
    return rows, positions


def _places(connection: Any, history: History, files: Sequence[str], moments: Numbers, known: bool) -> Numbers:
    """(n,) the place of each question's answer, as ``file number * 2^32 + row``; -1 where there is none."""
    if not len(moments):
        return np.empty(0, dtype=np.int64)
    keys = [f"key_{n}" for n in range(len(history.keys))]
    same = " AND ".join([*(f"q.{key} = r.{key}" for key in keys), "q.moment >= r.counts_from"])
    aged = f"q.moment - r.event > {history.ttl // MICROSECOND}" if history.ttl else "false"
    found = connection.sql(
        f"WITH candidate AS ({_candidates(history, files, keys, moments, known)}), "
        f"counting AS ({_counting(history, keys, known)}) "
        f"SELECT q.number, CASE WHEN {aged} THEN -1 ELSE coalesce(r.place, -1) END AS place "
        f"FROM question q ASOF LEFT JOIN counting r ON {same}"
    ).to_arrow_table()
    places = np.empty(len(moments), dtype=np.int64)
    places[found["number"].to_numpy()] = found["place"].to_numpy()
    return places


def _candidates(history: History, files: Sequence[str], keys: Sequence[str], moments: Numbers, known: bool) -> str:
    """Keys, times and place of the rows that may answer anything: of the keys asked, not after the last moment."""
    columns = [f"f.{_name(c)} AS {key}" for key, c in zip(keys, history.keys, strict=True)]
    event, created = f"f.{_name(history.event)}", f"f.{_name(history.created)}" if history.created else None
    conditions = [f"{event} <= {_moment(moments.max())}"]
    if history.ttl:
        conditions.append(f"{event} >= {_moment(int(moments.min()) - history.ttl // MICROSECOND)}")
    if known and created:
        conditions.append(f"{created} IS NOT NULL")
    semi = " AND ".join(f"f.{_name(c)} = k.{key}" for key, c in zip(keys, history.keys, strict=True))
    return (
        f"SELECT {', '.join([*columns, ''])} epoch_us({event}) AS event, "
        f"{f'coalesce(epoch_us({created}), {NEVER})' if created else NEVER} AS created, {PLACE} AS place "
        f"FROM {_read(files)} f {f'SEMI JOIN question k ON {semi}' if semi else ''} "
        f"WHERE {' AND '.join(conditions)}"
    )


def _counting(history: History, keys: Sequence[str], known: bool) -> str:
    """The rows that answer from ``counts_from`` on: those not yet surpassed by then."""
    since = "greatest(event, created)" if known else "event"
    if not history.created:
        return f"SELECT *, {since} AS counts_from FROM candidate"
    partition = f"PARTITION BY {', '.join(keys)} " if keys else ""
    return (
        f"SELECT *, {since} AS counts_from FROM candidate QUALIFY (event, created) = max((event, created)) OVER "
        f"({partition}ORDER BY {since} RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    )


def _rows(connection: Any, history: History, files: Sequence[str], places: Numbers) -> tuple[pa.Table, Numbers]:
    """The columns of the rows at the places (ascending, distinct), and each place's position in that table."""
    columns = ", ".join([f"f.{_name(c)} AS {_name(name)}" for name, c in history.columns.items()] + _times(history))
    if not len(places):
        return connection.sql(f"SELECT {columns} FROM {_read(files[:1])} f LIMIT 0").to_arrow_table(), places
    numbers, within = np.unique(places >> 32, return_inverse=True)
    wanted = within.astype(np.int64) << 32 | (places & 0xFFFFFFFF)
    connection.register("wanted", pa.table({"place": wanted}))
    found = connection.sql(
        f"SELECT {PLACE} AS place_, {columns} FROM {_read([files[n] for n in numbers])} f "
        f"SEMI JOIN wanted w ON {PLACE} = w.place"
    ).to_arrow_table()
    order = np.argsort(found["place_"].to_numpy())
    if len(order) != len(places):
        raise FeatureError(f"view {history.name}: {len(order)} of {len(places)} rows were found again in its files")
    return found.drop_columns(["place_"]), order


def _times(history: History) -> list[str]:
    stamps = [f"f.{_name(column)}::TIMESTAMPTZ" for column in (history.event, history.created) if column]
    return [f"greatest({', '.join(stamps)}) AS {_name(history.times)}"] if history.times else []


def spread(column: pa.ChunkedArray, positions: Numbers) -> pa.ChunkedArray:
    """The column's values at the positions, null at -1."""
    whole = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    parts = [positions[n : n + AT_ONCE] for n in range(0, len(positions), AT_ONCE)]
    return pa.chunked_array([whole.take(pa.array(part, mask=part < 0)) for part in parts], column.type)


def _read(files: Sequence[str]) -> str:
    listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    return f"read_parquet([{listed}], hive_partitioning = false)"


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _moment(microseconds: Any) -> str:
    """A bound, as wide as a calendar is: a missing time counts as the least number."""
    bound = min(max(int(microseconds), (FIRST - EPOCH) // MICROSECOND), (LAST - EPOCH) // MICROSECOND)
    return f"TIMESTAMPTZ '{(EPOCH + bound * MICROSECOND).isoformat()}'"
