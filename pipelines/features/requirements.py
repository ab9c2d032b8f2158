"""What features are asked for, X1 to X8, thing by thing, and which features give each."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipelines.features.feature import Feature


@dataclass(frozen=True)
class Requirement:
    """``about`` in a few words; ``asked``: each thing that is asked for, and the features that give it."""

    about: str
    asked: Mapping[str, tuple[str, ...]]

    def __str__(self) -> str:
        return f"{self.about}: {', '.join(self.asked)}"


def _named(**asked: str) -> dict[str, tuple[str, ...]]:
    return {thing.replace("_", " "): tuple(names.split()) for thing, names in asked.items()}


REQUIREMENTS = {
    "X1": Requirement(
        "the member",
        _named(
            age="user_age",
            gender="user_gender",
            language="user_language",
            country="user_country",
            average_session_time="user_session_seconds",
            last_genre_watched="user_last_genre",
        ),
    ),
    "X2": Requirement(
        "histograms of what a member watched",
        _named(
            actors="user_actor_watched",
            genres="user_genre_watched",
            languages="user_language_watched",
        ),
    ),
    "X3": Requirement(
        "the moment",
        _named(
            season="context_season",
            upcoming_holiday="context_holiday",
            days_to_it="context_days_to_holiday",
            time_of_day="context_hour context_daypart",
            day_of_week="context_weekday context_weekend",
            device="context_device",
        ),
    ),
    "X4": Requirement(
        "the title",
        _named(
            public_rating="media_public_rating",
            revenue="media_revenue_log",
            time_since_release="cross_days_since_release",
            time_on_platform="cross_days_on_platform",
            watches_in_the_last_hours="media_watches_1d media_watches_7d",
            genre="media_main_genre media_genres",
            duration="media_duration_seconds",
            period="media_period_setting",
            tags="media_tags",
            season_number="media_season_number",
            country_of_origin="media_country_of_origin",
            release_country="media_release_country",
            release_year="media_release_year",
            release_type="media_release_type",
            maturity_rating="media_maturity_rating",
        ),
    ),
    "X5": Requirement(
        "the member against the title",
        _named(
            dealings_with_its_genre_lately="user_genre_watched_30d user_genre_watched_90d cross_genre_affinity",
            similarity_of_embeddings="cross_embedding_similarity",
            match_with_actors="cross_actor_match",
            director="cross_director_match",
            language="cross_language_match cross_language_affinity",
            age="cross_age_gap",
        ),
    ),
    "X6": Requirement(
        "words and people",
        _named(
            media_id="media_code",
            title="media_title_terms",
            synopsis="media_synopsis_terms",
            original_title="media_original_title_terms",
            distributor="media_distributor",
            creator="media_creator",
            original_language="media_original_language",
            director="media_director",
            first_release_year="media_first_release_year",
            composer="media_composer",
            actors="media_actors",
        ),
    ),
    "X7": Requirement(
        "dense forms of those where they pay",
        _named(
            distributor_among_the_top_ten="media_distributor_top10",
            keywords_of_the_synopsis="media_keywords user_keyword_watched cross_keyword_match",
        ),
    ),
    "X8": Requirement(
        "sequences",
        _named(watch_history="user_history user_recent_media", search_terms="user_searches user_search_terms"),
    ),
}


def answered(feature: Feature) -> tuple[str, ...]:
    """The requirements that a feature answers, in order; none where nobody asked for it by name."""
    return tuple(sorted(set(re.findall(r"X\d+", feature.requirement))))


def unanswered(features: Iterable[Feature]) -> list[str]:
    """Each thing that is asked for and that these features do not give, in a sentence with the remedy."""
    held = {f.name: answered(f) for f in features}
    return [
        f"{requirement} asks for {thing}, and {name} does not give it: add it to the catalogue under {requirement}"
        for requirement, of in REQUIREMENTS.items()
        for thing, names in of.asked.items()
        for name in names
        if requirement not in held.get(name, ())
    ]
