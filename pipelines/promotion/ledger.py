"""The ledger as promotion uses it: opened, checked at every read and before every line, signed with the right key."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from pipelines.adapters.ledger_store import LedgerStore, Wanted
from pipelines.adapters.model_registry import ModelRegistry
from pipelines.core import keys
from pipelines.core.errors import LedgerError, ReleaseError, SettingsError
from pipelines.core.ledger import Draft, Entry, check
from pipelines.core.settings import Settings

FILE = "ledger.jsonl"
"""Where the ledger lay before it had a table: imported once, then renamed."""
IMPORTED = "imported"
ANCHOR = "ledger"
"""The tag of a version in MLflow that names the promoter's last line on it."""


def read(settings: Settings) -> list[Entry]:
    """Every line, checked, the oldest first; LedgerError where the ledger was changed."""
    with _opened(settings) as store:
        entries = store.read()
    check(entries, keys.trust(settings))
    return entries


def append(settings: Settings, role: keys.Role, wanted: Wanted) -> Entry | None:
    """Check the lines so far, ask ``wanted`` what to add to them, and add it; nobody else writes meanwhile."""
    trust, signer = keys.trust(settings), keys.signer(settings, role)

    def checked(entries: list[Entry]) -> Draft | None:
        check(entries, trust)
        return wanted(entries)

    with _opened(settings) as store:
        return store.append(checked, signer)


def bring_in(settings: Settings) -> None:
    """Import the ledger of an older Marquee, where there is one, before the API asks who may serve."""
    if (settings.root / FILE).exists():
        read(settings)


@dataclass(frozen=True)
class Checked:
    """How many lines there are, the last one's number and hash, and how many versions in MLflow name one.

    ``anchors`` is None where MLflow did not answer.
    """

    entries: int
    head: str | None
    anchors: int | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def anchor(entry: Entry) -> str:
    """What a version in MLflow keeps of the promoter's last line on it, so that lines cut off at the end are missed."""
    return f"{entry.sequence}:{entry.hash}"


def verify(settings: Settings) -> Checked:
    """Check every line, with the keys of every role, and that each line which a version in MLflow names is there.

    Raises:
        LedgerError: naming the first line that is wrong or gone. SettingsError: a role's public key is not known here.
    """
    unknown = [role for role in keys.ROLES if role not in keys.trust(settings)]
    if unknown:
        raise SettingsError(f"set {', '.join(f'MARQUEE_{role.upper()}_PUBLIC_KEY' for role in unknown)}: {keys.HOW}")
    entries = read(settings)
    held = {anchor(entry) for entry in entries}
    named = _anchors(settings)
    for version, told in sorted((named or {}).items()):
        if told not in held:
            number = told.partition(":")[0]
            raise LedgerError(
                f"ledger entry {number}, which version {version} in MLflow names, is gone or another one: "
                "the ledger was changed; restore it from a backup before releasing anything"
            )
    return Checked(len(entries), anchor(entries[-1]) if entries else None, None if named is None else len(named))


def _anchors(settings: Settings) -> dict[int, str] | None:
    registry = ModelRegistry(settings)
    try:
        told = {release.version: registry.tags(release.version).get(ANCHOR) for release in registry.releases()}
    except ReleaseError:
        return None
    return {version: text for version, text in told.items() if text}


@contextmanager
def _opened(settings: Settings) -> Iterator[LedgerStore]:
    with LedgerStore(settings.event_store_address) as store:
        store.migrate()
        old = settings.root / FILE
        if old.exists():
            _import(store, old, keys.signer(settings, "promoter"))
        yield store


def _import(store: LedgerStore, path: Path, signer: keys.Signer) -> None:
    """Bring in the lines of a file, each once, signed by the promoter who vouches for them; then set the file aside."""
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            told = json.loads(line)
            wanted = [*_as_drafts(told)]
        except (ValueError, KeyError, TypeError) as exc:
            raise LedgerError(
                f"{path} holds a line that cannot be read: mend or move the file, then try again"
            ) from exc
        for draft in wanted:
            store.append(partial(_unless_in, draft), signer)
    path.rename(path.with_name(f"{path.name}.{IMPORTED}"))


def _as_drafts(told: Mapping[str, Any]) -> Iterator[Draft]:
    """A decision of the old ledger as the verdict, the approval where it was forced, and the promotion that it was."""
    facts = {**told["facts"], IMPORTED: told["hash"]}
    about = {"at": datetime.fromisoformat(told["at"]), "actor": told["actor"], "release_id": told["release_id"]}
    about["version"] = told["version"]
    yield Draft(event="judged", facts=facts, **about)
    if told["facts"].get("forced"):
        yield Draft(event="approved", facts={"reason": "forced", IMPORTED: told["hash"]}, **about)
    if told["facts"].get("forced") or told["facts"]["verdict"] == "promote":
        before = told["facts"].get("before")
        yield Draft(event="promoted", facts={"before": before, "reason": None, IMPORTED: told["hash"]}, **about)


def _unless_in(draft: Draft, entries: list[Entry]) -> Draft | None:
    named = (draft.event, draft.facts[IMPORTED])
    return None if any((e.event, e.facts.get(IMPORTED)) == named for e in entries) else draft
