"""The stored features of a media (X4, X6, X7), in the order of their columns."""

from pipelines.features.catalogue_user import ENGAGED, JUDGED, RATED, SHOWN, WATCHED
from pipelines.features.feature import Feature, View


def _profile() -> tuple[Feature, ...]:
    of = View("media_profile", "media")
    number, word = of.number, of.word
    return (
        number("media_duration_seconds", "running time", "seconds", "X4", "media.duration_seconds"),
        number("media_duration_log", "ln(1 + running time)", "log seconds", "X4", "media.duration_seconds"),
        number("media_release_year", "year of this release", "year", "X4", "media.release_year"),
        number("media_season_number", "season an episode belongs to", "1", "X4", "media.season_number"),
        number("media_episode_number", "place of an episode within its season", "1", "X4", "media.episode_number"),
        number("media_first_release_year", "year of the very first release", "year", "X6", "media.first_release_year"),
        number("media_public_rating", "the public's rating, 0 to 10", "1", "X4", "media.public_rating"),
        number("media_revenue_log", "ln(1 + revenue before the platform)", "log US dollars", "X4", "media.revenue"),
        number("media_genre_count", "number of genres", "count", "X4", "media.genres"),
        word("media_kind", "film, episode, or the source's word", "X4", "media.kind"),
        word("media_main_genre", "first genre", "X4", "media.genres"),
        word("media_maturity_rating", "age advice", "X4", "media.maturity_rating"),
        word("media_original_language", "language of the original", "X6", "media.original_language"),
        word("media_country_of_origin", "country of origin", "X4", "media.country_of_origin"),
        word("media_release_country", "where it was first released", "X4", "media.release_country"),
        word("media_release_type", "cinema, streaming, broadcast, festival", "X4", "media.release_type"),
        word("media_period_setting", "period in which the content is set", "X4", "media.period_setting"),
        word("media_director", "director", "X6", "media.director"),
        word("media_creator", "creator: showrunner, author, seller", "X6", "media.creator"),
        word("media_composer", "composer", "X6", "media.composer"),
        word("media_distributor", "distributor or studio", "X6", "media.distributor"),
        of.packed(
            "media_genres",
            "histogram",
            "1 at each of its genres",
            "1 by code of vocabulary/genres",
            "X4",
            "media.genres",
        ),
        of.moment("media_release_at", "when it was released", "X4", "media.release_date"),
        of.moment("media_platform_at", "when it came to the platform", "X4", "media.platform_at"),
    )


def _popularity() -> tuple[Feature, ...]:
    number = View("media_popularity", "media").number
    spans = {"": "ever", "_1d": "on the last whole day (a row a day knows no hours)", "_7d": "in the last 7 days"}
    counted = (
        ("impressions", "times shown", SHOWN),
        ("watches", "watches", WATCHED),
        ("engaged", "engaged watches", ENGAGED),
    )
    return (
        *(
            number(f"media_{name}{suffix}", f"{meaning} {span}", "count", "X4", source)
            for name, meaning, source in counted
            for suffix, span in spans.items()
        ),
        number("media_impressions_log", "ln(1 + media_impressions)", "log count", "X4", SHOWN),
        number("media_engaged_rate", "engaged of shown, smoothed towards all media's", "share", "X4", RATED),
        number(
            "media_engaged_rate_7d",
            "the same over the last 7 days, smoothed towards its own rate",
            "share",
            "X4",
            RATED,
        ),
        number(
            "media_bounce_rate",
            "left at once or unplayed, of shown, smoothed towards all media's",
            "share",
            "X4",
            JUDGED,
        ),
        number(
            "media_completion_mean",
            "mean completion of watches whose completion is known",
            "share",
            "X4",
            "watches.completion",
        ),
        number("media_trending", "yesterday's watches against the mean day of the last 7", "ratio", "X4", WATCHED),
    )


def _creator() -> tuple[Feature, ...]:
    number = View("media_creator", "media").number
    return (
        number(
            "media_creator_rate",
            "engaged of shown over all media of its creator, smoothed towards everyone's",
            "share",
            "X7",
            f"media.creator, {RATED}",
        ),
        number(
            "media_creator_bounce_rate",
            "left at once or unplayed over all media of its creator, smoothed",
            "share",
            "X7",
            f"media.creator, {JUDGED}",
        ),
        number(
            "media_creator_impressions_log",
            "ln(1 + times its creator was shown)",
            "log count",
            "X7",
            f"media.creator, {SHOWN}",
        ),
    )


def _text() -> tuple[Feature, ...]:
    of = View("media_text", "media")
    people = "media.actors, media.director, media.creator"
    searched = f"media.title, media.original_title, media.tags, media.genres, {people}"

    def codes(name: str, meaning: str, vocabulary: str, requirement: str, source: str) -> Feature:
        return of.packed(name, "codes", meaning, f"vocabulary/{vocabulary}", requirement, source)

    return (
        codes("media_title_terms", "words of the title", "terms", "X6", "media.title"),
        codes("media_original_title_terms", "words of the original title", "terms", "X6", "media.original_title"),
        codes("media_synopsis_terms", "words of the synopsis", "synopsis", "X6", "media.synopsis"),
        codes("media_search_terms", "words that a search may find it by", "terms", "X6", searched),
        codes(
            "media_keywords",
            "the 5 words of the synopsis with the highest tf-idf among the synopses known by its day",
            "synopsis",
            "X7",
            "media.synopsis",
        ),
        codes("media_tags", "free tags", "tags", "X4", "media.tags"),
        codes("media_actors", "cast, billing order", "actors", "X6", "media.actors"),
        codes("media_directors", "director, as a code", "directors", "X6", "media.director"),
        codes("media_language_code", "original language, as a code", "languages", "X6", "media.original_language"),
        codes("media_code", "the media itself, as a code", "media", "X6", "media.media_id"),
        of.packed(
            "media_embedding",
            "embedding",
            "its genres, tags, keywords, people and language, each a fixed direction; of length 1",
            "1",
            "X5",
            f"media.genres, media.tags, media.synopsis, {people}, media.composer, media.original_language",
        ),
    )


def _people() -> tuple[Feature, ...]:
    return (
        View("media_audience", "media").number(
            "media_audience_age",
            "mean age of those who engaged with it, a watch each",
            "years",
            "X5",
            f"users.age, {ENGAGED}",
        ),
        View("media_distributor", "media").number(
            "media_distributor_top10",
            "1 where its distributor is among the ten with the most engaged watches so far",
            "1",
            "X7",
            f"media.distributor, {ENGAGED}",
        ),
    )


FEATURES = (*_profile(), *_text(), *_popularity(), *_creator(), *_people())
VIEWS = tuple(dict.fromkeys(feature.view for feature in FEATURES))
