"""What was decided of experiments, and who was exposed to which release of them."""

import sqlalchemy as sa
from alembic import op

from pipelines.adapters.event_tables import Moment, document

revision = "0031"
down_revision = "0007"


def upgrade() -> None:
    """Create both tables and the index that an experiment's decisions are found by."""
    op.create_table(
        "experiments",
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("decided_at", Moment(), nullable=False),
        sa.Column("definition", document(), nullable=False),
    )
    op.create_index("ix_experiments_name", "experiments", ["name"])
    op.create_table(
        "exposures",
        sa.Column("experiment", sa.String(), primary_key=True),
        sa.Column("user_id", sa.String(), primary_key=True),
        sa.Column("variant", sa.String(), primary_key=True),
        sa.Column("release_id", sa.String(), primary_key=True),
        sa.Column("exposed_at", Moment(), nullable=False),
    )


def downgrade() -> None:
    """Drop both tables, and everything in them."""
    op.drop_table("exposures")
    op.drop_table("experiments")
