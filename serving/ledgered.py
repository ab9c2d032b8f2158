"""Which release may serve: the one that the alias names where the ledger lets it, else the ledger's own champion."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pipelines.adapters.ledger_store import LedgerStore
from pipelines.core import keys, standing
from pipelines.core.errors import ReleaseError, SettingsError
from pipelines.core.ledger import Draft, Entry, check
from pipelines.core.settings import Settings

log = logging.getLogger(__name__)
ACTOR = "api"
PATIENCE = 15
"""Polls for which an alias may lag behind the line that moves it: the line is written first."""


class Named(Protocol):
    """What an alias names."""

    @property
    def version(self) -> int: ...

    @property
    def release_id(self) -> str: ...


@dataclass(frozen=True)
class Choice:
    """The release to serve, and what is wrong with the alias; None where nothing is."""

    version: int
    release_id: str
    problem: str | None = None


class Ledgered:
    """Reads the ledger whenever it has grown, believes the promoter's key only, and writes what serves and what moved.

    Raises:
        SettingsError: this process was not given the promoter's public key, or none of its own to sign with.
    """

    def __init__(self, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._store = LedgerStore(settings.event_store_address)
        self._clock = clock
        self._trust, self._signer = keys.trust(settings), keys.signer(settings, "server")
        if "promoter" not in self._trust:
            raise SettingsError("MARQUEE_PROMOTER_PUBLIC_KEY is not set: without it nobody knows what may be served")
        self._entries: list[Entry] = []
        self._lag: tuple[object, int] = (None, 0)

    def close(self) -> None:
        """Close the ledger."""
        self._store.close()

    def choose(self, alias: Named | None) -> Choice | None:
        """What to serve while the alias names this. None where there is no champion at all.

        Raises:
            LedgerError: the ledger was changed, so that nothing in it can be believed.
            ReleaseError: the alias names what may not be served, and the ledger has no champion to stay with.
        """
        entries = self._read()
        lags = not _is_known(alias, entries) and self._is_on_its_way(alias, entries)
        if not lags and not _is_known(alias, entries):
            entries = self._note_move(alias, entries)
        if alias is not None and _may_serve(alias, entries):
            return Choice(alias.version, alias.release_id)
        champion = standing.champion(entries)
        wrong = _wrong(alias, champion, entries)
        if champion is None or champion.version is None:
            if alias is not None:
                raise ReleaseError(wrong)
            return None
        return Choice(champion.version, champion.release_id, None if lags else wrong)

    def served_last(self) -> Choice | None:
        """The release that served last and may serve still, for a start at which the champion cannot be loaded."""
        served = (e for e in reversed(self._entries) if e.event == "serving" and e.version is not None)
        found = next((e for e in served if standing.warrant(self._entries, e.release_id)), None)
        return None if found is None or found.version is None else Choice(found.version, found.release_id)

    def note_serving(self, version: int, release_id: str, snapshot: str) -> None:
        """Write that this release serves now, unless another process wrote so already."""

        def wanted(entries: list[Entry]) -> Draft | None:
            check(entries, self._trust)
            before = next((e for e in reversed(entries) if e.event == "serving"), None)
            if before is not None and before.release_id == release_id:
                return None
            facts: dict[str, object] = {"snapshot": snapshot, standing.BEFORE: before.release_id if before else None}
            return self._draft("serving", release_id, version, facts)

        self._store.append(wanted, self._signer)

    def _read(self) -> list[Entry]:
        """Every line; read and checked again only where the last one is another."""
        head = self._store.head()
        if head != _head(self._entries):
            entries = self._store.read()
            check(entries, self._trust)
            self._entries = entries
        return self._entries

    def _is_on_its_way(self, alias: Named | None, entries: Sequence[Entry]) -> bool:
        """Whether a move that was written was not made yet: the alias is where it was before, and not for long."""
        move = standing.known_alias(entries)
        if move is None or move.event == "alias_moved" or not _is_known(alias, entries[: move.sequence]):
            return False
        if standing.has_served(entries[move.sequence :], move.release_id):
            return False
        state = (_head(entries), alias and alias.version)
        self._lag = (state, self._lag[1] + 1 if self._lag[0] == state else 1)
        return self._lag[1] <= PATIENCE

    def _note_move(self, alias: Named | None, seen: Sequence[Entry]) -> list[Entry]:
        """Write that the alias was moved by somebody else; the lines with that one among them."""

        def wanted(entries: list[Entry]) -> Draft | None:
            check(entries, self._trust)
            if _head(entries) != _head(seen):
                return None  # What was seen is not what stands: the next poll looks again.
            known = standing.known_alias(entries)
            facts: dict[str, object] = {standing.BEFORE: known.release_id if known else None}
            if alias is None:
                facts |= {standing.ACCEPTED: False, "removed": True}
                return self._draft("alias_moved", known.release_id if known else "", None, facts)
            facts |= {standing.ACCEPTED: _may_serve(alias, entries)}
            return self._draft("alias_moved", alias.release_id, alias.version, facts)

        written = self._store.append(wanted, self._signer)
        if written is not None:
            log.warning("the alias champion was moved in MLflow: %s", written.facts | {"to": written.release_id})
        return self._read()

    def _draft(self, event: str, release_id: str, version: int | None, facts: dict[str, object]) -> Draft:
        about = {"event": event, "at": self._clock(), "actor": ACTOR, "release_id": release_id, "version": version}
        return Draft.model_validate(about | {"facts": facts})


def _head(entries: Sequence[Entry]) -> tuple[int, str] | None:
    return (entries[-1].sequence, entries[-1].hash) if entries else None


def _may_serve(alias: Named, entries: Sequence[Entry]) -> bool:
    return standing.warrant(entries, alias.release_id) is not None


def _is_known(alias: Named | None, entries: Sequence[Entry]) -> bool:
    """Whether the ledger says of the alias what it names, and of a move in MLflow whether it may be served."""
    known = standing.known_alias(entries)
    if known is None or alias is None:
        return alias is None and (known is None or known.version is None)
    if known.event == "alias_moved" and known.facts.get(standing.ACCEPTED) is not _may_serve(alias, entries):
        return False
    return (known.version, known.release_id) == (alias.version, alias.release_id)


def _wrong(alias: Named | None, champion: Entry | None, entries: Sequence[Entry]) -> str:
    if alias is None:
        told = "the alias champion names nothing"
    else:
        named = f"version {alias.version} ({alias.release_id or 'no release'})"
        told = f"the alias champion names {named}, which may not be served: {standing.word(entries, alias.release_id)}"
    stays = f"; {champion.release_id}, the last champion of the ledger, stays" if champion else ""
    return f"{told}{stays}: set the alias back, or have the release approved and promote it"
