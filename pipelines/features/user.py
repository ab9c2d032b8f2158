"""What is known of a member: attributes, activity (X1) and genre histograms (X2), for each day on which it changes."""

from collections.abc import Sequence
from typing import Any

import ibis

from pipelines.core.dataset import Dataset
from pipelines.features import windows
from pipelines.features.attributes import declared
from pipelines.features.events import COUNTS, EXACT, micros, usable_day

KEY = "user_id"
WEEK = {"_7d": 7}
MICROS = 20
"""Digits of a zero-padded count of microseconds, so that the greatest text is the latest moment."""


def attributes(users: Any, dataset: Dataset) -> Any:
    """user_id, e and the view user_attributes: one row a member, from the day after it became known."""
    return users.select(
        KEY,
        e=usable_day(users.available_at, users.available_at, dataset.time_zone),
        user_age=users.age.cast("float64"),
        user_gender=users.gender,
        user_language=users.language,
        user_country=users.country,
        user_time_zone=users.time_zone,
        **declared(users, dataset, "user"),
    )


def _daily(facts: Any, main_genre: Any) -> Any:
    """Day totals, and the day's last watch packed as ``<microseconds>|<main genre>``."""
    named = facts.left_join(main_genre, "media_id").select(*facts.columns, "genre")
    moment = micros(named["at"]).cast("string").lpad(MICROS, "0")
    last = ibis.ifelse(named.watched > 0, moment.concat("|", named.genre.fill_null("")), ibis.null("string"))
    packed = named.mutate(last=last)
    return packed.group_by(KEY, "e").agg(**{c: packed[c].sum() for c in COUNTS}, last=packed["last"].max())


def _with_visits(daily: Any, visits: Any) -> Any:
    """Members' days with no event but a session become rows too."""
    times = visits.group_by(KEY, "e").agg(session_time=visits.session_time.sum(), sessions=visits.sessions.sum())
    empty = {c: ibis.literal(None, daily[c].type()) for c in daily.columns if c not in (KEY, "e")}
    none = {c: ibis.literal(None, "float64") for c in ("session_time", "sessions")}
    return daily.mutate(**none).union(
        times.select(KEY, "e", **empty, session_time=times.session_time, sessions=times.sessions)
    )


def activity(facts: Any, main_genre: Any, visits: Any) -> Any:
    """user_id, e and the view user_activity. main_genre: media_id, genre. visits: events.visits."""
    daily = _with_visits(_daily(facts, main_genre), visits)
    changes = windows.with_everyone(windows.with_leavings(daily, KEY, WEEK.values()))
    columns = (*COUNTS, "session_time", "sessions")
    t = windows.totals(changes, KEY, columns, windows.RECENT, WEEK).mutate(
        latest=changes["last"].max().over(windows.ever(KEY))
    )
    return t.select(
        KEY,
        "e",
        user_impressions=t.shown_ever,
        user_impressions_7d=t.shown_7d,
        user_watches=t.watched_ever,
        user_watches_7d=t.watched_7d,
        user_engaged=t.engaged_ever,
        user_engaged_7d=t.engaged_7d,
        user_impressions_log=windows.logged(t.shown_ever),
        user_engaged_rate=windows.smoothed(t.engaged_ever, t.shown_ever, t.prior_engaged),
        user_bounce_rate=windows.smoothed(
            windows.bounced(t.judged_ever, t.played_ever), t.judged_ever, t.prior_bounced
        ),
        user_completion_mean=t.completion_ever / t.completed_ever.nullif(0.0) / EXACT,
        user_watched_seconds_mean=t.seconds_ever / t.timed_ever.nullif(0.0) / EXACT,
        user_session_seconds=t.session_time_ever / t.sessions_ever.nullif(0.0) / EXACT,
        user_last_genre=t.latest.substr(MICROS + 1).nullif(""),
        user_last_watch_at=t.latest.substr(0, MICROS).cast("float64") / 1e6,
    )


def genres(facts: Any, media_genres: Any, vocabulary: Sequence[str]) -> Any:
    """user_id, e and the view user_genres: float32 arrays, one place a code. media_genres: media_id, code."""
    joined = facts.inner_join(media_genres, "media_id")
    codes = range(len(vocabulary))

    def count(column: str, code: int) -> Any:
        return ibis.ifelse(joined.code == code, joined[column], 0.0).sum()

    watched = {f"engaged{c}": count("engaged", c) for c in codes}
    shown = {f"shown{c}": count("shown", c) for c in codes}
    daily = joined.group_by(KEY, "e").agg(**watched, **shown)
    over = windows.ever(KEY)

    def packed(name: str) -> Any:
        if not vocabulary:
            return ibis.literal([], "array<float32>")
        return ibis.array([daily[f"{name}{c}"].sum().over(over) for c in codes]).cast("array<float32>")

    return daily.select(KEY, "e", user_genre_watched=packed("engaged"), user_genre_shown=packed("shown"))
