"""What is known of members at a moment: who they say they are, and the genres they chose at onboarding."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter

import pandas as pd
import pyarrow as pa

from pipelines.core.contracts import CHOSEN, MEMBER
from pipelines.core.lake import Lake
from pipelines.core.tables import PREFERENCES, USERS, earlier

USER = "user_id"
GENRE = "genre"
"""The kind of preference that generators are told of."""
ATTRIBUTES = tuple(name for name in MEMBER if name != CHOSEN)
TYPES = {name: pa.string() for name in ATTRIBUTES} | {"age": pa.float64(), CHOSEN: pa.list_(pa.string())}

Context = Mapping[str, object]


def member_table(lake: Lake, as_of: datetime) -> pa.Table:
    """USER and the columns MEMBER of every member known before ``as_of``, by id; null where something is unknown."""
    latest = _attributes(lake, as_of).drop_duplicates(USER, keep="last").set_index(USER)[list(ATTRIBUTES)]
    chosen = _choices(lake, as_of).groupby(USER)["value"].agg(list).rename(CHOSEN)
    found = latest.join(chosen, how="outer").sort_index()
    columns = {name: pa.array(found[name], type=type_, from_pandas=True) for name, type_ in TYPES.items()}
    return pa.table({USER: pa.array(found.index, type=pa.string()), **columns})


def contexts(table: pa.Table) -> Iterator[tuple[str, Context]]:
    """Each member of a ``member_table`` with what is known of them; a table may lack columns."""
    names = [name for name in MEMBER if name in table.column_names]
    columns = [table[name].to_pylist() for name in names]
    for user, *values in zip(table[USER].to_pylist(), *columns, strict=True):
        yield user, _known(dict(zip(names, values, strict=True)))


@dataclass(frozen=True)
class Versions:
    """What was known of one member when: contexts[n] holds after known_at[n] (microseconds, ascending)."""

    known_at: list[int]
    contexts: list[Context]

    def before(self, moment: int) -> int:
        """The number of the context that holds at a moment; -1 where nothing was known yet."""
        return bisect_left(self.known_at, moment) - 1


def versions(lake: Lake, as_of: datetime, users: AbstractSet[str]) -> dict[str, Versions]:
    """Each of the members of whom something was known before ``as_of``, as they became known."""
    told = [
        (user, at, dict(zip(ATTRIBUTES, values, strict=True)))
        for user, at, *values in _rows(_attributes(lake, as_of), users, *ATTRIBUTES)
    ]
    told += [(user, at, {CHOSEN: value}) for user, at, value in _rows(_choices(lake, as_of), users, "value")]
    told.sort(key=itemgetter(0, 1))  # Stable: what became known at once stays in order.
    found = {}
    for user, news in groupby(told, key=itemgetter(0)):
        known, held = dict[str, object](), dict[int, Context]()
        for _, at, new in news:
            if CHOSEN in new:
                new = {CHOSEN: (*known.get(CHOSEN, ()), new[CHOSEN])}  # type: ignore[misc]
            known |= new
            held[at] = _known(known)
        found[user] = Versions(list(held), list(held.values()))
    return found


def _known(values: Mapping[str, object]) -> Context:
    """Without what is unknown; a list becomes a tuple."""
    return {
        name: tuple(value) if isinstance(value, (list, tuple)) else value
        for name, value in values.items()
        if value is not None and value == value
    }


def _rows(frame: pd.DataFrame, users: AbstractSet[str], *names: str) -> Iterator[tuple[str, int, object]]:
    """(user, microseconds, the columns) of those members."""
    own = frame[frame[USER].isin(users)]
    moments = own["known_at"].astype("datetime64[us, UTC]").astype("int64").tolist()
    yield from zip(own[USER].tolist(), moments, *(own[name].tolist() for name in names), strict=True)


def _read(lake: Lake, table: str, columns: list[str]) -> pd.DataFrame:
    """Every version of the rows of a snapshot table; none where it was never published."""
    held = [lake.read(name, columns=columns) for name in (earlier(table), table) if lake.exists(name)]
    return pa.concat_tables(held).to_pandas() if held else pd.DataFrame(columns=columns)


def _attributes(lake: Lake, as_of: datetime) -> pd.DataFrame:
    """USER, known_at and ATTRIBUTES of every version known before ``as_of``, in the order they became known."""
    rows = _read(lake, USERS.name, [USER, "available_at", *ATTRIBUTES]).rename(columns={"available_at": "known_at"})
    return rows[rows["known_at"] < as_of].sort_values("known_at", kind="stable")


def _choices(lake: Lake, as_of: datetime) -> pd.DataFrame:
    """USER, known_at and value of the genres chosen and known before ``as_of``, each once, in that order."""
    rows = _read(lake, PREFERENCES.name, [USER, "kind", "value", "chosen_at", "available_at"])
    rows = rows[rows["kind"] == GENRE].assign(known_at=rows[["chosen_at", "available_at"]].max(axis=1))
    known = rows[rows["known_at"] < as_of].sort_values(["known_at", "chosen_at", "value"])
    return known.drop_duplicates([USER, "value"])
