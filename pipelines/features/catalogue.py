"""Every feature, named once: Feast's views, the training data and the served vectors are all made from this list."""

from dataclasses import dataclass
from typing import Literal

from pipelines.core.dataset import Dataset, ExtraColumn
from pipelines.core.errors import FeatureError

Dtype = Literal["float", "string", "floats", "strings"]
Kind = Literal["numeric", "categorical", "histogram", "codes", "embedding", "sequence", "moment"]
Entity = Literal["user", "media", "request", "pair"]


@dataclass(frozen=True)
class Feature:
    """One column. Only ``numeric`` and ``categorical`` ones feed tree and linear rankers as they are.

    A ``moment`` is in unix seconds. Packed: a ``histogram`` counts by code, ``codes`` are places in a saved vocabulary
    counted from 1 (0 pads), an ``embedding`` is dense, a ``sequence`` lists ids or words, oldest first.
    """

    name: str
    dtype: Dtype
    view: str
    entity: Entity
    kind: Kind
    meaning: str
    unit: str = "1"
    requirement: str = ""
    """Which of X1 to X8 it answers."""
    source: str = ""
    """The canonical columns it is made from, ``table.column``, comma separated."""


NOT_YET_LIVE = frozenset(
    (
        "user_recent_completion",
        "user_session_watches",
        "user_session_watched_seconds",
        "context_session_watches",
        "context_session_minutes",
        "context_minutes_since_watch",
        "cross_recent_genre_share",
        "cross_recently_watched",
    )
)
"""Features that change within the day. Offline they are exact to the moment, online only as of the last refresh, until
events are pushed to the online store: a ranker that read them would be flattered by every backtest."""

USER_VIEWS = ("user_attributes", "user_activity", "user_genres", "user_recent")
MEDIA_VIEWS = ("media_profile", "media_popularity", "media_creator")
CONTEXT, CROSS = "context", "cross"


def _numbers(view: str, entity: Entity, unit: str, **meanings: str) -> tuple[Feature, ...]:
    return tuple(Feature(name, "float", view, entity, "numeric", meaning, unit) for name, meaning in meanings.items())


def _words(view: str, entity: Entity, **meanings: str) -> tuple[Feature, ...]:
    return tuple(Feature(n, "string", view, entity, "categorical", meaning, "word") for n, meaning in meanings.items())


def _histogram(view: str, entity: Entity, name: str, meaning: str) -> Feature:
    return Feature(name, "floats", view, entity, "histogram", meaning, "count by code of vocabulary/genres")


def _moment(view: str, entity: Entity, name: str, meaning: str) -> Feature:
    return Feature(name, "float", view, entity, "moment", meaning, "unix seconds")


def _user_attributes() -> tuple[Feature, ...]:
    view = "user_attributes"
    return (
        *_numbers(view, "user", "years", user_age="age as the member stated it"),
        *_words(
            view,
            "user",
            user_gender="gender as the member stated it",
            user_language="the member's language",
            user_country="where the member lives",
            user_time_zone="the member's time zone",
        ),
    )


def _user_activity() -> tuple[Feature, ...]:
    view = "user_activity"
    return (
        *_numbers(
            view,
            "user",
            "count",
            user_impressions="titles shown, ever",
            user_impressions_7d="titles shown in the last 7 days",
            user_watches="watches, ever",
            user_watches_7d="watches in the last 7 days",
            user_engaged="engaged watches, ever",
            user_engaged_7d="engaged watches in the last 7 days",
        ),
        *_numbers(view, "user", "log count", user_impressions_log="ln(1 + user_impressions)"),
        *_numbers(
            view,
            "user",
            "share",
            user_engaged_rate="engaged of shown, smoothed towards everyone's",
            user_bounce_rate="left at once or unplayed, of shown, smoothed towards everyone's",
            user_completion_mean="mean completion of watches whose completion is known",
        ),
        *_numbers(
            view,
            "user",
            "seconds",
            user_watched_seconds_mean="mean time watched",
            user_session_seconds="mean time of a session (X1)",
        ),
        *_words(view, "user", user_last_genre="main genre of the last watch (X1)"),
        _moment(view, "user", "user_last_watch_at", "when the last watch began"),
    )


