"""Moving releases: promote, approve, refuse, roll back. The ledger's signed line comes first, then the alias.

A step that was killed between the two is finished by running it again. Who moves at the same moment as another is
refused: the line is added under a lock, and only where the champion is the one that was looked at.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipelines.adapters.model_registry import CHAMPION, ModelRegistry, RegisteredRelease
from pipelines.core import standing
from pipelines.core.errors import MoveRefused, ReleaseError, SettingsError
from pipelines.core.ledger import Draft, Entry, Event
from pipelines.core.settings import Settings
from pipelines.promotion import ledger


@dataclass(frozen=True)
class Move:
    """The release that is champion now, by which event, which was before, and the line of the ledger that says so."""

    version: int
    release_id: str
    event: Event
    before: str | None
    sequence: int
    champion: bool = True

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def champion(settings: Settings) -> RegisteredRelease | None:
    """The champion by the ledger: the release that serves, whatever the alias was moved to elsewhere."""
    held = standing.champion(ledger.read(settings))
    return None if held is None else _registered(held)


def promote(settings: Settings, release_id: str, *, at: datetime, actor: str, reason: str | None = None) -> Move:
    """Make a release champion that has a promote verdict or an approval.

    The champion itself stays champion: its alias is put right, and nothing is written.

    Raises:
        MoveRefused: it is not registered, may not be served, its verdict is against another champion than the one that
            stands, or another release became champion meanwhile.
        ReleaseError: its files are not those that were sealed.
    """
    entries = ledger.read(settings)
    now = standing.champion(entries)
    if now is not None and now.release_id == release_id and standing.known_alias(entries) == now:
        return _finish(settings, now)
    version = _whole(settings, release_id)
    _may_be_promoted(entries, release_id, now)
    return _move(settings, "promoted", release_id, version, now, at=at, actor=actor, reason=reason)


def roll_back(settings: Settings, *, to: str | None = None, at: datetime, actor: str, reason: str) -> Move:
    """Go back to the release that served before the champion, or to ``to``.

    Raises:
        MoveRefused: there is none, it never served, it was refused since, it is the champion, or the champion moved
            meanwhile. ReleaseError: its files are not those that were sealed.
    """
    _must_say(reason, "a rollback")
    entries = ledger.read(settings)
    now = standing.champion(entries)
    target = to or standing.served_before(entries)
    if target is None:
        raise MoveRefused("no release served before the champion: promote one, or name it")
    if now is not None and target == now.release_id:
        raise MoveRefused(f"release {target} is the champion: name another, or leave it out")
    if not standing.has_served(entries, target):
        raise MoveRefused(
            f"release {target} never served: `marquee ledger` lists those that did; to serve it, promote it"
        )
    return _move(settings, "rolled_back", target, _whole(settings, target), now, at=at, actor=actor, reason=reason)


def approve(settings: Settings, release_id: str, *, at: datetime, actor: str, reason: str) -> Entry:
    """Allow a registered release to be promoted, whatever the gate said of it."""
    return _say(settings, "approved", release_id, at=at, actor=actor, reason=reason)


def refuse(settings: Settings, release_id: str, *, at: datetime, actor: str, reason: str) -> Entry:
    """Forbid a registered release to be promoted, whatever the gate said; the champion cannot be refused."""
    return _say(settings, "refused", release_id, at=at, actor=actor, reason=reason)


def _say(settings: Settings, event: Event, release_id: str, *, at: datetime, actor: str, reason: str) -> Entry:
    _must_say(reason, f"what is {event}")
    registry = ModelRegistry(settings)
    version = _version(registry, release_id)
    draft = Draft(event=event, at=at, actor=actor, release_id=release_id, version=version, facts={"reason": reason})

    def wanted(entries: list[Entry]) -> Draft:
        now = standing.champion(entries)
        if event == "refused" and now is not None and now.release_id == release_id:
            raise MoveRefused(f"release {release_id} is the champion: roll back first, then refuse it")
        return draft

    entry = _written(settings, wanted)
    registry.tag(version, {ledger.ANCHOR: ledger.anchor(entry)})
    return entry


def _move(
    settings: Settings,
    event: Event,
    release_id: str,
    version: int,
    before: Entry | None,
    *,
    at: datetime,
    actor: str,
    reason: str | None,
) -> Move:
    """Write the line, where ``before`` is champion still and the release may be served; then move the alias."""
    facts = {standing.BEFORE: before.release_id if before else None, "reason": reason}
    draft = Draft(event=event, at=at, actor=actor, release_id=release_id, version=version, facts=facts)

    def wanted(entries: list[Entry]) -> Draft:
        now = standing.champion(entries)
        if now != before:
            became = f"release {now.release_id} became champion" if now else "there is no champion any more"
            raise MoveRefused(f"{became} while {release_id} was checked: look again, then decide")
        _may_be_served(entries, release_id)
        return draft

    return _finish(settings, _written(settings, wanted))


def _written(settings: Settings, wanted: Callable[[list[Entry]], Draft]) -> Entry:
    entry = ledger.append(settings, "promoter", wanted)
    if entry is None:
        raise ReleaseError("the ledger took no line: try again")
    return entry


def _finish(settings: Settings, entry: Entry) -> Move:
    """Let the alias follow the ledger. Who was overtaken by another move puts the alias where that one left it."""
    registry, now = ModelRegistry(settings), entry
    while True:
        release = _registered(now)
        if registry.champion() != release:
            registry.set_alias(CHAMPION, release.version)
        registry.tag(release.version, {ledger.ANCHOR: ledger.anchor(now)})
        newest = standing.champion(ledger.read(settings)) or now
        if newest == now:
            break
        now = newest
    release = _registered(entry)
    return Move(release.version, release.release_id, entry.event, entry.facts.get(standing.BEFORE), entry.sequence)


def _may_be_promoted(entries: Sequence[Entry], release_id: str, now: Entry | None) -> None:
    warrant = _may_be_served(entries, release_id)
    compared = warrant.facts.get(standing.BEFORE)
    if warrant.event == "judged" and now is not None and now.release_id not in (compared, release_id):
        raise MoveRefused(
            f"release {release_id} was judged against {compared or 'no champion'}, and {now.release_id} is champion "
            "now: judge it against that one, or have it approved"
        )


def _may_be_served(entries: Sequence[Entry], release_id: str) -> Entry:
    warrant = standing.warrant(entries, release_id)
    if warrant is None:
        said = standing.word(entries, release_id)
        raise MoveRefused(f"release {release_id} may not be served: {said}; have it approved, or release another")
    return warrant


def _whole(settings: Settings, release_id: str) -> int:
    """The version of a release whose stored files are those that were sealed."""
    registry = ModelRegistry(settings)
    version = _version(registry, release_id)
    with TemporaryDirectory(prefix="marquee-release-") as into:
        registry.download(version, Path(into))
    return version


def _version(registry: ModelRegistry, release_id: str) -> int:
    version = registry.version_of(release_id)
    if version is None:
        held = ", ".join(f"{r.release_id} ({r.version})" for r in registry.releases()[:5]) or "none"
        raise MoveRefused(f"release {release_id} is not registered: the newest are {held}")
    return version


def _registered(entry: Entry) -> RegisteredRelease:
    if entry.version is None:
        raise ReleaseError(f"ledger entry {entry.sequence} names no version of {entry.release_id}: promote it again")
    return RegisteredRelease(entry.version, entry.release_id)


def _must_say(reason: str, of: str) -> None:
    if not reason.strip():
        raise SettingsError(f"{of} needs a reason: say why, for whoever reads the ledger")
