"""The canonical tables: one schema object a table, which validates, documents and creates.

Ids are strings, times are UTC microseconds, absent is null. Every event has its event time (the table's ``time``
column) and ``available_at``, the moment from which the platform could know of it. Tables with a ``time`` are stored
one partition a day, in the data set's time zone; the others are one snapshot.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

STRING, FLOAT, INT, BOOL = pa.string(), pa.float64(), pa.int64(), pa.bool_()
TIME, DAY, STRINGS, FLOATS = pa.timestamp("us", tz="UTC"), pa.date32(), pa.list_(pa.string()), pa.list_(pa.float64())
TYPES = {"string": STRING, "float": FLOAT, "int": INT, "bool": BOOL, "time": TIME, "date": DAY, "strings": STRINGS}
"""The type names that a dataset.yaml may use for its own columns."""

HISTORY = "history"
"""The policy of impressions whose times are an order, not a measurement: they feed histories, never labels."""

REASON = "reason"
"""A column that a source may add to a batch: where it is not null the row goes to quarantine for that reason."""


@dataclass(frozen=True)
class Column:
    """A column: its type, its meaning, and what a valid value is."""

    name: str
    type: pa.DataType
    meaning: str
    nullable: bool = True
    minimum: float | None = None
    maximum: float | None = None
    one_of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A canonical table. ``key`` is unique; ``time`` names the event-time column, or None for a snapshot table.

    happened: the column of the event time of a snapshot table whose rows are events all the same.
    """

    name: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    time: str | None = None
    happened: str | None = None

    def schema(self, extras: Iterable[Column] = ()) -> pa.Schema:
        """The Arrow schema, declared extra columns last."""
        return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in (*self.columns, *extras)])

    @property
    def moment(self) -> str | None:
        """The column that says when a row happened; None where rows do not happen, but are."""
        return self.time or self.happened

    def column(self, name: str) -> Column:
        return next(c for c in self.columns if c.name == name)


def _key(name: str, meaning: str) -> Column:
    return Column(name, STRING, meaning, nullable=False)


def _moment(name: str, meaning: str) -> Column:
    return Column(name, TIME, meaning, nullable=False)


USER = _key("user_id", "the member")
MEDIA_ID = _key("media_id", "the title: a film, an episode, a product, a pin")
AVAILABLE = _moment("available_at", "from when the platform could know this row")
SESSION = Column("session_id", STRING, "the visit that the event belongs to")
REQUEST = Column("request_id", STRING, "the page request that the event belongs to")
DEVICE = Column("device", STRING, "what the member held: tv, phone, tablet, desktop or the source's own word")

USERS = Table(
    "users",
    "who the members are (X1)",
    (
        USER,
        AVAILABLE,
        Column("joined_at", TIME, "when the member joined"),
        Column("age", INT, "years", minimum=0, maximum=130),
        Column("gender", STRING, "as the member stated it"),
        Column("language", STRING, "the member's language, ISO 639-1"),
        Column("country", STRING, "where the member lives, ISO 3166 alpha-2"),
        Column("time_zone", STRING, "the member's IANA time zone"),
    ),
    key=("user_id",),
)

MEDIA = Table(
    "media",
    "what can be watched (X4, X6)",
    (
        MEDIA_ID,
        AVAILABLE,
        Column("title", STRING, "the title as shown"),
        Column("original_title", STRING, "the title in its original language"),
        Column("synopsis", STRING, "a paragraph on the content"),
        Column("kind", STRING, "film, episode, or the source's own word"),
        Column("series_id", STRING, "the series an episode belongs to"),
        Column("season_number", INT, "the season an episode belongs to", minimum=0),
        Column("episode_number", INT, "the place within the season", minimum=0),
        Column("duration_seconds", FLOAT, "running time", minimum=0),
        Column("genres", STRINGS, "genres, main one first"),
        Column("tags", STRINGS, "free tags"),
        Column("actors", STRINGS, "cast, billing order"),
        Column("director", STRING, "director"),
        Column("creator", STRING, "creator: showrunner, author, seller"),
        Column("composer", STRING, "composer"),
        Column("distributor", STRING, "distributor or studio"),
        Column("original_language", STRING, "ISO 639-1"),
        Column("country_of_origin", STRING, "ISO 3166 alpha-2"),
        Column("release_country", STRING, "where it was first released, ISO 3166 alpha-2"),
        Column("release_date", DAY, "when it was released"),
        Column("release_year", INT, "the year of this release", minimum=1870, maximum=2200),
        Column("first_release_year", INT, "the year of the very first release", minimum=1870, maximum=2200),
        Column("release_type", STRING, "cinema, streaming, broadcast, festival or the source's own word"),
        Column("maturity_rating", STRING, "the age advice, as printed"),
        Column("period_setting", STRING, "the period in which the content is set"),
        Column("public_rating", FLOAT, "the public's rating before the platform, 0 to 10", minimum=0, maximum=10),
        Column("revenue", FLOAT, "revenue before coming to the platform, US dollars", minimum=0),
        Column("platform_at", TIME, "from when it may be shown: when it came to the platform; null = ever since"),
        Column("leaves_at", TIME, "until when it may be shown, that moment excluded; null = it stays"),
        Column("rights_countries", STRINGS, "where it may be shown; null = everywhere"),
    ),
    key=("media_id",),
)

