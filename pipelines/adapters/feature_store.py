"""Feast behind five calls: apply, historical rows, materialise, a member's online row, a media's row as of a time."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

import pandas as pd

from pipelines.adapters import feast_client, historical_rows, online_loading
from pipelines.adapters.historical_rows import AT
from pipelines.adapters.online_loading import Loaded
from pipelines.adapters.online_rows import OnlineRows
from pipelines.adapters.online_values import EPOCH
from pipelines.core import days
from pipelines.core.errors import FeatureError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings

SERVICE, ONLINE_SERVICE = "ranking", "user_online"


class FeatureStore:
    """One lake's features. Opening costs Feast's import; nothing is created before ``apply``."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lake = Lake(settings.lake_path)

    @cached_property
    def _store(self) -> Any:
        return feast_client.import_feast().FeatureStore(config=feast_client.configuration(self.settings))

    def apply(self) -> None:
        """Register feature_repo's definitions for this lake; needed once, and again when the data set's columns change.

        Raises:
            DataError: the lake holds no data set. FeatureError: Feast refuses a definition.
        """
        feast_client.apply(self._store, feast_client.definitions(self.settings))

    def historical(self, rows: pd.DataFrame, service: str = SERVICE, *, times: bool = False) -> pd.DataFrame:
        """The rows, in their order, with every feature of the service as of each row's event_timestamp.

        rows: user_id, media_id, event_timestamp (UTC) and whatever else, kept; device, country and surface speak of
        the request where present. An unknown member or media has nulls. Histograms are float32 arrays.
        times: one more column ``<view>__at`` a stored view: from when its values hold and are known, NaT where none do.

        Raises:
            FeatureError: a column or a moment is missing, the service is unknown, Feast lost or doubled rows, or times
            are asked of an offline store that does not tell them.
        """
        _require(rows, ("user_id", "media_id", AT))
        if untimed := int(rows[AT].isna().sum()):
            raise FeatureError(f"{untimed} rows for features have no {AT}: leave them out, or say when they were shown")
        stored, computed = self._views(service)
        own = {str(name): rows[name].reset_index(drop=True) for name in rows.columns}
        found = self._joined(rows, stored, times=times)
        for view in computed:
            found |= historical_rows.computed(view, own | found, self._lake.dataset.time_zone)
        return historical_rows.framed(rows, found)

    def media_rows(self, media_ids: Sequence[str], at: datetime) -> pd.DataFrame:
        """media_id and every stored media feature as of ``at``, in the given order; nulls for an unknown media."""
        return self._stored("media_id", media_ids, at)

    def member_rows(self, user_ids: Sequence[str], at: datetime) -> pd.DataFrame:
        """user_id and every stored user feature as of ``at``, in the given order; nulls for an unknown member."""
        return self._stored("user_id", user_ids, at)

    def _stored(self, key: str, ids: Sequence[str], at: datetime) -> pd.DataFrame:
        rows = pd.DataFrame({key: list(ids), AT: pd.Timestamp(at)})
        views = [view for view in self._views(SERVICE)[0] if list(view.join_keys) == [key]]
        return pd.DataFrame({key: rows[key], **self._joined(rows, views)})

    def _joined(self, rows: pd.DataFrame, views: list[Any], *, times: bool = False) -> historical_rows.Columns:
        """Columns of the views for each row, those that are asked alike together."""
        columns: historical_rows.Columns = {}
        for group in sorted({_question(view) for view in views}):
            alike = [view for view in views if _question(view) == group]
            columns |= self._as_of(rows, list(group[0]), alike, times=times)
        return columns

    def materialize(self, start: datetime, end: datetime) -> Loaded:
        """Load the online rows of members with a snapshot from ``start`` to ``end`` (both included), as of ``end``.

        What the store still lacks joins in, so that nothing is skipped; a row that is newer in the store stays.
        """
        return online_loading.load(self._store, self._rows, start, end)

    def materialize_through(self, end: datetime) -> Loaded:
        """Load what became due since the last time; everything into a store that is empty or of other features."""
        return self.materialize(self._rows.loaded_through() or EPOCH, end)

    def loaded_through(self) -> datetime | None:
        """Through when the members' daily rows were loaded online; None before the first time."""
        return self._rows.loaded_through()

    @property
    def stale(self) -> Mapping[str, int]:
        """View -> how many online rows were older than its limit, since this was opened."""
        return self._rows.stale

    def push_recent(self, rows: pd.DataFrame) -> None:
        """Write rows of view user_recent to the online store, through Feast's push source user_recent_push.

        rows: user_id, the view's columns, event_timestamp. A row older than the one that is there changes nothing.

        Raises:
            FeatureError: naming the columns that are missing.
        """
        self._rows.push(rows)

    def user_row(self, user_id: str, at: datetime | None = None) -> dict[str, Any]:
        """The member's online features by name; None where absent, and throughout for an unknown member.

        at: the moment of the question. A view whose row is older than its limit then is absent, and counted in
        ``stale``; without a moment nothing is too old.
        """
        return self._rows.read([user_id], at)[0]

    def user_rows(self, user_ids: Sequence[str], at: datetime | None = None) -> pd.DataFrame:
        """user_id and the online features of each, in the given order."""
        found = self._rows.read(user_ids, at)
        columns = {name: [row[name] for row in found] for name in self._rows.absent}
        return pd.DataFrame({"user_id": list(user_ids), **columns})

    def fingerprint(self, service: str = SERVICE) -> str:
        """Sixteen hex digits over the service's names, types and views: equal definitions, equal fingerprint."""
        views = [view for group in self._views(service) for view in group]
        content = sorted((f.name, str(f.dtype), view.name) for view in views for f in view.features)
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    @cached_property
    def _rows(self) -> OnlineRows:
        return OnlineRows(self._store, self._views(ONLINE_SERVICE)[0])

    def _views(self, service: str) -> tuple[list[Any], list[Any]]:
        """The stored and the computed views of a service, in its order."""
        store = self._store  # Before feast.errors: whoever imports Feast first decides what it costs.
        from feast.errors import FeastObjectNotFoundException

        try:
            names = [p.name for p in store.get_feature_service(service).feature_view_projections]
        except FeastObjectNotFoundException as exc:
            raise FeatureError(f"feature service {service!r} is not registered: run FeatureStore.apply first") from exc
        computed = {view.name: view for view in store.list_on_demand_feature_views()}
        stored = [store.get_feature_view(name) for name in names if name not in computed]
        return stored, [computed[name] for name in names if name in computed]

    def _as_of(self, rows: pd.DataFrame, keys: list[str], views: list[Any], *, times: bool = False) -> dict[str, Any]:
        """Columns of the views for each row."""
        asked = pd.DataFrame({**{k: rows[k].astype(str).to_numpy() for k in keys}, AT: self._moments(rows[AT], views)})
        return historical_rows.stored(self._store, asked, views, times=times)

    def _moments(self, at: "pd.Series[Any]", views: list[Any]) -> Any:
        """Microseconds UTC; the start of the day where views hold daily snapshots, so that rows share answers.

        Where a view has a row an event, what was known before the moment: logs that count in seconds know a watch from
        the second on in which its title was shown, and a row must not see its own outcome.
        """
        moments = pd.to_datetime(at, utc=True).dt.as_unit("us")
        if any(view.tags.get("grain") == "event" for view in views):
            moments = moments - pd.Timedelta(1, "us")
        if all(view.tags.get("grain") == "day" for view in views):
            local = moments.dt.tz_convert(days.zone(self._lake.dataset.time_zone))
            codes, distinct = pd.factorize(local.dt.date)
            starts = [days.start(day, self._lake.dataset.time_zone) for day in distinct]
            moments = pd.Series(pd.DatetimeIndex(starts).as_unit("us").take(codes))
        return moments.to_numpy() if moments.dt.tz is None else pd.array(moments, dtype="datetime64[us, UTC]")


def _question(view: Any) -> tuple[tuple[str, ...], str]:
    """What a view is asked by: its keys, and how fine its moments are."""
    return tuple(view.join_keys), view.tags.get("grain", "")


def _require(rows: pd.DataFrame, names: Sequence[str]) -> None:
    missing = [name for name in names if name not in rows.columns]
    if missing:
        raise FeatureError(f"rows for features lack {', '.join(missing)}: they need user_id, media_id, {AT}")
