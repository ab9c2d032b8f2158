"""The five event tables, and the answers given to page requests."""

import sqlalchemy as sa
from alembic import op

from pipelines.adapters.event_tables import Moment, document

revision = "0001"
down_revision = None


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), primary_key=True)


def _text(name: str, nullable: bool = True) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=nullable)


def _number(name: str) -> sa.Column[float]:
    return sa.Column(name, sa.Double())


def _times(name: str) -> tuple[sa.Column[object], sa.Column[object]]:
    return sa.Column(name, Moment(), nullable=False), sa.Column("available_at", Moment(), nullable=False)


def upgrade() -> None:
    """Create the tables and the indexes that reading by time, member and request needs."""
    op.create_table(
        "impressions",
        _key("impression_id"),
        *(_text("request_id"), _text("session_id"), _text("user_id", False), _text("media_id", False)),
        *_times("shown_at"),
        *(_text("surface"), sa.Column("position", sa.BigInteger()), _text("policy"), _number("propensity")),
        sa.Column("action_set", document()),
        sa.Column("action_propensities", document()),
        *(_number("score"), _text("release_id"), sa.Column("clicked", sa.Boolean()), _text("device")),
    )
    op.create_table(
        "watches",
        _key("watch_id"),
        *(_text("impression_id"), _text("request_id"), _text("session_id"), _text("user_id", False)),
        _text("media_id", False),
        *_times("started_at"),
        *(_number("watched_seconds"), _number("total_seconds"), _number("completion"), _text("device")),
    )
    op.create_table(
        "searches",
        _key("search_id"),
        *(_text("request_id"), _text("session_id"), _text("user_id", False)),
        *_times("searched_at"),
        *(_text("query", False), _text("device")),
    )
    op.create_table(
        "sessions",
        _key("session_id"),
        _text("user_id", False),
        *_times("started_at"),
        *(sa.Column("ended_at", Moment()), _text("device")),
    )
    op.create_table(
        "dismissals",
        _key("dismissal_id"),
        *(_text("request_id"), _text("session_id"), _text("user_id", False), _text("media_id", False)),
        *_times("dismissed_at"),
    )
    op.create_table(
        "pages",
        _key("request_id"),
        sa.Column("answered_at", Moment(), nullable=False),
        sa.Column("answer", document(), nullable=False),
    )
    indexed = {
        "impressions": ("shown_at", "user_id", "request_id"),
        "watches": ("started_at", "user_id", "request_id"),
        "searches": ("searched_at", "user_id", "request_id"),
        "sessions": ("started_at", "user_id"),
        "dismissals": ("dismissed_at", "user_id", "request_id"),
        "pages": ("answered_at",),
    }
    for table, columns in indexed.items():
        for column in columns:
            op.create_index(f"ix_{table}_{column}", table, [column])


def downgrade() -> None:
    """Drop every table of this version, and what is in it."""
    for table in ("impressions", "watches", "searches", "sessions", "dismissals", "pages"):
        op.drop_table(table)
