"""What is known of a media: its profile (X4, X6), its popularity and its creator's, for each day it changes."""

from typing import Any

import ibis

from pipelines.core.dataset import Dataset
from pipelines.features import windows
from pipelines.features.attributes import declared
from pipelines.features.events import COUNTS, EXACT, micros, usable_day

KEY = "media_id"
SPANS = {"_1d": 1, "_7d": 7}


def main_genre(media: Any) -> Any:
    """media_id and its first genre, null where it has none."""
    return media.select(KEY, genre=media.genres[0])


def genre_codes(media: Any, vocabulary: Any) -> Any:
    """media_id and the code of each of its genres, once. vocabulary: value, code."""
    listed = media.select(KEY, value=media.genres.unnest()).distinct()
    return listed.inner_join(vocabulary, "value").select(KEY, "code")


def _known(media: Any, zone: str) -> Any:
    return usable_day(media.available_at, media.available_at, zone)


def profile(media: Any, vocabulary: tuple[str, ...], dataset: Dataset) -> Any:
    """media_id, e and the view media_profile: one row a media, from the day after it became known."""
    genres = media.genres.fill_null(ibis.literal([], "array<string>"))
    flags = [genres.contains(value).cast("float32") for value in vocabulary]
    return media.select(
        KEY,
        e=_known(media, dataset.time_zone),
        media_duration_seconds=media.duration_seconds,
        media_duration_log=windows.logged(media.duration_seconds),
        media_release_year=media.release_year.cast("float64"),
        media_season_number=media.season_number.cast("float64"),
        media_episode_number=media.episode_number.cast("float64"),
        media_first_release_year=media.first_release_year.cast("float64"),
        media_public_rating=media.public_rating,
        media_revenue_log=windows.logged(media.revenue),
        media_genre_count=genres.length().cast("float64"),
        media_kind=media.kind,
        media_main_genre=genres[0],
        media_maturity_rating=media.maturity_rating,
        media_original_language=media.original_language,
        media_country_of_origin=media.country_of_origin,
        media_release_country=media.release_country,
        media_release_type=media.release_type,
        media_period_setting=media.period_setting,
        media_director=media.director,
        media_creator=media.creator,
        media_composer=media.composer,
        media_distributor=media.distributor,
        media_genres=ibis.array(flags) if flags else ibis.literal([], "array<float32>"),
        media_release_at=micros(media.release_date.cast("timestamp('UTC')")) / 1e6,
        media_platform_at=micros(media.platform_at) / 1e6,
        **declared(media, dataset, "media"),
    )


def _daily(facts: Any, key: str) -> Any:
    return facts.group_by(key, "e").agg(**{c: facts[c].sum() for c in COUNTS})


def popularity(facts: Any) -> Any:
    """media_id, e and the view media_popularity."""
    changes = windows.with_everyone(windows.with_leavings(_daily(facts, KEY), KEY, SPANS.values()))
    t = windows.totals(changes, KEY, COUNTS, windows.RECENT, SPANS)
    rate = windows.smoothed(t.engaged_ever, t.shown_ever, t.prior_engaged)
    counts = {
        f"media_{name}{suffix}": t[f"{column}{suffix or '_ever'}"]
        for name, column in (("impressions", "shown"), ("watches", "watched"), ("engaged", "engaged"))
        for suffix in ("", *SPANS)
    }
    return t.select(
        KEY,
        "e",
        **counts,
        media_impressions_log=windows.logged(t.shown_ever),
        media_engaged_rate=rate,
        media_engaged_rate_7d=windows.smoothed(t.engaged_7d, t.shown_7d, rate),
        media_bounce_rate=windows.smoothed(
            windows.bounced(t.judged_ever, t.played_ever), t.judged_ever, t.prior_bounced
        ),
        media_completion_mean=t.completion_ever / t.completed_ever.nullif(0.0) / EXACT,
        media_trending=(t.watched_1d + 1.0) / (t.watched_7d / 7.0 + 1.0),
    )


def creator(facts: Any, media: Any, zone: str) -> Any:
    """media_id, e and the view media_creator: the creator's totals on every media of theirs known by then."""
    works = media.filter(media.creator.notnull()).select(KEY, "creator", known=_known(media, zone))
    daily = _daily(facts.inner_join(works, KEY), "creator")
    arrivals = works.select("creator", e=works.known, **{c: ibis.literal(0).cast("float64") for c in COUNTS}).distinct()
    changes = windows.with_everyone(windows.with_leavings(daily.union(arrivals), "creator", ()))
    t = windows.totals(changes, "creator", ("shown", "engaged", "judged", "played"), (), {})
    rates = t.select(
        "creator",
        "e",
        media_creator_rate=windows.smoothed(t.engaged_ever, t.shown_ever, t.prior_engaged),
        media_creator_bounce_rate=windows.smoothed(
            windows.bounced(t.judged_ever, t.played_ever), t.judged_ever, t.prior_bounced
        ),
        media_creator_impressions_log=windows.logged(t.shown_ever),
    )
    joined = works.inner_join(rates, "creator").filter(lambda r: r.e >= r.known)
    return joined.select(KEY, *(c for c in rates.columns if c != "creator"))
