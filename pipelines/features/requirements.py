"""What features are asked for, X1 to X8, and which of them a feature answers."""

import re

from pipelines.features.feature import Feature

REQUIREMENTS = {
    "X1": "who the member is: age, gender, language, country, average session time, last genre watched",
    "X2": "what the member watched, as histograms of actors, genres and languages",
    "X3": "the moment: season, upcoming holiday, days to it, time of day, day of week, device",
    "X4": "the title: rating, revenue, ages, watches lately, genre, duration, period, tags, season, countries, release",
    "X5": "the member against the title: dealings with its genre, similarity of embeddings, matches",
    "X6": "words and people: title, synopsis, distributor, creator, language, director, composer, actors",
    "X7": "dense forms of those where they pay",
    "X8": "watch history and search terms, as sequences",
}


def answered(feature: Feature) -> tuple[str, ...]:
    """The requirements that a feature answers, in order; none where nobody asked for it by name."""
    return tuple(sorted(set(re.findall(r"X\d+", feature.requirement))))
