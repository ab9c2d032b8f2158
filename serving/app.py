"""The application: ``uvicorn --factory serving.app:create_app``."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from pipelines.adapters.event_store import EventStore
from pipelines.core import settings as environment
from pipelines.core.settings import Settings
from serving import refusals, routes, security
from serving.decisions import Decisions
from serving.feature_log import FeatureLog
from serving.recent import RecentFeatures
from serving.recommender import Recommender
from serving.service import Service

PAGE = Path(__file__).with_name("page")
ONLY_OURS = {"Content-Security-Policy": "default-src 'self'", "Referrer-Policy": "no-referrer"}


def create_app(
    settings: Settings | None = None,
    recommender: Recommender | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> FastAPI:
    """The API over the settings of the environment; tests and simulations give their own parts."""
    settings = settings or environment.load()
    recommender = recommender or Recommender(settings, clock=clock)
    store = EventStore(settings.event_store_address)
    decisions = Decisions(store, poll_seconds=settings.champion_poll_seconds)
    recent = RecentFeatures(store, recommender.kept, recommender.online)
    feature_log = FeatureLog(store, settings.feature_log_share)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        store.migrate()
        decisions.start()
        recommender.start()
        recent.start()
        feature_log.start()
        try:
            yield
        finally:
            recent.close()
            feature_log.close()
            recommender.close()
            decisions.close()
            store.close()

    summary = "A member and a context in, an ordered page out."
    # FastAPI's own reference loads its script from another host: offline it is a blank page.
    app = FastAPI(title="Marquee", summary=summary, lifespan=life, docs_url=None, redoc_url=None)
    service = Service(settings, recommender, store, decisions, recent, feature_log, clock)
    app.include_router(routes.guarded(service, security.guard(settings)))
    app.include_router(routes.health(service))
    refusals.install(app)
    app.mount("/assets", StaticFiles(directory=PAGE), name="assets")

    @app.get("/", include_in_schema=False)
    def home() -> FileResponse:
        return FileResponse(PAGE / "index.html", headers=ONLY_OURS)

    @app.get("/docs", include_in_schema=False)
    def reference() -> FileResponse:
        return FileResponse(PAGE / "reference.html", headers=ONLY_OURS)

    return app
