"""The event store: what the API hears, kept until the lake has it. SQLite in a file, or PostgreSQL by URL."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from pipelines.adapters.event_database import EventDatabase
from pipelines.adapters.event_tables import METADATA, PAGES, PINS, SERVED, TABLES, TAKEDOWNS
from pipelines.core import tables
from pipelines.core.errors import DataError

ROWS = 10_000
"""Rows in a batch."""
COMPLETES = {"sessions": "ended_at"}
"""The one column of a table that may be absent at first and be sent again later."""


class EventStore(EventDatabase):
    """Events by table, each kept once by its key. Close it, or use it as a context manager."""

    def record(self, table: str, rows: Sequence[Mapping[str, Any]]) -> int:
        """Keep each row once by its key, all or none; the number that was new (or completed an earlier one).

        Absent columns are null. DataError names an unknown table or column, a missing value, a time without zone.
        """
        if not rows:
            return 0
        with self._connected() as connection:
            return self._insert(connection, table, rows)

    def _insert(self, connection: sa.Connection, table: str, rows: Sequence[Mapping[str, Any]]) -> int:
        target = _known(table)
        values = [_whole(tables.TABLES[table], row) for row in rows]
        insert: Any = (sqlite.insert if self._sqlite else postgresql.insert)(target)
        keys = tables.TABLES[table].key
        late = COMPLETES.get(table)
        if late is None:
            insert = insert.on_conflict_do_nothing(index_elements=keys)
        else:
            completes = target.c[late].is_(None) & insert.excluded[late].is_not(None)
            insert = insert.on_conflict_do_update(
                index_elements=keys, set_={late: insert.excluded[late]}, where=completes
            )
            values = list({tuple(v[k] for k in keys): v for v in values}.values())
        try:
            return len(connection.execute(insert.returning(*(target.c[k] for k in keys)), values).all())
        except sa.exc.StatementError as exc:
            if isinstance(exc.orig, DataError):
                raise exc.orig from exc
            raise

    def record_page(
        self, request_id: str, answer: Mapping[str, Any], impressions: Sequence[Mapping[str, Any]], at: datetime
    ) -> dict[str, Any] | None:
        """Keep an answer and its impressions together, once; the earlier answer where the request had one."""
        insert: Any = (sqlite.insert if self._sqlite else postgresql.insert)(PAGES)
        insert = insert.on_conflict_do_nothing(index_elements=["request_id"]).returning(PAGES.c.request_id)
        with self._connected() as connection:
            new = connection.execute(
                insert, {"request_id": request_id, "answered_at": at, "answer": dict(answer)}
            ).all()
            if new and impressions:
                self._insert(connection, "impressions", impressions)
        return None if new else self.page(request_id)

    def page(self, request_id: str) -> dict[str, Any] | None:
        """The answer that was given to a request, or None."""
        with self._connected() as connection:
            answer = connection.execute(sa.select(PAGES.c.answer).where(PAGES.c.request_id == request_id)).scalar()
        return dict(answer) if answer is not None else None

    def record_clicks(self, impression_ids: Sequence[str]) -> int:
        """Mark impressions as clicked; the number that had not been. Unknown ids are passed over."""
        if not impression_ids:
            return 0
        shown = TABLES["impressions"]
        fresh = shown.c.impression_id.in_(impression_ids) & shown.c.clicked.is_not(True)
        with self._connected() as connection:
            return len(
                connection.execute(
                    sa.update(shown).where(fresh).values(clicked=True).returning(shown.c.impression_id)
                ).all()
            )

    def impressions(self, impression_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
        """The member and the media of each impression that is known."""
        shown = TABLES["impressions"]
        wanted = sa.select(shown.c.impression_id, shown.c.user_id, shown.c.media_id).where(
            shown.c.impression_id.in_(impression_ids)
        )
        with self._connected() as connection:
            return {row[0]: (row[1], row[2]) for row in connection.execute(wanted)} if impression_ids else {}

    def latest(self, table: str, user_id: str, before: datetime, limit: int) -> list[dict[str, Any]]:
        """A member's last rows of a table before a moment, oldest first."""
        target = _known(table)
        moment = target.c[str(tables.TABLES[table].moment)]
        wanted = (
            target.select().where(target.c.user_id == user_id, moment < before).order_by(moment.desc()).limit(limit)
        )
        with self._connected() as connection:
            return [dict(row) for row in reversed(connection.execute(wanted).mappings().all())]

    def known_since(self, table: str, user_ids: Sequence[str], since: datetime) -> dict[str, list[dict[str, Any]]]:
        """Each member's rows of a table that became known at ``since`` or later; no entry for one without any."""
        target = _known(table)
        wanted = target.select().where(target.c.user_id.in_(user_ids), target.c.available_at >= since)
        found: dict[str, list[dict[str, Any]]] = {}
        with self._connected() as connection:
            for row in connection.execute(wanted).mappings() if user_ids else ():
                found.setdefault(row["user_id"], []).append(dict(row))
        return found

    def members_since(self, since: datetime, names: Sequence[str]) -> list[str]:
        """The members of whom something in these tables became known at ``since`` or later."""
        asked = [sa.select(t.c.user_id).where(t.c.available_at >= since) for t in map(_known, names)]
        with self._connected() as connection:
            return sorted(connection.execute(sa.union(*asked)).scalars())

    def read(self, table: str, start: datetime, end: datetime) -> pa.Table:
        """The rows whose event time lies in [start, end), by event time, in the canonical schema."""
        return pa.Table.from_batches(self.batches(table, start, end), tables.TABLES[table].schema())

    def read_late(self, table: str, start: datetime, end: datetime) -> pa.Table:
        """The rows of events before ``start`` that became known in [start, end): nobody read them with their day."""
        target, canonical = _known(table), tables.TABLES[table]
        known = target.c.available_at
        wanted = target.select().where(known >= start, known < end, target.c[str(canonical.moment)] < start)
        with self._connected() as connection:
            rows = [dict(row) for row in connection.execute(wanted.order_by(known)).mappings()]
        return pa.Table.from_pylist(rows, canonical.schema())

    def batches(self, table: str, start: datetime, end: datetime) -> Iterator[pa.RecordBatch]:
        """What ``read`` reads, 10,000 rows at a time."""
        target, canonical = _known(table), tables.TABLES[table]
        moment = target.c[str(canonical.moment)]
        wanted = (
            target.select().where(moment >= start, moment < end).order_by(moment, *(target.c[k] for k in canonical.key))
        )
        with self._connected() as connection:
            streamed = connection.execution_options(yield_per=ROWS).execute(wanted)
            for rows in streamed.mappings().partitions():
                yield pa.RecordBatch.from_pylist([dict(row) for row in rows], canonical.schema())

    def record_served(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep the feature vectors of some pages, each once by its request; see SERVED for the columns."""
        insert: Any = (sqlite.insert if self._sqlite else postgresql.insert)(SERVED)
        with self._connected() as connection:
            if rows:
                connection.execute(insert.on_conflict_do_nothing(index_elements=["request_id"]), [*map(dict, rows)])

    def served(self, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
        """What ``record_served`` kept of requests in [start, end), in their order, some at a time."""
        at = SERVED.c.requested_at
        wanted = SERVED.select().where(at >= start, at < end).order_by(at, SERVED.c.request_id)
        with self._connected() as connection:
            for rows in connection.execution_options(yield_per=100).execute(wanted).mappings().partitions():
                yield from map(dict, rows)

    def decide_takedown(self, media_id: str, *, down: bool, reason: str, at: datetime) -> None:
        """Keep the decision to take a media off every page, or (``down`` false) to show it again."""
        decision = {"media_id": media_id, "down": down, "reason": reason, "decided_at": at}
        with self._connected() as connection:
            connection.execute(sa.insert(TAKEDOWNS), decision)

    def takedowns(self) -> list[dict[str, Any]]:
        """media_id, decided_at and reason of every media that is taken down now, in the order of the decisions."""
        last = sa.select(sa.func.max(TAKEDOWNS.c.number)).group_by(TAKEDOWNS.c.media_id)
        held = sa.select(TAKEDOWNS).where(TAKEDOWNS.c.number.in_(last), TAKEDOWNS.c.down).order_by(TAKEDOWNS.c.number)
        with self._connected() as connection:
            return [
                {name: row[name] for name in ("media_id", "decided_at", "reason")}
                for row in connection.execute(held).mappings()
            ]

    def decide_pin(self, pin: Mapping[str, Any], *, at: datetime) -> dict[str, Any]:
        """Keep the decision to pin a media (``slot``) or to boost it (``factor``); as ``pins`` gives it.

        pin: media_id, slot or factor, country, surface, until, reason. It replaces an earlier decision of its kind on
        this media, country and surface; what is over by ``at`` is closed.
        """
        kind = PINS.c.slot.is_(None) if pin.get("slot") is None else PINS.c.slot.is_not(None)
        same = [PINS.c[name].is_not_distinct_from(pin.get(name)) for name in ("media_id", "country", "surface")]
        replaced = PINS.c.lifted_at.is_(None) & (sa.and_(kind, *same) | (PINS.c.until <= at))
        decision = {**pin, "decided_at": at}
        with self._connected() as connection:
            connection.execute(sa.update(PINS).where(replaced).values(lifted_at=at))
            made = connection.execute(sa.insert(PINS).returning(PINS), decision).mappings().one()
        return _pin(made)

    def lift_pin(self, number: int, at: datetime) -> bool:
        """Undo a decision; whether it held."""
        held = (PINS.c.number == number) & PINS.c.lifted_at.is_(None)
        with self._connected() as connection:
            return bool(connection.execute(sa.update(PINS).where(held).values(lifted_at=at)).rowcount)

    def pins(self) -> list[dict[str, Any]]:
        """Every decision that is not lifted, in their order; one that is over by now may be among them."""
        held = PINS.select().where(PINS.c.lifted_at.is_(None)).order_by(PINS.c.number)
        with self._connected() as connection:
            return [_pin(row) for row in connection.execute(held).mappings()]

    def times_shown(self, user_id: str, since: datetime, before: datetime) -> dict[str, int]:
        """How often each media was shown to a member in [since, before)."""
        shown = TABLES["impressions"]
        wanted = (
            sa.select(shown.c.media_id, sa.func.count())
            .where(shown.c.user_id == user_id, shown.c.shown_at >= since, shown.c.shown_at < before)
            .group_by(shown.c.media_id)
        )
        with self._connected() as connection:
            return {row[0]: row[1] for row in connection.execute(wanted)}

    def differences(self) -> list[Any]:
        """How the database's schema differs from the canonical tables: nothing, once it is migrated."""
        from alembic.autogenerate import compare_metadata
        from alembic.migration import MigrationContext

        with self._connected() as connection:
            return list(compare_metadata(MigrationContext.configure(connection), METADATA))


def _pin(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in row.items() if name != "lifted_at"}


def _known(table: str) -> sa.Table:
    if table not in TABLES:
        raise DataError(f"table {table!r} is not in the event store: it keeps {', '.join(TABLES)}")
    return TABLES[table]


def _whole(table: tables.Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with every column of the table, absent ones null."""
    names = [column.name for column in table.columns]
    unknown = sorted(row.keys() - set(names))
    if unknown:
        raise DataError(f"{table.name} has no column {unknown[0]!r}: its columns are {', '.join(names)}")
    missing = [c.name for c in table.columns if not c.nullable and row.get(c.name) is None]
    if missing:
        raise DataError(f"{table.name} row has no {missing[0]}: every row needs one")
    return {name: row.get(name) for name in names}
