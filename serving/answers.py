"""A page request, answered once: recommend, log what is shown, give it."""

import logging
import math
import uuid
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pipelines.adapters.event_store import EventStore
from pipelines.candidates.members import GENRE
from pipelines.core.contracts import CHOSEN, History
from pipelines.core.engagement import POSITIVE_ABOVE
from pipelines.core.errors import StackError
from pipelines.page import PageItem, PageRequest
from pipelines.rerank.pins import Rules
from serving.explanation import explanation
from serving.recommender import Live, Recommendation, Recommender
from serving.refusals import Refusal
from serving.schemas import PageAsked
from serving.service import Service
from serving.variants import Place

log = logging.getLogger(__name__)
RECENT = 100
NOT_LOGGED = "the event store is down: what was shown is not logged"


def answer(asked: PageAsked, at: datetime, service: Service) -> dict[str, Any]:
    """The page as PageGiven; the earlier one where the request was answered before.

    Media that were taken down are on no page, not even on one that was given before.
    """
    recommender, store, down = service.recommender, service.store, service.decisions.down
    earlier = _earlier(asked, store) if asked.request_id else None
    if earlier:
        return _without(earlier, down)
    champion = recommender.live
    if champion is None:
        raise Refusal(503, "champion", str(recommender.problem), "GET /readyz says when pages can be served")
    place = service.variants.place(asked.user_id, at, champion)
    live = place.live
    request = _request(asked, at)
    lately = _lately(asked.user_id, at, live, recommender, store)
    recent = service.recent.as_at if asked.at else service.recent.row
    rules = Rules(service.decisions.pins, lately.shown)
    recommended = recommender.recommend(live, request, lately.history, lately.dismissed | down, recent, rules)
    given = _given(asked, recommended, place, [place.trouble, lately.trouble, service.recent.trouble])
    why = {"explanation": explanation(recommended, request, lately.history, down)} if asked.explain else {}
    try:
        service.variants.expose(place, asked.user_id, at)
        before = store.record_page(request.request_id, given, _impressions(asked, request, recommended), at)
    except StackError as exc:
        log.error("request %s was answered but not logged", request.request_id, exc_info=exc)
        lacks = [*given["degradations"], NOT_LOGGED]
        return given | why | {"degraded": True, "degradations": lacks}
    if before:
        return _without(_same_member(before, asked), down)
    service.feature_log.offer(request, recommended)
    return given | why


def _request(asked: PageAsked, at: datetime) -> PageRequest:
    return PageRequest(
        user_id=asked.user_id,
        request_id=asked.request_id or uuid.uuid4().hex,
        at=at,
        device=asked.device,
        country=asked.country,
        time_zone=asked.time_zone,
        surface=asked.surface,
        k=asked.k,
        rows=asked.rows,
    )


def _earlier(asked: PageAsked, store: EventStore) -> dict[str, Any] | None:
    try:
        page = store.page(str(asked.request_id))
    except StackError:
        return None
    return _same_member(page, asked) if page else None


def _same_member(page: dict[str, Any], asked: PageAsked) -> dict[str, Any]:
    if page["user_id"] != asked.user_id:
        remedy = "give every request an id of its own"
        raise Refusal(409, "request_id", "it was another member's request", remedy, asked.request_id)
    return page


def _without(page: dict[str, Any], down: AbstractSet[str]) -> dict[str, Any]:
    """An earlier page less what was taken down since; the others keep the positions that were logged."""
    return page | {"items": [item for item in page["items"] if item["media_id"] not in down]}


@dataclass(frozen=True)
class Lately:
    """What a member did up to now. shown: how often each title was shown since the snapshot. trouble: what is wrong."""

    history: History
    dismissed: AbstractSet[str] = frozenset()
    shown: Mapping[str, int] = field(default_factory=dict)
    trouble: str | None = None


def _lately(user_id: str, at: datetime, live: Live, recommender: Recommender, store: EventStore) -> Lately:
    """The member's history with what was watched and chosen since the snapshot, and what else the event store tells."""
    history = recommender.history(user_id)
    try:
        watches = store.latest("watches", user_id, at, RECENT)
        dismissed = {row["media_id"] for row in store.latest("dismissals", user_id, at, RECENT)}
        chosen = [row["value"] for row in store.latest("preferences", user_id, at, RECENT) if row["kind"] == GENRE]
        shown = _shown(user_id, at, live, store)
    except StackError as exc:
        log.error("the event store did not answer for a member's recent events", exc_info=exc)
        return Lately(history, trouble="the event store is down: today's events are not considered")
    kept = recommender.kept()
    enough = kept.positive_above if kept else POSITIVE_ABOVE
    fresh = {row["media_id"]: None for row in watches if (row["completion"] or 0.0) > enough}
    media = (*(m for m in history.media if m not in fresh), *fresh)
    known = _with_chosen(history.context, chosen)
    return Lately(History(media, (1.0,) * len(media), known), dismissed, shown)


def _with_chosen(context: Mapping[str, object], chosen: list[str]) -> Mapping[str, object]:
    """What is known of the member, and the genres that they chose since."""
    before = context.get(CHOSEN, ())
    genres = (*before, *chosen) if isinstance(before, tuple) else tuple(chosen)
    return {**context, CHOSEN: tuple(dict.fromkeys(genres))} if chosen else context


def _shown(user_id: str, at: datetime, live: Live, store: EventStore) -> dict[str, int]:
    """How often each title was shown to the member since the snapshot, which knows of what was before."""
    rules = live.pager.filters
    if rules.most_without_success is None or live.kept is None:
        return {}
    return store.times_shown(user_id, max(live.kept.at, at - timedelta(days=rules.days)), at)


def _given(asked: PageAsked, recommended: Recommendation, place: Place, troubles: list[str | None]) -> dict[str, Any]:
    page = recommended.page
    degradations = [*recommended.degradations, *(said for said in troubles if said)]
    return {
        "request_id": page.request_id,
        "user_id": asked.user_id,
        "release_id": page.release_id,
        "experiment": place.experiment,
        "variant": place.variant,
        "snapshot": page.snapshot_version,
        "known": recommended.known,
        "degraded": bool(degradations),
        "degradations": degradations,
        "items": [_item(item, page.request_id, recommended.live) for item in page.items],
    }


def _item(item: PageItem, request_id: str, live: Live) -> Mapping[str, Any]:
    return {
        "media_id": item.media_id,
        "impression_id": f"{request_id}-{item.position}",
        "position": item.position,
        "title": item.title,
        "genres": live.pager.snapshot.genres[live.rows[item.media_id]],
        "reason": item.reason,
        "score": _score(item),
        "propensity": item.propensity,
        "policy": item.policy,
        "row": item.row,
    }


def _score(item: PageItem) -> float | None:
    return None if math.isnan(item.score) else item.score


def _impressions(asked: PageAsked, request: PageRequest, recommended: Recommendation) -> list[dict[str, Any]]:
    page = recommended.page
    return [
        {
            "impression_id": f"{page.request_id}-{item.position}",
            "request_id": page.request_id,
            "session_id": asked.session_id,
            "user_id": asked.user_id,
            "media_id": item.media_id,
            "shown_at": request.at,
            "available_at": request.at,
            "surface": asked.surface,
            "position": item.position,
            "policy": item.policy,
            "propensity": item.propensity,
            "action_set": list(item.action_set) if item.action_set else None,
            "action_propensities": list(item.action_propensities) if item.action_propensities else None,
            "score": _score(item),
            "release_id": page.release_id,
            "clicked": False,
            "device": asked.device,
        }
        for item in page.items
    ]
