"""Posted events become rows of the event store: each is judged on its own, and kept once."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from pipelines.adapters.event_store import EventStore
from serving.refusals import reason
from serving.schemas import EVENT, AnyEvent, Click, Dismissal, EventsHeard, Preference, Rejected, Search, Session, Watch

AHEAD = timedelta(minutes=5)
"""How far a member's clock may run ahead of ours; what it says happened after now counts as of now, here and later."""

Shown = Mapping[str, tuple[str, str]]


def hear(
    sent: list[dict[str, Any]],
    *,
    now: datetime,
    store: EventStore,
    known: Callable[[str], bool | None],
    changed: Callable[[list[str]], None],
) -> EventsHeard:
    """Keep what is right and new. ``known`` says of a media id whether it exists, None while nobody can say.

    changed: told the members who watched or searched, once that is kept.
    """
    rejected: list[Rejected] = []
    events = [event for event in (_parsed(one, rejected) for one in sent) if event is not None]
    shown = store.impressions([e.impression_id for e in events if isinstance(e, (Click, Watch)) and e.impression_id])
    clicks, rows = [], dict[str, list[dict[str, Any]]]()
    for event in events:
        wrong = _late(event, now) or _strange_media(event, known) or _strange_impression(event, shown)
        if wrong:
            rejected.append(Rejected(event_id=event.event_id, reason=wrong))
        elif isinstance(event, Click):
            clicks.append(event.impression_id)
        else:
            table, row = _row(event.model_copy(update={"at": min(event.at, now)}), now)
            rows.setdefault(table, []).append(row)
    accepted = store.record_clicks(clicks) + sum(store.record(table, new) for table, new in rows.items())
    changed(list(dict.fromkeys(row["user_id"] for table in ("watches", "searches") for row in rows.get(table, ()))))
    duplicates = len(sent) - len(rejected) - accepted
    return EventsHeard(accepted=accepted, duplicates=duplicates, rejected=rejected)


def _parsed(one: dict[str, Any], rejected: list[Rejected]) -> AnyEvent | None:
    try:
        return EVENT.validate_python(one)
    except ValidationError as exc:
        said = "; ".join(reason({**problem, "loc": problem["loc"][1:] or ("type",)}) for problem in exc.errors())
        event_id = one.get("event_id")
        rejected.append(Rejected(event_id=event_id if isinstance(event_id, str) else None, reason=said))
        return None


def _late(event: AnyEvent, now: datetime) -> str | None:
    if event.at <= now + AHEAD:
        return None
    return f"at {event.at.isoformat()} lies in the future: it is {now.isoformat(timespec='seconds')} here"


def _strange_media(event: AnyEvent, known: Callable[[str], bool | None]) -> str | None:
    if isinstance(event, (Watch, Dismissal)) and known(event.media_id) is False:
        return f"media_id {event.media_id!r} is not in the catalogue: send an id that a page gave"
    return None


def _strange_impression(event: AnyEvent, shown: Shown) -> str | None:
    if not isinstance(event, (Click, Watch)) or event.impression_id is None:
        return None
    if event.impression_id not in shown:
        return f"impression_id {event.impression_id!r} was never shown: send one that a page gave"
    user_id, media_id = shown[event.impression_id]
    if user_id != event.user_id:
        return f"impression_id {event.impression_id!r} was shown to another member than {event.user_id!r}"
    if isinstance(event, Watch) and media_id != event.media_id:
        return f"impression_id {event.impression_id!r} showed {media_id!r}, not {event.media_id!r}"
    return None


def _row(event: Watch | Search | Session | Dismissal | Preference, now: datetime) -> tuple[str, dict[str, Any]]:
    who = {"user_id": event.user_id, "available_at": now}
    if isinstance(event, Preference):
        return "preferences", who | {"chosen_at": event.at, "kind": event.kind, "value": event.value}
    common = who | {"session_id": event.session_id}
    asked = common | {"request_id": event.request_id}
    if isinstance(event, Session):
        return "sessions", common | {"started_at": event.at, "ended_at": event.ended_at, "device": event.device}
    if isinstance(event, Search):
        search = {"search_id": event.event_id, "searched_at": event.at, "query": event.query, "device": event.device}
        return "searches", asked | search
    if isinstance(event, Dismissal):
        dismissal = {"dismissal_id": event.event_id, "dismissed_at": event.at, "media_id": event.media_id}
        return "dismissals", asked | dismissal
    return "watches", asked | {
        "watch_id": event.event_id,
        "started_at": event.at,
        "media_id": event.media_id,
        "impression_id": event.impression_id,
        "watched_seconds": event.watched_seconds,
        "total_seconds": event.total_seconds,
        "completion": _completion(event),
        "device": event.device,
    }


def _completion(event: Watch) -> float | None:
    if event.completion is not None or event.watched_seconds is None or not event.total_seconds:
        return event.completion
    return event.watched_seconds / event.total_seconds
