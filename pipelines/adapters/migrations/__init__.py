"""Alembic: how the event store's schema came to be. EventStore.migrate runs it."""
