"""How long the steps of earlier refreshes took, kept in the lake: what a plan's minutes are made from."""

from statistics import linear_regression, median

import pyarrow as pa

from pipelines.core.lake import Lake

TABLE = "durations"
FEATURES, ONLINE = "features", "online"
"""The steps: computing the views, and loading the online store with the media snapshot."""

KEPT = 200
JUDGED = 20
"""Runs of one step that an estimate looks at, the latest ones."""

SCHEMA = pa.schema([("step", pa.string()), ("engine", pa.string()), ("size", pa.int64()), ("seconds", pa.float64())])


def note(lake: Lake, step: str, engine: str, size: int, seconds: float) -> None:
    """Add one run to the history; ``size`` is whatever its time grows with."""
    with lake.alone(TABLE):
        held = lake.read(TABLE) if lake.exists(TABLE) else SCHEMA.empty_table()
        run = pa.Table.from_pylist([{"step": step, "engine": engine, "size": size, "seconds": seconds}], SCHEMA)
        both = pa.concat_tables([held, run])
        lake.publish(TABLE, both.slice(max(0, both.num_rows - KEPT)))


def expected(lake: Lake, step: str, engine: str, size: int) -> float | None:
    """Seconds that a run of this size takes; None before the first.

    A line through the latest runs where their sizes tell it (a start-up and a time a row, neither below 0); else their
    median, as it is.
    """
    if not lake.exists(TABLE):
        return None
    held = [r for r in lake.read(TABLE).to_pylist() if (r["step"], r["engine"]) == (step, engine)][-JUDGED:]
    if not held:
        return None
    sizes, seconds = [float(r["size"]) for r in held], [r["seconds"] for r in held]
    if min(sizes) * 2 > max(sizes):
        return float(median(seconds)) * max(1.0, size / max(max(sizes), 1.0))
    slope, start = linear_regression(sizes, seconds)
    if slope < 0 or start < 0:
        return float(median(s / max(n, 1.0) for s, n in zip(seconds, sizes, strict=True))) * size
    return float(start + slope * size)
