"""The API's addresses. Each is one call; what it does lies in answers, events and recommender."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Depends, Query

from serving.answers import answer
from serving.events import hear
from serving.refusals import Refusal
from serving.schemas import (
    EventsHeard,
    EventsSent,
    PageAsked,
    PageGiven,
    PinAsked,
    PinGiven,
    PinHeld,
    PinLifted,
    Refused,
    TakedownAsked,
    TakedownGiven,
    TakedownHeld,
)
from serving.service import Service

REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Refused, "description": said}
    for status, said in ((401, "wrong or missing key"), (422, "a field is wrong"), (503, "nothing to serve yet"))
}


def guarded(service: Service, guard: Callable[..., None]) -> APIRouter:
    """/v1, which needs the key."""
    router = APIRouter(prefix="/v1", dependencies=[Depends(guard)], responses=REFUSALS)

    @router.post("/page", response_model=PageGiven, summary="A member's page, and a log of what it shows")
    def page(asked: PageAsked) -> dict[str, Any]:
        return answer(asked, service.moment(asked.at), service)

    @router.post("/events", summary="What members did; sending an event twice is harmless")
    def events(sent: EventsSent) -> EventsHeard:
        now = service.moment(sent.at)
        known, heard = service.recommender.knows, service.recent.heard
        return hear(sent.events, now=now, store=service.store, known=known, changed=heard)

    @router.post("/takedowns", summary="Take a title off every page, or lift that")
    def decide_takedown(asked: TakedownAsked) -> TakedownGiven:
        at, down = service.moment(asked.at), not asked.lift
        service.store.decide_takedown(asked.media_id, down=down, reason=asked.reason, at=at)
        service.decisions.refresh()
        return TakedownGiven(media_id=asked.media_id, down=down, known=service.recommender.knows(asked.media_id))

    @router.get("/takedowns", summary="What is taken down, since when and why")
    def takedowns() -> list[TakedownHeld]:
        return [TakedownHeld(**held) for held in service.store.takedowns()]

    @router.post("/pins", summary="Hold a title at a slot of every page, or boost it, until a moment")
    def pin(asked: PinAsked) -> PinGiven:
        at = service.moment(asked.at)
        if asked.until <= at:
            raise Refusal(422, "until", "it is over already", "name a moment to come", asked.until.isoformat())
        made = service.store.decide_pin(asked.model_dump(exclude={"at"}), at=at)
        service.decisions.refresh()
        return PinGiven(**made, known=service.recommender.knows(asked.media_id))

    @router.delete("/pins/{number}", summary="Lift a pin or a boost")
    def lift_pin(number: int) -> PinLifted:
        if not service.store.lift_pin(number, service.moment(None)):
            raise Refusal(404, "number", "no pin or boost of this number holds", "GET /v1/pins lists them", number)
        service.decisions.refresh()
        return PinLifted(number=number)

    @router.get("/pins", summary="What is pinned and boosted, where, until when and why")
    def pins() -> list[PinHeld]:
        now = service.moment(None)
        return [PinHeld(**held) for held in service.store.pins() if held["until"] > now]

    @router.get("/members", summary="Some members that are known, to try the page with")
    def members(limit: int = Query(8, ge=1, le=100, description="how many, 1 to 100")) -> dict[str, list[str]]:
        return {"members": service.recommender.some_members(limit)}

    return router


def health(service: Service) -> APIRouter:
    """Whether the process lives, and whether it can serve."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", summary="The process lives; ``loading`` until it has looked for a champion once")
    def healthz() -> dict[str, Any]:
        return {"status": "alive", "loading": service.recommender.loading}

    @router.get("/readyz", summary="A champion is loaded; ``refused`` says why a newer one is not")
    def readyz() -> dict[str, Any]:
        live, problem = service.recommender.live, service.recommender.problem
        if live is None:
            raise Refusal(503, "champion", str(problem), "pages are served as soon as it is there")
        return {
            "status": "ready",
            "release_id": live.pager.release.release_id,
            "version": live.version,
            "snapshot": live.pager.snapshot.version,
            "refused": problem,
            "features_through": service.recommender.features_through,
            "stale_features": dict(service.recommender.stale),
            "live_features": service.recent.state(),
            "feature_log": service.feature_log.state(),
            "experiments": service.variants.state(),
        }

    return router
