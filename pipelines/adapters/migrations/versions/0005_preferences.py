"""What members choose at onboarding."""

import sqlalchemy as sa
from alembic import op

from pipelines.adapters.event_tables import Moment

revision = "0005"
down_revision = "0004"
KEY, TIMES = ("user_id", "kind", "value"), ("chosen_at", "available_at")


def upgrade() -> None:
    """Create the table, and the indexes that reading by time and member needs."""
    keys = [sa.Column(name, sa.String(), primary_key=True) for name in KEY]
    op.create_table("preferences", *keys, *(sa.Column(name, Moment(), nullable=False) for name in TIMES))
    for column in ("user_id", *TIMES):
        op.create_index(f"ix_preferences_{column}", "preferences", [column])


def downgrade() -> None:
    """Drop the table, and every choice that was not exported."""
    op.drop_table("preferences")
