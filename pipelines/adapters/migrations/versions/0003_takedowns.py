"""What was decided to be taken down, and lifted again."""

import sqlalchemy as sa
from alembic import op

from pipelines.adapters.event_tables import Moment

revision = "0003"
down_revision = "0001"


def upgrade() -> None:
    """Create the table and the index that the latest decision of each media is found by."""
    op.create_table(
        "takedowns",
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("media_id", sa.String(), nullable=False),
        sa.Column("decided_at", Moment(), nullable=False),
        sa.Column("down", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
    )
    op.create_index("ix_takedowns_media_id", "takedowns", ["media_id"])


def downgrade() -> None:
    """Drop the table, and every decision in it."""
    op.drop_table("takedowns")
