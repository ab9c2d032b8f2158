"""What serving keeps of members: their last events as the lake knew them at a moment, to which it adds what it hears.

    recent.parquet         a member's last watches, engaged watches and searches, one row a member
    recent_genres.parquet  the codes of each media's genres
    recent.json            the moment, the data set's threshold, and the vocabularies

``pipelines.features.sequence`` makes the row of it; the lists hold the last events by their own time, so that what is
heard later, in whatever order, gives the row that all of a member's events would.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core import days
from pipelines.core.lake import Lake
from pipelines.features import engines, history, sequence, stream, text, vocabulary
from pipelines.features.sequence import Row, Search, Watch

MEMBERS, CODES, FACTS = "recent.parquet", "recent_genres.parquet", "recent.json"
FILES = (MEMBERS, CODES, FACTS)
CODES_SCHEMA = pa.schema([("media_id", pa.string()), ("codes", pa.list_(pa.int64()))])

INSTANT = timedelta(microseconds=1)

Heard = Iterable[Mapping[str, Any]]
"""Rows of the event store, in canonical columns."""


@dataclass(frozen=True)
class Kept:
    """Every member's last events known before ``at``; those known from ``since`` on are given to ``row``.

    ``since`` is the start of the last day before ``at``: where a refresh ran before its day was over, what came later
    is in the event store alone. What is given twice counts once.
    members: user_id, known and the lists of ``stream.kept``. genres: the codes of each media. terms: a word's code.
    """

    at: datetime
    since: datetime
    positive_above: float
    width: int
    genres: Mapping[str, list[int]]
    terms: Mapping[str, int]
    members: pa.Table

    @cached_property
    def _place(self) -> dict[str, int]:
        return {user: place for place, user in enumerate(self.members[stream.KEY].to_pylist())}

    def row(self, user_id: str, watches: Heard, searches: Heard) -> tuple[Row, int] | None:
        """The features of user_recent and when the last of its events became known, in microseconds since 1970.

        watches, searches: all of the member's that became known from ``since`` on. None where there is no event at all.
        """
        seen, asked, known = self._before(user_id)
        seen |= {one.id: one for one in map(self._watch, watches)}
        asked |= {one.id: one for one in map(_search, searches)}
        known = max(known, sequence.known_at(seen.values(), asked.values()) or 0)
        if not known:
            return None
        made = sequence.row(
            seen.values(),
            asked.values(),
            genres=lambda media: self.genres.get(media, ()),
            terms=lambda query: text.codes(query, self.terms),
            width=self.width,
        )
        return made, known

    def _before(self, user_id: str) -> tuple[dict[str, Watch], dict[str, Search], int]:
        """Watches and searches by id, and when the last of them became known."""
        place = self._place.get(user_id)
        if place is None:
            return {}, {}, 0
        held = {name: self.members[name][place].as_py() for name in ("watch", "engaged", "search", "known")}
        # Engaged watches beyond the recent ones are older than all of these: nothing but their media is ever asked.
        old = {one["id"]: _engaged(one) for one in held["engaged"] or ()}
        recent = {one["id"]: _recent(one, one["id"] in old) for one in held["watch"] or ()}
        asked = {one["id"]: Search(one["at"], one["id"], one["at"], one["query"]) for one in held["search"] or ()}
        return old | recent, asked, held["known"]

    def _watch(self, row: Mapping[str, Any]) -> Watch:
        completion = row["completion"]
        return sequence.watch(
            id=row["watch_id"],
            media=row["media_id"],
            at=row["started_at"],
            available_at=row["available_at"],
            completion=completion,
            seconds=row["watched_seconds"],
            engaged=completion is not None and completion > self.positive_above,
        )


def _engaged(one: Mapping[str, Any]) -> Watch:
    return Watch(one["at"], one["id"], one["at"], one["media"], None, 0, True)


def _recent(one: Mapping[str, Any], engaged: bool) -> Watch:
    """``until`` stands for when it became known: it is the earlier of that and the watch's own end."""
    return Watch(one["at"], one["id"], one["until"], one["media"], one["completion"], one["watched"], engaged)


def _search(row: Mapping[str, Any]) -> Search:
    return sequence.search(
        id=row["search_id"], query=row["query"], at=row["searched_at"], available_at=row["available_at"]
    )


def write(lake: Lake, at: datetime, folder: Path) -> None:
    """Write FILES for what the lake knew before ``at`` into an existing folder; equal knowledge gives equal files."""
    dataset, genres = lake.dataset, vocabulary.read(lake, vocabulary.GENRES)
    with engines.opened("duckdb") as connection:
        happened = history.events(connection, lake, dataset, genres)
        known = happened.filter(happened.known < sequence.micros(at))
        latest = known.group_by(stream.KEY).agg(known=known.known.max())
        members = stream.kept(known).join(latest, stream.KEY).order_by(stream.KEY).to_pyarrow()
    codes = sorted(history.genre_codes(lake, genres).items())
    of_media = {"media_id": [media for media, _ in codes], "codes": [own for _, own in codes]}
    pq.write_table(members, folder / MEMBERS, compression="zstd")
    pq.write_table(pa.table(of_media, schema=CODES_SCHEMA), folder / CODES, compression="zstd")
    facts = {
        "at": at.isoformat(),
        "since": days.start(days.of(at - INSTANT, dataset.time_zone), dataset.time_zone).isoformat(),
        "positive_above": dataset.labels.positive_above,
        "genres": len(genres),
        "terms": vocabulary.read(lake, history.TERMS),
    }
    (folder / FACTS).write_text(json.dumps(facts, ensure_ascii=False), encoding="utf-8")


def load(folder: Path) -> Kept | None:
    """What ``write`` wrote; None where the folder was made before this was kept."""
    if not (folder / FACTS).exists():
        return None
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    codes = pq.read_table(folder / CODES).to_pydict()
    return Kept(
        at=datetime.fromisoformat(facts["at"]),
        since=datetime.fromisoformat(facts["since"]),
        positive_above=facts["positive_above"],
        width=facts["genres"],
        genres=dict(zip(codes["media_id"], codes["codes"], strict=True)),
        terms={term: code for code, term in enumerate(facts["terms"], start=1)},
        members=pq.read_table(folder / MEMBERS).combine_chunks(),
    )
