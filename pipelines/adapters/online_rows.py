"""A member's row in the online store: read in one question, pushed to while the day goes on, and judged by its age.

Two views hold it: one packed view of everything that is refreshed by day (pipelines.core.packing), and the pushed view
of what the member did lately. Each part is as old as the row of its own view; what is older than the limit that the
view declares (its ttl in Feast) counts as absent here as it does in training, and is counted.
"""

import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from pipelines.adapters import online_values
from pipelines.adapters.online_values import EPOCH, MICROSECOND, Encoded
from pipelines.core import days
from pipelines.core.errors import FeatureError
from pipelines.core.packing import COLUMNS, Layout

LAYOUT, ZONE = "layout", "zone"
"""Tags of the packed view: what stands where in its rows, and the time zone of the days that they are of."""
PUSH_SOURCE = "user_recent_push"
AT, CREATED, KEY = "event_timestamp", "created_timestamp", "user_id"
AT_ONCE = 10_000
"""Members in one question: SQLite takes 32,766 of them."""
MARK = "\x00loaded"
"""The key of a row that no member has: its time says through when the store was loaded, and its layout how."""


class OnlineRows:
    """The online rows of one service, as the registry defined them when this was made."""

    def __init__(self, store: Any, views: Sequence[Any]) -> None:
        self._store = store
        self.packed = next(view for view in views if LAYOUT in view.tags)
        self.pushed = next(view for view in views if LAYOUT not in view.tags)
        self.layout = Layout.read(self.packed.tags[LAYOUT])
        self.views = [store.get_feature_view(name) for name in self.layout.views]
        self.stale: Counter[str] = Counter()
        self._counting = threading.Lock()
        self._limits = {view.name: view.ttl // MICROSECOND for view in (*self.views, self.pushed) if view.ttl}
        self._kinds = {feature.name: feature.dtype for feature in self.pushed.features}

    @property
    def online(self) -> Any:
        """The online store itself: pipelines.adapters.online_redis or online_sqlite."""
        return self._store.provider.online_store

    @cached_property
    def absent(self) -> dict[str, Any]:
        """Every feature, None: what is known of a stranger."""
        return dict.fromkeys([*(name for _, name, _ in self.layout.fields), *self._kinds])

    def read(self, user_ids: Sequence[str], at: datetime | None) -> list[dict[str, Any]]:
        """Every feature of each member, None where absent or too old at ``at``; without ``at`` nothing is too old."""
        found: list[dict[str, Any]] = []
        for first in range(0, len(user_ids), AT_ONCE):
            keys = online_values.keys(KEY, user_ids[first : first + AT_ONCE])
            rows = self.online.rows(self._store.config, [self.packed, self.pushed], keys)
            found += [self._features(packed, pushed, at) for packed, pushed in rows]
        return found

    def loaded_through(self) -> datetime | None:
        """Through when the members' daily rows were loaded; None before, and where they bear another layout."""
        row = self.online.rows(self._store.config, [self.packed], online_values.keys(KEY, [MARK]))[0][0]
        return EPOCH + row[0] * MICROSECOND if row and self._unpacked(row) else None

    def _features(self, packed: Encoded | None, pushed: Encoded | None, at: datetime | None) -> dict[str, Any]:
        found = self.absent.copy()
        daily = self._unpacked(packed) if packed else None
        if daily:
            found |= daily[0]
            times = ((view, round(time * 1e6)) for view, time in daily[1].items())
            for view in self._too_old(times, self._day(at)):
                found |= dict.fromkeys(self.layout.of_view[view])
        just_before = at and at - MICROSECOND  # As training asks for a view of events.
        if pushed and not self._too_old([(self.pushed.name, pushed[0])], just_before):
            found |= {name: _value(pushed[1].get(name)) for name in self._kinds}
        return found

    def _unpacked(self, row: Encoded) -> tuple[dict[str, Any], dict[str, float]] | None:
        numbers, words, floats = (_value(row[1].get(name)) or [] for name in COLUMNS)
        return self.layout.unpack(numbers, words, floats)

    def _too_old(self, times: Iterable[tuple[str, int]], at: datetime | None) -> list[str]:
        if at is None:
            return []
        now = (at - EPOCH) // MICROSECOND
        found = [view for view, time in times if view in self._limits and now - time > self._limits[view]]
        if found:
            with self._counting:
                self.stale.update(found)
        return found

    def _day(self, at: datetime | None) -> datetime | None:
        """The start of the day of ``at``: the moment at which training asks for daily rows."""
        zone = self.packed.tags[ZONE]
        return at and days.start(days.of(at, zone), zone)

    def push(self, rows: pd.DataFrame) -> None:
        """Write rows of the pushed view through Feast's push source; one older than what is there changes nothing.

        rows: user_id, every column of the view, event_timestamp (UTC); arrays are sequences, absent is None or NaN.

        Raises:
            FeatureError: naming the columns that are missing.
        """
        names = [KEY, *self._kinds, AT]
        missing = [name for name in names if name not in rows.columns]
        if missing:
            raise FeatureError(f"rows for {PUSH_SOURCE} lack {', '.join(missing)}: they need {', '.join(names)}")
        if rows.empty:
            return
        plain = {name: [_plain(value) for value in rows[name]] for name in names if name != AT}
        times = pd.DatetimeIndex(pd.to_datetime(rows[AT], utc=True)).as_unit("us")
        frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in plain.items()})
        self._store.push(PUSH_SOURCE, frame.assign(**{AT: times, CREATED: times}))


def _plain(value: Any) -> Any:
    """Lists for arrays, None for NaN: what Feast takes."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, tuple):
        return list(value)
    return None if isinstance(value, float) and np.isnan(value) else value


def _value(encoded: bytes | None) -> Any:
    """A value as Python has it: lists for arrays, None for null and NaN."""
    if not encoded:
        return None
    from feast.protos.feast.types.Value_pb2 import Value

    message = Value.FromString(encoded)
    kind = message.WhichOneof("val")
    if kind is None:
        return None
    found = getattr(message, kind)
    if kind.endswith("_list_val"):
        return list(found.val)
    return None if found != found else found
