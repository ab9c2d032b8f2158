"""Rows against their table's schema: Pandera judges, good rows go on, bad rows carry every reason."""

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.core.errors import DataError
from pipelines.core.tables import AVAILABLE, REASON, STRING, Column, Table

_EMPTY = "is empty"
_LEAD = "{available} minus {time} in seconds"
_AHEAD = f"{AVAILABLE.name} minus the moment of the import in seconds"
CLOCKS_DIFFER = timedelta(minutes=5)
"""How far the clock of whoever wrote an event may run ahead of ours: the API asks the same of members."""


@dataclass(frozen=True)
class Checked:
    """``good`` has the table's schema; ``bad`` has its columns, all nullable, and a last column REASON.

    ``reasons`` counts bad rows by their first fault, without the value.
    """

    good: pa.Table
    bad: pa.Table
    reasons: Counter[str]


def validate(table: Table, rows: pa.Table, extras: Sequence[Column] = (), *, until: datetime | None = None) -> Checked:
    """Split ``rows`` into good and bad. DataError when a column of the table is missing or of another type.

    until: an event that became known later than CLOCKS_DIFFER after this moment is bad: its clock is wrong, and the
    day it claims has not come. None asks nothing, for events whose clock is ours.
    """
    columns = (*table.columns, *extras)
    given = rows[REASON] if REASON in rows.column_names else None
    rows = _typed(table, rows, columns)
    faults = _faults(table, rows, columns, until if table.time else None)
    if given is not None:
        faults = _with_given(faults, given)
    if faults.empty:
        return Checked(rows.cast(table.schema(extras)), _bad_schema(rows).empty_table(), Counter())
    texts = faults.groupby("index", sort=True)["text"].agg("; ".join)
    first = faults.drop_duplicates("index")["rule"]
    is_bad = pd.Series(False, index=range(len(rows)))
    is_bad.loc[texts.index] = True
    mask = pa.array(is_bad.to_numpy())
    bad = rows.filter(mask).append_column(REASON, pa.array(texts.to_list(), STRING))
    return Checked(rows.filter(pc.invert(mask)).cast(table.schema(extras)), bad, Counter(first))


def nullable(columns: Sequence[Column]) -> pa.Schema:
    """The columns with nothing forbidden, and the reason: the schema of quarantined rows."""
    return pa.schema([*(pa.field(c.name, c.type) for c in columns), pa.field(REASON, STRING)])


def _bad_schema(rows: pa.Table) -> pa.Schema:
    return rows.schema.append(pa.field(REASON, STRING))


def _typed(table: Table, rows: pa.Table, columns: Sequence[Column]) -> pa.Table:
    missing = [c.name for c in columns if c.name not in rows.column_names]
    if missing:
        raise DataError(
            f"{table.name}: column {missing[0]!r} is missing: a source must give every column, null if need be"
        )
    try:
        return pa.table([rows[c.name].cast(c.type) for c in columns], names=[c.name for c in columns])
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as exc:
        raise DataError(f"{table.name}: a column is not of its type ({exc}): correct the source") from exc


def _faults(table: Table, rows: pa.Table, columns: Sequence[Column], until: datetime | None) -> pd.DataFrame:
    """One row a fault: index (the row's place), rule, text (the rule with the value), in the columns' order."""
    judged = {c.name: rows[c.name] for c in columns if _judged(c)}
    if table.time:
        judged[_lead(table)] = _seconds_between(rows[table.time], rows[AVAILABLE.name])
    if until:
        now = pa.scalar(until, pa.timestamp("us", tz="UTC"))
        judged[_AHEAD] = _seconds_between(now, rows[AVAILABLE.name])
    frame = pa.table(judged).to_pandas(types_mapper=pd.ArrowDtype)
    with warnings.catch_warnings():
        # Pandera concatenates the failures of all columns, and pandas warns where those of one are all null.
        warnings.simplefilter("ignore", FutureWarning)
        try:
            _pandera(table, tuple(columns), clocked=until is not None).validate(frame, lazy=True)
        except pandera.errors.SchemaErrors as exc:
            return _described(exc.failure_cases, list(judged))
    return pd.DataFrame({"index": [], "rule": [], "text": []})


def _described(failures: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    null = failures["check"] == "not_nullable"
    rule = failures["column"] + " " + failures["check"].where(~null, "is null")
    text = rule.where(null | (failures["check"] == _EMPTY), rule + ": " + failures["failure_case"].astype(str))
    place = failures["column"].map({name: i for i, name in enumerate(order)})
    described = pd.DataFrame({"index": failures["index"].astype(int), "place": place, "rule": rule, "text": text})
    return described.sort_values(["index", "place"], kind="stable").drop(columns="place")


def _with_given(faults: pd.DataFrame, given: Any) -> pd.DataFrame:
    """The reasons that the source itself gave come first."""
    series = given.to_pandas()
    series = series[series.notna()]
    own = pd.DataFrame({"index": series.index, "rule": series.to_numpy(), "text": series.to_numpy()})
    return own if faults.empty else pd.concat([own, faults]) if len(own) else faults


@cache
def _pandera(table: Table, columns: tuple[Column, ...], *, clocked: bool) -> Any:
    """The Pandera schema that says of values what the Arrow schema cannot."""
    schema = {c.name: pandera.Column(nullable=c.nullable, checks=_checks(c)) for c in columns if _judged(c)}
    if table.time:
        schema[_lead(table)] = pandera.Column(nullable=True, checks=[pandera.Check.ge(0, error="below 0")])
    if clocked:
        most = CLOCKS_DIFFER.total_seconds()
        schema[_AHEAD] = pandera.Column(nullable=True, checks=[pandera.Check.le(most, error=f"above {most:g}")])
    return pandera.DataFrameSchema(schema)


def _checks(column: Column) -> list[Any]:
    checks = []
    if column.minimum is not None:
        checks.append(pandera.Check.ge(column.minimum, error=f"below {column.minimum:g}"))
    if column.maximum is not None:
        checks.append(pandera.Check.le(column.maximum, error=f"above {column.maximum:g}"))
    if column.one_of:
        checks.append(pandera.Check.isin(column.one_of, error=f"not one of {', '.join(column.one_of)}"))
    if column.type == STRING and not column.nullable:
        checks.append(pandera.Check(lambda values: values.str.len() > 0, error=_EMPTY))
    if pa.types.is_floating(column.type):
        checks.append(pandera.Check(lambda values: values.abs() < float("inf"), error="is not a finite number"))
    return checks


def _judged(column: Column) -> bool:
    return not column.nullable or bool(_checks(column))


def _lead(table: Table) -> str:
    return _LEAD.format(available=AVAILABLE.name, time=table.time)


def _seconds_between(start: Any, end: Any) -> Any:
    return pc.divide(pc.subtract(end, start).cast(pa.int64()).cast(pa.float64()), 1e6)
