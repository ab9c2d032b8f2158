"""The stored features of a member (X1, X2, X5, X8), in the order of their columns."""

from pipelines.features.feature import Feature, Kind, View

SHOWN = "impressions.shown_at, watches.impression_id"
"""A watch that no impression led to counts as shown too."""
WATCHED = "watches.started_at"
ENGAGED = "watches.completion, ratings.rating"
JUDGED = f"{SHOWN}, watches.completion"
RATED = f"{SHOWN}, {ENGAGED}"
SEARCHED = "searches.searched_at, searches.query"
BY_GENRE = "count by code of vocabulary/genres"


def _attributes() -> tuple[Feature, ...]:
    of = View("user_attributes", "user")
    return (
        of.number("user_age", "age as the member stated it", "years", "X1", "users.age"),
        of.word("user_gender", "gender as the member stated it", "X1", "users.gender"),
        of.word("user_language", "the member's language", "X1", "users.language"),
        of.word("user_country", "where the member lives", "X1", "users.country"),
        of.word("user_time_zone", "the member's time zone", "X3", "users.time_zone"),
    )


def _activity() -> tuple[Feature, ...]:
    of, number = View("user_activity", "user"), View("user_activity", "user").number
    session = "sessions.started_at, sessions.ended_at"
    return (
        number("user_impressions", "titles shown, ever", "count", "X5", SHOWN),
        number("user_impressions_7d", "titles shown in the last 7 days", "count", "X5", SHOWN),
        number("user_watches", "watches, ever", "count", "X5", WATCHED),
        number("user_watches_7d", "watches in the last 7 days", "count", "X5", WATCHED),
        number("user_engaged", "engaged watches, ever", "count", "X5", ENGAGED),
        number("user_engaged_7d", "engaged watches in the last 7 days", "count", "X5", ENGAGED),
        number("user_impressions_log", "ln(1 + user_impressions)", "log count", "X5", SHOWN),
        number("user_engaged_rate", "engaged of shown, smoothed towards everyone's", "share", "X5", RATED),
        number(
            "user_bounce_rate",
            "left at once or unplayed, of shown, smoothed towards everyone's",
            "share",
            "X5",
            JUDGED,
        ),
        number(
            "user_completion_mean",
            "mean completion of watches whose completion is known",
            "share",
            "X5",
            "watches.completion",
        ),
        number("user_watched_seconds_mean", "mean time watched", "seconds", "X1", "watches.watched_seconds"),
        number("user_session_seconds", "mean time of a session", "seconds", "X1", session),
        of.word("user_last_genre", "main genre of the last watch", "X1", f"{WATCHED}, media.genres"),
        of.moment("user_last_watch_at", "when the last watch began", "X1", WATCHED),
    )


def _genres() -> tuple[Feature, ...]:
    histogram = View("user_genres", "user").packed
    return (
        histogram(
            "user_genre_watched", "histogram", "engaged watches by genre", BY_GENRE, "X2", f"{ENGAGED}, media.genres"
        ),
        histogram("user_genre_shown", "histogram", "titles shown by genre", BY_GENRE, "X2", f"{SHOWN}, media.genres"),
    )


def _recent() -> tuple[Feature, ...]:
    """What pipelines.features.sequence computes from a member's events; as old as the last of them."""
    of = View("user_recent", "user")
    watched, played = f"{WATCHED}, watches.media_id", f"{WATCHED}, watches.watched_seconds"
    return (
        of.sequence("user_history", "the last 50 engaged media", "media id", "X8", f"{watched}, {ENGAGED}"),
        of.sequence("user_recent_media", "the last 20 watched media", "media id", "X8", watched),
        of.sequence("user_searches", "the last 10 searches", "words", "X8", SEARCHED),
        of.packed("user_search_terms", "codes", "words of the last 5 searches", "vocabulary/terms", "X8", SEARCHED),
        of.packed(
            "user_recent_genres",
            "histogram",
            "the last 20 watches by genre",
            BY_GENRE,
            "X5",
            f"{watched}, media.genres",
        ),
        of.moment("user_recent_watch_at", "when the last watch began", "X1", watched),
        of.number(
            "user_recent_completion", "mean completion of the last 20 watches", "share", "X8", "watches.completion"
        ),
        of.number("user_session_watches", "watches of the last session so far", "count", "X1", watched),
        of.number("user_session_watched_seconds", "time watched in it so far", "seconds", "X1", played),
        of.moment("user_session_seen_at", "its last sign of the member", "X1", f"{played}, searches.searched_at"),
    )


def _tastes() -> tuple[Feature, ...]:
    watched = "engaged watches by"
    people = "media.actors, media.director, media.creator, media.composer"
    written = f"media.genres, media.tags, media.synopsis, media.original_language, {people}"

    def one(name: str, kind: Kind, meaning: str, unit: str, requirement: str, source: str) -> Feature:
        return View("user_tastes", "user").packed(name, kind, meaning, unit, requirement, f"{ENGAGED}, {source}")

    def histogram(name: str, meaning: str, values: str, source: str) -> Feature:
        unit = f"count by code of vocabulary/{values}, modulo 128"
        return one(name, "histogram", f"{watched} {meaning}", unit, "X2", source)

    return (
        histogram("user_language_watched", "original language", "languages", "media.original_language"),
        histogram("user_actor_watched", "actor", "actors", "media.actors"),
        histogram("user_director_watched", "director", "directors", "media.director"),
        one(
            "user_keyword_watched",
            "histogram",
            f"{watched} keyword of the synopsis",
            "count by code of vocabulary/synopsis, modulo 128",
            "X7",
            "media.synopsis",
        ),
        one("user_embedding", "embedding", "sum of the embeddings of engaged media", "1", "X5", written),
        *(
            one(
                f"user_genre_watched_{days}d",
                "histogram",
                f"{watched} genre, of the last {days} days",
                BY_GENRE,
                "X5",
                f"{WATCHED}, media.genres",
            )
            for days in (30, 90)
        ),
    )


FEATURES = (*_attributes(), *_activity(), *_genres(), *_tastes(), *_recent())
VIEWS = tuple(dict.fromkeys(feature.view for feature in FEATURES))