def _user_genres() -> tuple[Feature, ...]:
    view = "user_genres"
    return (
        _histogram(view, "user", "user_genre_watched", "engaged watches by genre (X2)"),
        _histogram(view, "user", "user_genre_shown", "titles shown by genre"),
    )


def _user_recent() -> tuple[Feature, ...]:
    """What pipelines.features.sequence computes from a member's events; as old as the last of them."""
    view, watched, searched = (
        "user_recent",
        "watches.started_at, watches.media_id",
        "searches.searched_at, searches.query",
    )
    played = "watches.started_at, watches.watched_seconds"

    def one(name: str, dtype: Dtype, kind: Kind, meaning: str, unit: str, requirement: str, source: str) -> Feature:
        return Feature(name, dtype, view, "user", kind, meaning, unit, requirement, source)

    return (
        one("user_history", "strings", "sequence", "the last 50 engaged media", "media id", "X8", watched),
        one("user_recent_media", "strings", "sequence", "the last 20 watched media", "media id", "X8", watched),
        one("user_searches", "strings", "sequence", "the last 10 searches", "words", "X8", searched),
        one("user_search_terms", "floats", "codes", "words of the last 5 searches", "vocabulary/terms", "X8", searched),
        one(
            "user_recent_genres",
            "floats",
            "histogram",
            "the last 20 watches by genre",
            "count by code of vocabulary/genres",
            "X5",
            f"{watched}, media.genres",
        ),
        one("user_recent_watch_at", "float", "moment", "when the last watch began", "unix seconds", "X1", watched),
        one(
            "user_recent_completion",
            "float",
            "numeric",
            "mean completion of the last 20 watches",
            "share",
            "X8",
            "watches.completion",
        ),
        one("user_session_watches", "float", "numeric", "watches of the last session so far", "count", "X1", watched),
        one("user_session_watched_seconds", "float", "numeric", "time watched in it so far", "seconds", "X1", played),
        one("user_session_seen_at", "float", "moment", "its last sign of the member", "unix seconds", "X1", played),
    )


def _media_profile() -> tuple[Feature, ...]:
    view = "media_profile"
    return (
        *_numbers(
            view, "media", "seconds", media_duration_seconds="running time", media_duration_log="ln(1 + running time)"
        ),
        *_numbers(
            view,
            "media",
            "1",
            media_release_year="year of this release",
            media_season_number="season an episode belongs to",
            media_public_rating="the public's rating, 0 to 10",
            media_revenue_log="ln(1 + revenue before the platform in US dollars)",
            media_genre_count="number of genres",
        ),
        *_words(
            view,
            "media",
            media_kind="film, episode, or the source's word",
            media_main_genre="first genre",
            media_maturity_rating="age advice",
            media_original_language="language of the original",
            media_country_of_origin="country of origin",
            media_release_type="cinema, streaming, broadcast, festival",
            media_period_setting="period in which the content is set",
            media_director="director",
            media_creator="creator: showrunner, author, seller",
            media_distributor="distributor or studio",
        ),
        _histogram(view, "media", "media_genres", "1 at each of its genres"),
        _moment(view, "media", "media_release_at", "when it was released"),
        _moment(view, "media", "media_platform_at", "when it came to the platform"),
    )


def _media_popularity() -> tuple[Feature, ...]:
    view, spans = "media_popularity", {"": "ever", "_1d": "on the last day", "_7d": "in the last 7 days"}
    counts = {
        f"media_{name}{suffix}": f"{meaning} {span}"
        for name, meaning in (("impressions", "times shown"), ("watches", "watches"), ("engaged", "engaged watches"))
        for suffix, span in spans.items()
    }
    return (
        *_numbers(view, "media", "count", **counts),
        *_numbers(view, "media", "log count", media_impressions_log="ln(1 + media_impressions)"),
        *_numbers(
            view,
            "media",
            "share",
            media_engaged_rate="engaged of shown, smoothed towards all media's",
            media_engaged_rate_7d="the same over the last 7 days, smoothed towards its own rate",
            media_bounce_rate="left at once or unplayed, of shown, smoothed towards all media's",
            media_completion_mean="mean completion of watches whose completion is known",
        ),
        *_numbers(view, "media", "ratio", media_trending="yesterday's watches against the mean day of the last 7"),
    )


