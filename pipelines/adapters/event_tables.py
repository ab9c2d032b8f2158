"""The event store's tables, made from the canonical ones: a column is said once, in pipelines.core.tables."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from pipelines.core import tables
from pipelines.core.errors import DataError

RECORDED = ("impressions", "watches", "searches", "sessions", "dismissals", "preferences")
EVENTS = tuple(tables.TABLES[name] for name in RECORDED)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LOOKED_UP = ("user_id", "request_id", "available_at")
"""Beside the event time, what serving looks events up by, and what an export finds late ones by."""


class Moment(sa.TypeDecorator[datetime]):
    """A UTC moment, exact to the microsecond: timestamptz on PostgreSQL, microseconds since 1970 on SQLite."""

    impl = sa.BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        timestamp: Any = postgresql.TIMESTAMP(timezone=True)
        return dialect.type_descriptor(timestamp if dialect.name == "postgresql" else sa.BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise DataError(f"time {value.isoformat()} has no zone: give it one, such as {value.isoformat()}Z")
        moment = value.astimezone(UTC)
        return moment if dialect.name == "postgresql" else (moment - EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if isinstance(value, datetime):
            return value.astimezone(UTC)
        return EPOCH + timedelta(microseconds=int(value))


def document() -> sa.types.TypeEngine[Any]:
    """A list or an object as JSON; an absent one is NULL."""
    return sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def _sql_type(arrow: pa.DataType) -> sa.types.TypeEngine[Any]:
    known: dict[pa.DataType, sa.types.TypeEngine[Any]] = {
        tables.STRING: sa.String(),
        tables.FLOAT: sa.Double(),
        tables.INT: sa.BigInteger(),
        tables.BOOL: sa.Boolean(),
        tables.TIME: Moment(),
    }
    return document() if pa.types.is_list(arrow) else known[arrow]


def _table(table: tables.Table, metadata: sa.MetaData) -> sa.Table:
    columns = [
        sa.Column(c.name, _sql_type(c.type), primary_key=c.name in table.key, nullable=c.nullable)
        for c in table.columns
    ]
    names = [name for name in LOOKED_UP if name in table.schema().names]
    indexes = [sa.Index(f"ix_{table.name}_{name}", name) for name in (str(table.moment), *names)]
    return sa.Table(table.name, metadata, *columns, *indexes)


METADATA = sa.MetaData()
TABLES = {table.name: _table(table, METADATA) for table in EVENTS}
PAGES = sa.Table(
    "pages",
    METADATA,
    sa.Column("request_id", sa.String(), primary_key=True),
    sa.Column("answered_at", Moment(), nullable=False),
    sa.Column("answer", document(), nullable=False),
    sa.Index("ix_pages_answered_at", "answered_at"),
)
"""The answers given, word for word, so that a request that is sent twice is answered once."""
TAKEDOWNS = sa.Table(
    "takedowns",
    METADATA,
    sa.Column("number", sa.Integer(), primary_key=True),
    sa.Column("media_id", sa.String(), nullable=False),
    sa.Column("decided_at", Moment(), nullable=False),
    sa.Column("down", sa.Boolean(), nullable=False),
    sa.Column("reason", sa.String(), nullable=False),
    sa.Index("ix_takedowns_media_id", "media_id"),
)
"""Every decision to take a media down or to lift that, in the order they were made: the last one of a media holds."""
PINS = sa.Table(
    "pins",
    METADATA,
    sa.Column("number", sa.Integer(), primary_key=True),
    sa.Column("media_id", sa.String(), nullable=False),
    sa.Column("slot", sa.Integer()),
    sa.Column("factor", sa.Double()),
    sa.Column("country", sa.String()),
    sa.Column("surface", sa.String()),
    sa.Column("until", Moment(), nullable=False),
    sa.Column("reason", sa.String(), nullable=False),
    sa.Column("decided_at", Moment(), nullable=False),
    sa.Column("lifted_at", Moment()),
    sa.Index("ix_pins_lifted_at", "lifted_at"),
)
"""Every decision to pin a media to a slot, or to boost it by a factor, and when it was lifted, replaced or over."""
SERVED = sa.Table(
    "served_features",
    METADATA,
    sa.Column("request_id", sa.String(), primary_key=True),
    sa.Column("user_id", sa.String(), nullable=False),
    sa.Column("requested_at", Moment(), nullable=False),
    sa.Column("release_id", sa.String(), nullable=False),
    sa.Column("snapshot_version", sa.String(), nullable=False),
    sa.Column("device", sa.String()),
    sa.Column("country", sa.String()),
    sa.Column("time_zone", sa.String()),
    sa.Column("surface", sa.String()),
    sa.Column("media_ids", document(), nullable=False),
    sa.Column("features", sa.LargeBinary(), nullable=False),
    sa.Index("ix_served_features_requested_at", "requested_at"),
)
"""The feature vectors that some pages were ranked by; ``features`` is what pipelines.features.vectors packs."""
LEDGER = sa.Table(
    "ledger",
    METADATA,
    sa.Column("sequence", sa.BigInteger(), primary_key=True, autoincrement=False),
    sa.Column("at", Moment(), nullable=False),
    sa.Column("event", sa.String(), nullable=False),
    sa.Column("actor", sa.String(), nullable=False),
    sa.Column("release_id", sa.String(), nullable=False),
    sa.Column("version", sa.BigInteger()),
    sa.Column("facts", sa.String(), nullable=False),
    sa.Column("previous", sa.String(), nullable=False),
    sa.Column("key_id", sa.String(), nullable=False),
    sa.Column("hash", sa.String(), nullable=False),
    sa.Column("signature", sa.String(), nullable=False),
    sa.UniqueConstraint("previous", name="uq_ledger_previous"),
)
"""Who trained, judged, approved and served which release: pipelines.core.ledger's entries. Triggers refuse every
change; ``facts`` is the very text that was hashed, which a JSON column would spell anew."""