IMPRESSIONS = Table(
    "impressions",
    "a title was shown to a member",
    (
        _key("impression_id", "the impression"),
        REQUEST,
        SESSION,
        USER,
        MEDIA_ID,
        _moment("shown_at", "when it was shown"),
        AVAILABLE,
        Column("surface", STRING, "where it was shown: home, feed or the source's own word"),
        Column("position", INT, "place on the page, 0 = first", minimum=0),
        Column("policy", STRING, "what chose it: ranked, exploration, history or the source's own word"),
        Column("propensity", FLOAT, "probability with which the policy chose it here", minimum=0, maximum=1),
        Column("action_set", STRINGS, "for exploration: every media that could have been chosen here"),
        Column("action_propensities", FLOATS, "for exploration: the probability of each of the action set"),
        Column("score", FLOAT, "the ranker's probability of a watch", minimum=0, maximum=1),
        Column("release_id", STRING, "the release that served it"),
        Column("clicked", BOOL, "the member opened it"),
        DEVICE,
    ),
    key=("impression_id",),
    time="shown_at",
)

WATCHES = Table(
    "watches",
    "a member watched a title for a while",
    (
        _key("watch_id", "the watch"),
        Column("impression_id", STRING, "the impression that led to it, null = none"),
        REQUEST,
        SESSION,
        USER,
        MEDIA_ID,
        _moment("started_at", "when it began"),
        AVAILABLE,
        Column("watched_seconds", FLOAT, "time watched", minimum=0),
        Column("total_seconds", FLOAT, "length of the title", minimum=0),
        Column("completion", FLOAT, "watched / total, above 1 if looped; a purchase is 1; null = unknown", minimum=0),
        DEVICE,
    ),
    key=("watch_id",),
    time="started_at",
)

SEARCHES = Table(
    "searches",
    "a member searched (X8)",
    (
        _key("search_id", "the search"),
        REQUEST,
        SESSION,
        USER,
        _moment("searched_at", "when"),
        AVAILABLE,
        Column("query", STRING, "what was typed", nullable=False),
        DEVICE,
    ),
    key=("search_id",),
    time="searched_at",
)

SESSIONS = Table(
    "sessions",
    "a visit of a member",
    (
        _key("session_id", "the visit"),
        USER,
        _moment("started_at", "when it began"),
        AVAILABLE,
        Column("ended_at", TIME, "when it ended; null = still open or unknown"),
        DEVICE,
    ),
    key=("session_id",),
    time="started_at",
)

PREFERENCES = Table(
    "preferences",
    "what a member chose at onboarding",
    (
        USER,
        Column("kind", STRING, "of what: genre, title, person", nullable=False),
        Column("value", STRING, "the chosen value", nullable=False),
        _moment("chosen_at", "when"),
        AVAILABLE,
    ),
    key=("user_id", "kind", "value"),
    happened="chosen_at",
)

DISMISSALS = Table(
    "dismissals",
    "a member asked not to see a title",
    (
        _key("dismissal_id", "the dismissal"),
        REQUEST,
        SESSION,
        USER,
        MEDIA_ID,
        _moment("dismissed_at", "when"),
        AVAILABLE,
    ),
    key=("dismissal_id",),
    time="dismissed_at",
)

RATINGS = Table(
    "ratings",
    "a member rated a title (F2)",
    (
        USER,
        MEDIA_ID,
        _moment("rated_at", "when"),
        AVAILABLE,
        Column("rating", FLOAT, "the rating, in the source's scale", nullable=False, minimum=0),
    ),
    key=("user_id", "media_id", "rated_at"),
    time="rated_at",
)

EARLIER = "earlier/"
TABLES = {t.name: t for t in (USERS, MEDIA, IMPRESSIONS, WATCHES, SEARCHES, SESSIONS, PREFERENCES, DISMISSALS, RATINGS)}


def earlier(table: str) -> str:
    """The lake table of what members or titles were before they changed: the rows of ``users`` or ``media`` that newer
    ones replaced, one a key and ``available_at``."""
    return EARLIER + table


def schema_of(table: str) -> Table:
    """The canonical table that a lake table's rows keep to: its own, or that of the rows it holds earlier ones of."""
    return TABLES[table.removeprefix(EARLIER)]


def empty(table: Table, extras: Iterable[Column] = ()) -> pa.Table:
    """No rows, every column, the right types."""
    return table.schema(extras).empty_table()
