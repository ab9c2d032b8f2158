"""Cells to the canonical types; the first cell that does not fit is named with its file, row and column."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.core.errors import DataError


def conform(path: Path, first_row: int, rows: pa.Table, types: Mapping[str, pa.DataType]) -> pa.Table:
    """``rows`` with the wanted types. ``first_row`` is the number, in the file, of the first row of this piece."""
    return pa.table({name: _conform(path, first_row, name, rows[name], wanted) for name, wanted in types.items()})


def _conform(path: Path, first_row: int, name: str, values: Any, wanted: pa.DataType) -> Any:
    if values.type == wanted:
        return values
    if not _fits(values.type, wanted):
        raise DataError(
            f"{path}: row {first_row}, column {name!r}: the file has {values.type}, wanted {wanted}: {_remedy(wanted)}"
        )
    try:
        return _cast(values, wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as exc:
        place = _first_misfit(values, wanted)
        value = values[place].as_py()
        raise DataError(
            f"{path}: row {first_row + place}, column {name!r}: {value!r} is not {wanted}: {_remedy(wanted)}"
        ) from exc


def _fits(given: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether values of one type can mean values of the other: a time without a zone cannot, nor a float as an id."""
    kinds = pa.types
    if kinds.is_null(given):
        return True
    if kinds.is_timestamp(wanted):
        return kinds.is_timestamp(given) and given.tz is not None
    if kinds.is_list(wanted):
        listed = kinds.is_list(given) or kinds.is_large_list(given)
        return listed and (_fits(given.value_type, wanted.value_type) or kinds.is_string(given.value_type))
    if kinds.is_string(wanted):
        text = kinds.is_string(given) or kinds.is_large_string(given) or kinds.is_string_view(given)
        return text or kinds.is_integer(given) or (kinds.is_dictionary(given) and _fits(given.value_type, wanted))
    if kinds.is_boolean(wanted):
        return bool(kinds.is_boolean(given))
    if kinds.is_date(wanted):
        return bool(kinds.is_date(given))
    return bool(kinds.is_integer(given) or kinds.is_floating(given))


def _cast(values: Any, wanted: pa.DataType) -> Any:
    """Finer than microseconds is cut off; everything else must survive the cast unchanged."""
    return values.cast(wanted, safe=not pa.types.is_timestamp(wanted))


def _first_misfit(values: Any, wanted: pa.DataType) -> int:
    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            _cast(values.slice(low, middle - low), wanted)
            low = middle
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            high = middle
    return low


def _remedy(wanted: pa.DataType) -> str:
    if pa.types.is_timestamp(wanted):
        return "write times with their zone, such as 2022-04-29T10:00:00Z"
    return "correct the value or leave it null"
