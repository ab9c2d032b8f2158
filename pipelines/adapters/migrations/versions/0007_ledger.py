"""The ledger, to which lines are added and in which none is changed."""

import sqlalchemy as sa
from alembic import op

from pipelines.adapters.event_tables import Moment

revision = "0007"
down_revision = "0006"
SAID = "the ledger is append-only"
SQLITE = (
    f"CREATE TRIGGER ledger_keeps_lines BEFORE UPDATE ON ledger BEGIN SELECT RAISE(ABORT, '{SAID}'); END",
    f"CREATE TRIGGER ledger_loses_none BEFORE DELETE ON ledger BEGIN SELECT RAISE(ABORT, '{SAID}'); END",
    # INSERT OR REPLACE deletes the line that is in its way without firing the trigger above.
    "CREATE TRIGGER ledger_replaces_none BEFORE INSERT ON ledger"
    " WHEN EXISTS (SELECT 1 FROM ledger WHERE sequence = NEW.sequence OR previous = NEW.previous)"
    f" BEGIN SELECT RAISE(ABORT, '{SAID}'); END",
)
POSTGRESQL = (
    "CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS"
    f" $$ BEGIN RAISE EXCEPTION '{SAID}' USING ERRCODE = 'integrity_constraint_violation'; END $$",
    "CREATE TRIGGER ledger_keeps_lines BEFORE UPDATE OR DELETE ON ledger"
    " FOR EACH ROW EXECUTE FUNCTION ledger_is_append_only()",
    "CREATE TRIGGER ledger_is_not_emptied BEFORE TRUNCATE ON ledger"
    " FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only()",
)


def upgrade() -> None:
    """Create the table and the triggers that refuse to change it."""
    texts = ("event", "actor", "release_id", "facts", "previous", "key_id", "hash", "signature")
    op.create_table(
        "ledger",
        sa.Column("sequence", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("at", Moment(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in texts),
        sa.Column("version", sa.BigInteger()),
        sa.UniqueConstraint("previous", name="uq_ledger_previous"),
    )
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRESQL:
        op.execute(statement)


def downgrade() -> None:
    """Drop the table, and every line in it."""
    op.drop_table("ledger")
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION ledger_is_append_only()")
