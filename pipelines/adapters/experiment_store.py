"""What was decided of experiments, and who was exposed to what: two tables in the event store's database."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from pipelines.adapters.event_store import EventStore
from pipelines.adapters.event_tables import EXPERIMENTS, EXPOSURES

LOCK = 5_118_231
"""The lock under which one decision is made after the other."""

Decisions = list[dict[str, Any]]


class ExperimentStore:
    """Decisions are only ever added; an exposure is kept once, with its first moment."""

    def __init__(self, store: EventStore) -> None:
        self._store = store

    def decide(
        self,
        name: str,
        action: str,
        make: Callable[[Decisions], dict[str, Any]],
        *,
        actor: str,
        reason: str,
        at: datetime,
    ) -> None:
        """Keep a decision (start, stop). ``make`` is told every earlier one, may refuse by raising, and returns the
        definition to keep; nobody else decides meanwhile."""
        with self._store.transaction(lock=LOCK) as connection:
            definition = make(_decisions(connection))
            made = {"name": name, "action": action, "actor": actor, "reason": reason, "decided_at": at}
            connection.execute(sa.insert(EXPERIMENTS), made | {"definition": definition})

    def decisions(self) -> Decisions:
        """Every decision, in the order they were made: number, name, action, actor, reason, decided_at, definition."""
        with self._store.transaction() as connection:
            return _decisions(connection)

    def expose(self, experiment: str, variant: str, user_id: str, release_id: str, at: datetime) -> None:
        """A member of a variant was answered by a release; the first time of each is kept."""
        insert: Any = sqlite.insert if self._store.embedded else postgresql.insert
        keys = ["experiment", "user_id", "variant", "release_id"]
        row = dict(zip(keys, (experiment, user_id, variant, release_id), strict=True)) | {"exposed_at": at}
        with self._store.transaction() as connection:
            connection.execute(insert(EXPOSURES).on_conflict_do_nothing(index_elements=keys), row)

    def exposures(self, experiment: str, before: datetime) -> Sequence[tuple[str, str, str, datetime]]:
        """(member, variant, release that answered, first time) before a moment, in the order of members."""
        c = EXPOSURES.c
        wanted = (
            sa.select(c.user_id, c.variant, c.release_id, c.exposed_at)
            .where(c.experiment == experiment, c.exposed_at < before)
            .order_by(c.user_id, c.exposed_at)
        )
        with self._store.transaction() as connection:
            return [(row[0], row[1], row[2], row[3]) for row in connection.execute(wanted)]


def _decisions(connection: sa.Connection) -> Decisions:
    return [dict(row) for row in connection.execute(EXPERIMENTS.select().order_by(EXPERIMENTS.c.number)).mappings()]
