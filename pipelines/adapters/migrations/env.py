"""Alembic's environment: runs inside the transaction that EventStore.migrate opened."""

from alembic import context

from pipelines.adapters.event_tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
