"""Delimited text in chunks: never whole in memory, and every error names file, row, column and value."""

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv

from pipelines.core.errors import DataError

_CELL = re.compile(r"In CSV column #(\d+): (?:Row #(\d+): )?CSV conversion error to ([^:]+(?:\[[^\]]*\])?): (.*)", re.S)
_SHAPE = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+)")
_NO_ROWS = "Empty CSV file"  # A header without a line end is a table without rows; header() refused an empty file.
_BYTES_A_ROW = 80


def header(path: Path) -> list[str]:
    """The column names in the first line; DataError when the file is missing or empty."""
    refuse_empty(path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        names = next(csv.reader(file), [])
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise DataError(f"{path}: column {twice[0]!r} stands twice in the header: keep one of them")
    return names


def refuse_empty(path: Path) -> None:
    """DataError when the file is missing or holds not one byte."""
    if not path.is_file():
        raise DataError(f"{path} is missing: put the file there, or check --path")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty (0 bytes): fetch or export it again")


def require(path: Path, names: Sequence[str], needed: Sequence[str]) -> None:
    """DataError naming the first needed column that the header lacks."""
    for name in needed:
        if name not in names:
            raise DataError(f"{path}: column {name!r} is missing, it has {', '.join(names)}: use the official file")


def chunks(
    path: Path,
    types: Mapping[str, pa.DataType],
    chunk_rows: int,
    report: Callable[[int], None],
    *,
    names: Sequence[str] = (),
    delimiter: str = ",",
    encoding: str = "utf8",
    multiline: bool = False,
) -> Iterator[pa.Table]:
    """Tables of about ``chunk_rows`` rows with the columns of ``types``, in that order.

    ``names`` are the columns of a file without a header, which then is read without quoting. An empty cell is null.
    """
    convert = pacsv.ConvertOptions(
        column_types=dict(types),
        include_columns=list(types),
        null_values=[""],
        strings_can_be_null=True,
        true_values=["1", "true", "True"],
        false_values=["0", "false", "False"],
    )
    parse = pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=multiline, quote_char=False if names else '"')
    read = pacsv.ReadOptions(
        block_size=max(1 << 16, chunk_rows * _BYTES_A_ROW),
        use_threads=False,
        column_names=list(names) or None,
        encoding=encoding,
    )
    columns = list(names) or header(path)
    try:
        with pa.OSFile(str(path)) as file, pacsv.open_csv(file, read, parse, convert) as reader:
            for batch in reader:
                report(file.tell())
                if batch.num_rows:
                    yield pa.Table.from_batches([batch])
    except pa.ArrowInvalid as exc:
        if _NO_ROWS not in str(exc):
            raise DataError(f"{path}: {_explained(str(exc), columns)}") from exc


def _explained(message: str, columns: Sequence[str]) -> str:
    if cell := _CELL.search(message):
        column, row, type_, what = cell.groups()
        where = f"row {row}, " if row else ""
        return f"{where}column {columns[int(column)]!r}: {what} (wanted {type_}): correct the cell or leave it empty"
    if shape := _SHAPE.search(message):
        row, wanted, got = shape.groups()
        return f"row {row} has {got} cells where the header has {wanted}: correct or remove the row"
    return f"{message}: it is not the delimited text that was expected"
