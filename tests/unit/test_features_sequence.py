"""What a member did lately: worked by hand in plain Python, and the same over tables for whatever happened."""

from datetime import UTC, datetime, timedelta

import ibis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.core import tables
from pipelines.features import sequence, stream

# ibis 12 reads results by a DuckDB call that DuckDB 2 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

EVENING = datetime(2026, 3, 1, 20, tzinfo=UTC)
GENRES = {"m0": [0, 2], "m1": [1]}
TERMS = {"heist": [4], "heist in space": [4, 9], "爱": []}


def at(minutes: float) -> datetime:
    return EVENING + timedelta(minutes=minutes)


def seconds(minutes: float) -> float:
    return at(minutes).timestamp()


def watch(name: str, began: float, *, known: float | None = None, media: str = "m0", **more: object) -> sequence.Watch:
    columns = {"completion": 0.9, "seconds": 600.0} | more
    return sequence.watch(
        id=name, media=media, at=at(began), available_at=at(began + 10 if known is None else known), **columns
    )


def search(name: str, asked: float, query: str = "heist") -> sequence.Search:
    return sequence.search(id=name, query=query, at=at(asked), available_at=at(asked))


def row(watches: list[sequence.Watch] = (), searches: list[sequence.Search] = ()) -> sequence.Row:
    return sequence.row(
        watches, searches, genres=lambda m: GENRES.get(m, ()), terms=lambda q: TERMS.get(q, ()), width=3
    )


def test_the_history_lists_engaged_watches_and_the_recent_media_all_of_them_oldest_first():
    found = row([watch("c", 30, media="m2"), watch("a", 0), watch("b", 15, media="m1", completion=0.3)])
    assert found["user_history"] == ("m0", "m2")
    assert found["user_recent_media"] == ("m0", "m1", "m2")
    assert found["user_recent_genres"] == (1.0, 1.0, 1.0)
    assert found["user_recent_completion"] == pytest.approx((0.9 + 0.3 + 0.9) / 3)
    assert found["user_recent_watch_at"] == seconds(30)


def test_searches_keep_their_words_and_the_codes_of_known_terms():
    found = row(searches=[search("a", 0, "heist in space"), search("b", 1), search("c", 2, "爱")])
    assert found["user_searches"] == ("heist in space", "heist", "爱")
    assert found["user_search_terms"] == (4.0, 9.0)
    assert found["user_history"] == ()
    assert found["user_recent_watch_at"] is None


def test_only_so_many_are_kept_and_a_late_event_takes_its_place_instead_of_the_end():
    many = [watch(f"w{n:02d}", n, media=f"m{n}") for n in range(60)]
    late = watch("late", 58.5, known=900, media="late")
    found = row([late, *many])
    assert len(found["user_history"]) == sequence.HISTORY
    assert found["user_recent_media"][-3:] == ("m58", "late", "m59")
    assert len(found["user_recent_media"]) == sequence.RECENT


def test_a_session_goes_on_until_half_an_hour_without_a_watch_or_a_search():
    watches = [watch("a", 0), watch("b", 45), watch("c", 80)]
    # a ends at 10; b begins 35 minutes later, and c 25 minutes after b has ended.
    assert row(watches)["user_session_watches"] == 2
    assert row(watches)["user_session_watched_seconds"] == 1200
    assert row(watches)["user_session_seen_at"] == seconds(90)
    assert row(watches, [search("s", 119)])["user_session_watches"] == 2
    assert row(watches, [search("s", 119)])["user_session_seen_at"] == seconds(119)
    over = row(watches, [search("s", 121)])
    assert (over["user_session_watches"], over["user_session_watched_seconds"]) == (0, 0)


def test_a_title_still_going_on_was_last_seen_when_it_was_told():
    assert row([watch("a", 0, known=2)])["user_session_seen_at"] == seconds(2)


def test_an_event_sent_twice_counts_once_and_what_is_not_known_is_absent():
    unknown = watch("a", 0, completion=None, seconds=None)
    found = row([unknown, unknown])
    assert found["user_recent_media"] == ("m0",)
    assert found["user_recent_completion"] is None
    assert found["user_session_watched_seconds"] == 0


