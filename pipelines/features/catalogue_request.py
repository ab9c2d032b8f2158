"""The features computed at the request: of its moment (X1, X3), and of the member against each media (X5)."""

from pipelines.features.catalogue_user import ENGAGED, RATED, WATCHED
from pipelines.features.feature import Feature, View

CONTEXT, CROSS = "context", "cross"
CLOCK = "request.requested_at, request.zone, users.time_zone"
PLACE = f"{CLOCK}, request.country, users.country"


def _context() -> tuple[Feature, ...]:
    of = View(CONTEXT, "request")
    return (
        of.number("context_hour", "hour of the local day, with its minutes as a fraction", "hours", "X3", CLOCK),
        of.number("context_weekday", "0 = Monday", "1", "X3", CLOCK),
        of.number("context_weekend", "1 on Saturday and Sunday", "1", "X3", CLOCK),
        of.word("context_daypart", "night, morning, afternoon or evening", "X3", CLOCK),
        of.word("context_season", "season in the member's hemisphere", "X3", PLACE),
        of.word("context_holiday", "the next public holiday where the member lives", "X3", PLACE),
        of.word("context_device", "what the member holds", "X3", "request.device"),
        of.word("context_surface", "where the titles are shown", "X3", "request.surface"),
        of.number("context_days_to_holiday", "days to the next public holiday", "days", "X3", PLACE),
        *_session(of),
    )


def _session(of: View) -> tuple[Feature, ...]:
    now = f"request.requested_at, {WATCHED}"
    return (
        of.number("context_session_watches", "watches of the session so far, 0 where it is over", "count", "X1", now),
        of.number(
            "context_session_minutes",
            "time watched in the session so far, 0 where it is over",
            "minutes",
            "X1",
            f"{now}, watches.watched_seconds",
        ),
        of.number("context_minutes_since_watch", "time since the last watch began", "minutes", "X1", now),
    )


def _genres() -> tuple[Feature, ...]:
    number = View(CROSS, "pair").number
    return (
        number(
            "cross_genre_affinity",
            "engaged of shown in the media's genres, smoothed towards the member's own rate",
            "share",
            "X5",
            f"{RATED}, media.genres",
        ),
        number(
            "cross_genre_lift",
            "cross_genre_affinity less the member's own rate",
            "share",
            "X5",
            f"{RATED}, media.genres",
        ),
        number(
            "cross_genre_share",
            "share of the member's engaged watches that fell in the media's genres",
            "share",
            "X5",
            f"{ENGAGED}, media.genres",
        ),
        number(
            "cross_genre_similarity",
            "cosine of the member's engaged genres and the media's",
            "cosine",
            "X5",
            f"{ENGAGED}, media.genres",
        ),
        number(
            "cross_recent_genre_share",
            "share of the last 20 watches' genres that are the media's",
            "share",
            "X5",
            f"{WATCHED}, watches.media_id, media.genres",
        ),
    )


def _pairs() -> tuple[Feature, ...]:
    number = View(CROSS, "pair").number
    return (
        number(
            "cross_duration_ratio",
            "ln of the running time over the member's mean time watched",
            "log ratio",
            "X5",
            "watches.watched_seconds, media.duration_seconds",
        ),
        number(
            "cross_language_match",
            "1 where the original is in the member's language",
            "1",
            "X5",
            "users.language, media.original_language",
        ),
        number(
            "cross_recently_watched",
            "1 where the media is among the last 20 watches",
            "1",
            "X5",
            "watches.media_id",
        ),
    )


def _days() -> tuple[Feature, ...]:
    number = View(CROSS, "pair").number
    return (
        number(
            "cross_days_since_release",
            "time since release",
            "days",
            "X4",
            "request.requested_at, media.release_date",
        ),
        number(
            "cross_days_on_platform",
            "time on the platform",
            "days",
            "X4",
            "request.requested_at, media.platform_at",
        ),
        number(
            "cross_days_since_watch",
            "time since the member's last watch",
            "days",
            "X1",
            f"request.requested_at, {WATCHED}",
        ),
    )


def _tastes() -> tuple[Feature, ...]:
    watched = "share of the member's engaged watches"

    def one(name: str, meaning: str, unit: str, source: str) -> Feature:
        return View(CROSS, "pair").number(name, meaning, unit, "X5", source)

    liked = f"{WATCHED}, {ENGAGED}"
    return (
        one("cross_actor_match", f"{watched}' actors who play in it", "share", f"{liked}, media.actors"),
        one("cross_director_match", f"{watched} by its director", "share", f"{liked}, media.director"),
        View(CROSS, "pair").number(
            "cross_keyword_match",
            "share of the keywords of the member's engaged watches that are its own",
            "share",
            "X7",
            f"{liked}, media.synopsis",
        ),
        one("cross_language_affinity", f"{watched} in its language", "share", f"{liked}, media.original_language"),
        one("cross_age_gap", "age of the member less that of its audience", "years", f"users.age, {liked}"),
        one(
            "cross_embedding_similarity",
            "cosine of the embeddings of the member and the media",
            "cosine",
            f"{liked}, media.genres, media.tags, media.synopsis, media.actors, media.director, media.creator",
        ),
        *(
            one(
                f"cross_genre_recent_{days}d",
                f"share of the genres engaged with in the last {days} days that are the media's",
                "share",
                f"{liked}, media.genres",
            )
            for days in (30, 90)
        ),
        one(
            "cross_search_match",
            "share of the words of the last searches that it may be found by",
            "share",
            "searches.query, media.title, media.original_title, media.tags, media.genres, media.actors, "
            "media.director, media.creator",
        ),
    )


FEATURES = (*_context(), *_genres(), *_pairs(), *_days(), *_tastes())
