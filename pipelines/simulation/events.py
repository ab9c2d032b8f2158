"""A day's events as canonical tables: ids, times and arrival, from codes and seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.core.tables import Table
from pipelines.simulation.works import Ints, Reals

Times = npt.NDArray[np.datetime64]


@dataclass(frozen=True)
class Names:
    """The ids of members and media by code, and the names of devices."""

    users: pa.Array
    media: pa.Array
    devices: pa.Array


def ids(prefix: str, day: date, numbers: Ints) -> pa.Array:
    """(n,) ids such as i20260105-17; a negative number is null."""
    text = pc.binary_join_element_wise(f"{prefix}{day:%Y%m%d}", pa.array(numbers).cast(pa.string()), "-")
    return pc.if_else(pa.array(numbers >= 0), text, pa.scalar(None, pa.string()))


def named(names: pa.Array, codes: Ints) -> pa.Array:
    """(n,) the name of each code."""
    return names.take(pa.array(codes))


def table(schema: Table, columns: dict[str, pa.Array | npt.NDArray[np.generic]]) -> pa.Table:
    """The canonical table with these columns; those not given are null."""
    rows = len(next(iter(columns.values())))
    arrays = [
        pa.nulls(rows, field.type) if field.name not in columns else _typed(columns[field.name], field.type)
        for field in schema.schema()
    ]
    return pa.Table.from_arrays(arrays, schema=schema.schema())


def where(known: npt.NDArray[np.bool_], values: Sequence[object]) -> npt.NDArray[np.object_]:
    """(n,) the values, None where they are not known."""
    return np.array([v if k else None for k, v in zip(known, values, strict=True)], dtype=object)


def _typed(values: pa.Array | npt.NDArray[np.generic], kind: pa.DataType) -> pa.Array:
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        return pa.array(values.astype("datetime64[us]")).cast(kind)
    return values.cast(kind) if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, kind)


def queued(session: Ints, shown: Times, seconds: Reals, last: np.datetime64) -> Times:
    """(n,) when each watch begins: those of a session, in page order, follow one another; none later than ``last``.

    ``session`` must be sorted.
    """
    if not len(session):
        return shown
    before = np.cumsum(seconds) - seconds
    begins = np.searchsorted(session, session)
    waited = (before - before[begins]).astype("timedelta64[s]")
    starts: Times = np.minimum(shown[begins] + waited + np.timedelta64(20, "s"), last)
    return starts


def arrival(rng: np.random.Generator, ended: Times, late: float) -> Times:
    """(n,) when the platform hears of a watch: minutes after its end, for a share of ``late`` only after hours."""
    minutes = rng.integers(30, 240, len(ended))
    hours = rng.integers(2 * 3600, 30 * 3600, len(ended))
    heard: Times = ended + np.where(rng.random(len(ended)) < late, hours, minutes).astype("timedelta64[s]")
    return heard