def test_a_row_is_as_old_as_what_became_known_last():
    assert sequence.known_at([watch("a", 0, known=20)], [search("s", 5)]) == sequence.micros(at(20))
    assert sequence.known_at([], []) is None


minutes = st.integers(0, 400)
watches = st.builds(
    dict,
    user_id=st.sampled_from(["u1", "u2"]),
    media_id=st.sampled_from(["m0", "m1", "m2"]),
    started_at=minutes,
    delay=st.integers(-2, 200),
    completion=st.none() | st.floats(0, 3, allow_subnormal=False),
    watched_seconds=st.none() | st.floats(0, 9000, allow_subnormal=False),
)
searches = st.builds(
    dict,
    user_id=st.sampled_from(["u1", "u2"]),
    query=st.sampled_from(["heist", "heist in space", "爱", "nothing"]),
    searched_at=minutes,
    delay=st.integers(-2, 200),
)


def dated(rows: list[dict], key: str, time: str) -> list[dict]:
    """The drawn rows with ids and moments; minutes collide on purpose."""
    return [
        {k: v for k, v in one.items() if k != "delay"}
        | {key: f"{key[0]}{n}", time: at(one[time]), "available_at": at(one[time] + one["delay"])}
        for n, one in enumerate(rows)
    ]


def over_tables(seen: list[dict], asked: list[dict], span: stream.Span) -> dict[tuple[str, int], dict]:
    connection = ibis.duckdb.connect()
    for name, rows in (("watches", seen), ("searches", asked)):
        connection.con.register(name, pa.Table.from_pylist(rows, tables.TABLES[name].schema()))
    judged = connection.table("watches").mutate(
        engaged=(ibis._.completion > 0.8).fill_null(False), judged_at=ibis._.available_at
    )
    genres = stream.codes_of(connection, "genres", "media_id", GENRES.items())
    terms = stream.codes_of(connection, "terms", "query", TERMS.items())
    happened = stream.events(judged, connection.table("searches"), genres, terms)
    found = stream.counted(stream.rows(happened, span).to_pyarrow(), 3).to_pylist()
    connection.disconnect()
    assert len({(one["user_id"], one["known"]) for one in found}) == len(found)
    return {(one.pop("user_id"), one.pop("known")): one for one in found}


def in_python(seen: list[dict], asked: list[dict], user: str, moment: int) -> sequence.Row:
    mine = [
        sequence.watch(
            id=w["watch_id"],
            media=w["media_id"],
            at=w["started_at"],
            available_at=w["available_at"],
            completion=w["completion"],
            seconds=w["watched_seconds"],
        )
        for w in seen
        if w["user_id"] == user
    ]
    own = [
        sequence.search(id=s["search_id"], query=s["query"], at=s["searched_at"], available_at=s["available_at"])
        for s in asked
        if s["user_id"] == user
    ]
    return row([w for w in mine if w.known <= moment], [s for s in own if s.known <= moment])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(watches, max_size=30), st.lists(searches, max_size=15), minutes, st.booleans())
def test_whole_tables_give_what_plain_python_gives_at_every_moment(seen, asked, begin, whole):
    seen, asked = dated(seen, "watch_id", "started_at"), dated(asked, "search_id", "searched_at")
    span = stream.Span(sequence.micros(at(begin)), sequence.micros(at(500)), whole)

    found = over_tables(seen, asked, span)

    known = {
        (e["user_id"], sequence.micros(max(e["available_at"], e.get("started_at") or e["searched_at"])))
        for e in (*seen, *asked)
    }
    due = {(user, moment) for user, moment in known if span.begin <= moment < span.end}
    stood = {(user, span.begin) for user, moment in known if moment < span.begin} if whole else set()
    assert found.keys() == due | stood
    for user, moment in found:
        expected = in_python(seen, asked, user, moment)
        assert {k: tuple(v) if isinstance(v, list) else v for k, v in found[user, moment].items()} == expected


def test_a_histogram_of_no_genres_has_no_places():
    codes = pa.array([[], []], pa.list_(pa.int64()))
    found = stream.counted(pa.table({"user_id": ["u1", "u2"], stream.GENRES: codes}), 0)
    assert found["user_recent_genres"].to_pylist() == [[], []]
    assert np.array_equal(found.column_names, ["user_id", "user_recent_genres"])