def _media_creator() -> tuple[Feature, ...]:
    return _numbers(
        "media_creator",
        "media",
        "share",
        media_creator_rate="engaged of shown over all media of its creator, smoothed towards everyone's",
        media_creator_bounce_rate="left at once or unplayed over all media of its creator, smoothed",
    ) + _numbers(
        "media_creator", "media", "log count", media_creator_impressions_log="ln(1 + times its creator was shown)"
    )


def _context() -> tuple[Feature, ...]:
    return (
        *_numbers(
            CONTEXT,
            "request",
            "1",
            context_hour="hour of the local day, with its minutes as a fraction",
            context_weekday="0 = Monday",
            context_weekend="1 on Saturday and Sunday",
        ),
        *_words(
            CONTEXT,
            "request",
            context_daypart="night, morning, afternoon or evening",
            context_season="season in the member's hemisphere",
            context_holiday="the next public holiday where the member lives",
            context_device="what the member holds",
            context_surface="where the titles are shown",
        ),
        *_numbers(CONTEXT, "request", "days", context_days_to_holiday="days to the next public holiday"),
        *_numbers(
            CONTEXT, "request", "count", context_session_watches="watches of the session so far, 0 where it is over"
        ),
        *_numbers(
            CONTEXT,
            "request",
            "minutes",
            context_session_minutes="time watched in the session so far, 0 where it is over",
            context_minutes_since_watch="time since the last watch began",
        ),
    )


def _cross() -> tuple[Feature, ...]:
    return (
        *_numbers(
            CROSS,
            "pair",
            "share",
            cross_genre_affinity="engaged of shown in the media's genres, smoothed towards the member's own rate",
            cross_genre_lift="cross_genre_affinity less the member's own rate",
            cross_genre_share="share of the member's engaged watches that fell in the media's genres",
            cross_genre_similarity="cosine of the member's engaged genres and the media's",
            cross_recent_genre_share="share of the last 20 watches' genres that are the media's",
        ),
        *_numbers(
            CROSS,
            "pair",
            "1",
            cross_duration_ratio="ln of the running time over the member's mean time watched",
            cross_language_match="1 where the original is in the member's language",
            cross_recently_watched="1 where the media is among the last 20 watches",
        ),
        *_numbers(
            CROSS,
            "pair",
            "days",
            cross_days_since_release="time since release",
            cross_days_on_platform="time on the platform",
            cross_days_since_watch="time since the member's last watch",
        ),
    )


def extra(column: ExtraColumn) -> Feature:
    """The feature of a declared column: text as a category, a list of texts joined by ``|``, anything else a number."""
    prefix = f"{column.entity}_"
    name = column.name if column.name.startswith(prefix) else prefix + column.name
    if name.endswith("_y"):
        raise FeatureError(f"column {column.name!r} of dataset.yaml ends in _y, which Feast's join drops: rename it")
    view: str = {"user": "user_attributes", "media": "media_profile"}[column.entity]
    if column.type in ("string", "strings"):
        return Feature(name, "string", view, column.entity, "categorical", column.meaning, "word")
    return Feature(name, "float", view, column.entity, "numeric", column.meaning)


STORED = (
    *_user_attributes(),
    *_user_activity(),
    *_user_genres(),
    *_user_recent(),
    *_media_profile(),
    *_media_popularity(),
    *_media_creator(),
)
COMPUTED = (*_context(), *_cross())


def features(dataset: Dataset) -> tuple[Feature, ...]:
    """All features of a data set: the stored ones, its declared columns, then those computed at the request.

    Raises:
        FeatureError: naming a declared column whose feature exists already.
    """
    found = (*STORED, *(extra(c) for c in dataset.columns), *COMPUTED)
    names = [f.name for f in found]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise FeatureError(f"features {', '.join(twice)} are defined twice: rename the column in dataset.yaml")
    return found


def inputs(dataset: Dataset) -> tuple[str, ...]:
    """The names that a ranker reads: everything but moments, which only grow, packed ones, and NOT_YET_LIVE."""
    read = (f for f in features(dataset) if f.kind in ("numeric", "categorical"))
    return tuple(f.name for f in read if f.name not in NOT_YET_LIVE)
