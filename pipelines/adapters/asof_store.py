"""A Feast offline store: point-in-time joins by DuckDB's ASOF join, everything else as Feast's own DuckDB store.

Feast loads this module by the class path in its profile (``offline_store.type``); nothing else imports it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
from feast.data_format import ParquetFormat
from feast.infra.offline_stores import offline_utils
from feast.infra.offline_stores.duckdb import DuckDBOfflineStore, DuckDBOfflineStoreConfig, _write_data_source
from feast.infra.offline_stores.file_source import FileSource
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.on_demand_feature_view import OnDemandFeatureView

from pipelines.adapters import asof_join
from pipelines.adapters.asof_join import History, Numbers
from pipelines.core.contracts import TIMES
from pipelines.core.errors import FeatureError


class AsofOfflineStoreConfig(DuckDBOfflineStoreConfig):  # type: ignore[misc]
    """What a Feast profile may say under ``offline_store``."""

    type: Literal["pipelines.adapters.asof_store.AsofOfflineStore"] = "pipelines.adapters.asof_store.AsofOfflineStore"
    memory_limit: str | None = None
    """What DuckDB may hold before it spills to disk, such as ``4GB``; None: most of the machine's memory."""


class AsofOfflineStore(DuckDBOfflineStore):  # type: ignore[misc]
    """Rows in = rows out, in their order, whatever the views hold."""

    @staticmethod
    def get_historical_features(
        config: Any,
        feature_views: list[Any],
        feature_refs: list[str],
        entity_df: Any,
        registry: Any,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
    ) -> Any:
        """Every row of ``entity_df`` with the features as of its event timestamp; see OfflineStore of Feast.

        Views that do not lie in local parquet files are answered by Feast's DuckDB store, together with all others.

        Raises:
            FeatureError: the rows lack a key of a view, or a view has no files.
        """
        if not all(_ours(view.batch_source) for view in feature_views):
            return DuckDBOfflineStore.get_historical_features(
                config,
                feature_views,
                feature_refs,
                entity_df,
                registry,
                project,
                full_feature_names,
                filter_by_created_timestamp,
            )
        return AsofRetrievalJob(
            entity_df,
            [_history(view, feature_refs, full_feature_names) for view in feature_views],
            feature_refs,
            odfvs=OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry),
            full_feature_names=full_feature_names,
            known=filter_by_created_timestamp,
            config=config,
        )


class AsofRetrievalJob(RetrievalJob):  # type: ignore[misc]
    """Rows to be joined; each call of ``to_arrow`` joins them anew."""

    def __init__(
        self,
        rows: pd.DataFrame,
        histories: Sequence[History],
        features: list[str],
        *,
        odfvs: list[Any],
        full_feature_names: bool,
        known: bool,
        config: Any,
    ) -> None:
        self._rows, self._histories, self._features = rows, histories, features
        self._odfvs, self._full, self._known, self._config = odfvs, full_feature_names, known, config
        self._at = offline_utils.infer_event_timestamp_from_entity_df(dict(rows.dtypes))
        keys = {key for history in histories for key in history.keys.values()}
        if missing := sorted(keys - set(rows.columns)):
            raise FeatureError(f"rows for features lack {', '.join(missing)}: the views asked for are found by them")

    def with_times(self) -> "AsofRetrievalJob":
        """The same question, with ``<view>__at`` for every view: from when its row holds and is known, or null."""
        timed = [replace(history, times=f"{history.name}{TIMES}") for history in self._histories]
        return AsofRetrievalJob(
            self._rows,
            timed,
            self._features,
            odfvs=self._odfvs,
            full_feature_names=self._full,
            known=self._known,
            config=self._config,
        )

    def found(self) -> Iterator[tuple[pa.Table, Numbers]]:
        """Of each view the rows that answer, once each, and the place among them of each question's, -1 for none."""
        return asof_join.found(*self._question(), known=self._known, memory=self._config.offline_store.memory_limit)

    def _question(self) -> tuple[pa.Table, Numbers, Sequence[History]]:
        keys = sorted({key for history in self._histories for key in history.keys.values()})
        asked = pa.Table.from_pandas(self._rows[keys], preserve_index=False)
        return asked, _microseconds(self._rows[self._at]), self._histories

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        memory = self._config.offline_store.memory_limit
        found = asof_join.as_of(*self._question(), known=self._known, memory=memory)
        rows = pa.Table.from_pandas(self._rows, preserve_index=False)
        for name, column in zip(found.column_names, found.columns, strict=True):
            rows = rows.append_column(name, column)
        return rows

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        found: pd.DataFrame = self._to_arrow_internal(timeout).to_pandas()
        return found

    @property
    def full_feature_names(self) -> bool:
        return self._full

    @property
    def on_demand_feature_views(self) -> list[Any]:
        return self._odfvs

    @property
    def metadata(self) -> RetrievalMetadata:
        at = pd.to_datetime(self._rows[self._at], utc=True)
        keys = [str(name) for name in self._rows.columns if name != self._at]
        return RetrievalMetadata(self._features, keys, at.min(), at.max())

    def persist(self, storage: Any, allow_overwrite: bool = False, timeout: int | None = None) -> None:
        """Write the answer where a saved data set lies, as Feast's DuckDB store does."""
        answer = ibis.memtable(self.to_arrow(timeout=timeout))
        where = str(self._config.repo_path)
        _write_data_source(answer, storage.to_data_source(), where, "overwrite", allow_overwrite)


def _ours(source: Any) -> bool:
    """Whether a source is parquet files on this machine."""
    if not isinstance(source, FileSource) or "://" in source.path:
        return False
    return source.path.endswith(".parquet") and isinstance(source.file_format, ParquetFormat | None)


def _history(view: Any, refs: Sequence[str], full_feature_names: bool) -> History:
    source, prefix = view.batch_source, f"{view.projection.name_to_use()}:"
    in_files = {new: old for old, new in source.field_mapping.items()}
    name = view.projection.name_alias or view.name
    features = [ref.removeprefix(prefix) for ref in refs if ref.startswith(prefix)]
    keys = view.projection.join_key_map or {entity.name: entity.name for entity in view.entity_columns}
    return History(
        name=name,
        pattern=source.path,
        event=in_files.get(source.timestamp_field, source.timestamp_field),
        created=in_files.get(source.created_timestamp_column, source.created_timestamp_column) or None,
        keys={in_files.get(stored, stored): asked for stored, asked in keys.items()},
        columns={f"{name}__{f}" if full_feature_names else f: in_files.get(f, f) for f in features},
        ttl=view.ttl or asof_join.FOREVER,
    )


def _microseconds(at: "pd.Series[Any]") -> Numbers:
    """(n,) since 1970, UTC; what is finer is rounded down, so that nothing later is seen."""
    moments = pd.to_datetime(at, utc=True)
    if moments.dt.unit == "ns":
        return np.asarray(moments.astype(np.int64)) // 1000
    return np.asarray(moments.dt.as_unit("us").astype(np.int64))
