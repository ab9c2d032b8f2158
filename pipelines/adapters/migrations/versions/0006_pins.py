"""What was decided to be pinned or boosted, until when, and when that was lifted."""

import sqlalchemy as sa
from alembic import op

from pipelines.adapters.event_tables import Moment

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the table and the index that what is not lifted is found by."""
    op.create_table(
        "pins",
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
    )
    op.create_index("ix_pins_lifted_at", "pins", ["lifted_at"])


def downgrade() -> None:
    """Drop the table, and every decision in it."""
    op.drop_table("pins")
