"""The feature vectors of some pages; and events found by when they became known."""

import sqlalchemy as sa
from alembic import op

from pipelines.adapters.event_tables import Moment, document

revision = "0004"
down_revision = "0003"
EVENTS = ("impressions", "watches", "searches", "sessions", "dismissals")


def upgrade() -> None:
    """Create the table, and an index on each event table."""
    op.create_table(
        "served_features",
        sa.Column("request_id", sa.String(), primary_key=True),
        *(sa.Column("user_id", sa.String(), nullable=False), sa.Column("requested_at", Moment(), nullable=False)),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("release_id", "snapshot_version")),
        *(sa.Column(name, sa.String()) for name in ("device", "country", "time_zone", "surface")),
        sa.Column("media_ids", document(), nullable=False),
        sa.Column("features", sa.LargeBinary(), nullable=False),
    )
    op.create_index("ix_served_features_requested_at", "served_features", ["requested_at"])
    for table in EVENTS:
        op.create_index(f"ix_{table}_available_at", table, ["available_at"])


def downgrade() -> None:
    """Drop them, and every vector that was logged."""
    for table in EVENTS:
        op.drop_index(f"ix_{table}_available_at", table)
    op.drop_table("served_features")
