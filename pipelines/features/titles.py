"""What is written of each title, as codes of saved vocabularies (X6, X7) and as an embedding (X5).

Text is cut into words here, in Python, once a distinct text and refresh; what is counted of events stays in the engine.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.core.dataset import Dataset
from pipelines.core.lake import Lake
from pipelines.features import embedding, vocabulary
from pipelines.features.events import usable_day
from pipelines.features.keywords import keywords
from pipelines.features.text import words
from pipelines.features.versions import of_days
from pipelines.features.vocabulary import Codes

VIEW, KEY = "media_text", "media_id"
COLUMNS = (
    "title",
    "original_title",
    "synopsis",
    "genres",
    "tags",
    "actors",
    "director",
    "creator",
    "composer",
    "original_language",
)
WIDTHS = {
    "media_title_terms": 8,
    "media_original_title_terms": 8,
    "media_synopsis_terms": 32,
    "media_search_terms": 48,
    "media_keywords": 5,
    "media_tags": 10,
    "media_actors": 8,
    "media_directors": 1,
    "media_language_code": 1,
    "media_code": 1,
}
"""How many codes each packed column of the view holds at most."""

Words = tuple[str, ...]
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Titles:
    """Every version of every title, in the order in which they became known: by day, then by id.

    ids: (n,) strings. since: (n,) the day of each. codes: those of WIDTHS and of ``genres``. units: (d, 32) the
    distinct embeddings in whole embedding.UNITS; look: (n,) which of them each has. sizes: how many values each
    vocabulary has.
    """

    ids: npt.NDArray[np.object_]
    since: Whole
    codes: Mapping[str, Codes]
    units: embedding.Units
    look: Whole
    sizes: Mapping[str, int]

    def table(self, rows: Whole) -> pa.Table:
        """media_id and the view's columns, of some rows."""
        columns = {name: self.codes[name].lists(rows) for name in WIDTHS}
        columns["media_embedding"] = as_lists(self.units[self.look[rows]] / embedding.UNITS)
        return pa.table({KEY: pa.array(self.ids[rows], pa.string()), **columns})


def as_lists(values: npt.NDArray[Any]) -> pa.ListArray:
    """(n, width) numbers as an array of n lists of float32."""
    n, width = values.shape
    flat = pa.array(np.ascontiguousarray(values, dtype=np.float32).reshape(-1))
    return pa.ListArray.from_arrays(pa.array(np.arange(n + 1, dtype=np.int32) * width), flat)


def read(media: Any, before: Any, dataset: Dataset) -> pa.Table:
    """media_id, e and COLUMNS of every version. media, before: the canonical table and its earlier rows."""
    versions = of_days(media, before, KEY, dataset.time_zone)
    day = usable_day(versions.available_at, versions.available_at, dataset.time_zone)
    return versions.select(KEY, *COLUMNS, e=day).order_by("e", KEY).to_pyarrow()


def known(lake: Lake, found: pa.Table, genres: tuple[str, ...]) -> Titles:
    """The titles of ``read``'s rows; the vocabularies of the lake grow by what is new in them."""
    said = _said(found)

    def grown(name: str, *columns: str) -> tuple[str, ...]:
        return vocabulary.grow(lake, name, (word for column in columns for row in said[column] for word in row))

    terms, synopsis = grown(vocabulary.TERMS, "search"), grown(vocabulary.SYNOPSIS, "synopsis")
    people = {"actors": grown(vocabulary.ACTORS, "actors"), "director": grown(vocabulary.DIRECTORS, "director")}
    of = {
        "media_title_terms": ("title", terms),
        "media_original_title_terms": ("original_title", terms),
        "media_synopsis_terms": ("synopsis", synopsis),
        "media_search_terms": ("search", terms),
        "media_keywords": ("keywords", synopsis),
        "media_tags": ("tags", grown(vocabulary.TAGS, "tags")),
        "media_actors": ("actors", people["actors"]),
        "media_directors": ("director", people["director"]),
        "media_language_code": ("original_language", grown(vocabulary.LANGUAGES, "original_language")),
        "media_code": ("id", grown(vocabulary.MEDIA, "id")),
    }
    of["genres"] = ("genres", genres)
    units, look = _embedded(said)
    return Titles(
        ids=found[KEY].to_numpy(zero_copy_only=False),
        since=found["e"].to_numpy(),
        codes={
            name: vocabulary.coded(said[column], values, WIDTHS.get(name, len(values)))
            for name, (column, values) in of.items()
        },
        units=units,
        look=look,
        sizes={name: len(values) for name, (_, values) in of.items()},
    )


def _said(found: pa.Table) -> dict[str, list[Words]]:
    """Per version: the words of its texts, its names and its lists, and all words that a search may find it by."""
    held = {name: found[name].to_pylist() for name in COLUMNS}
    cut = _Cutter()
    said = {name: [cut(text) for text in held[name]] for name in ("title", "original_title", "synopsis")}
    said |= {
        name: [tuple(filter(None, row)) if row else () for row in held[name]] for name in ("genres", "tags", "actors")
    }
    single = ("director", "creator", "composer", "original_language")
    said |= {name: [(value,) if value else () for value in held[name]] for name in single}
    said["id"] = [(media,) for media in found[KEY].to_pylist()]
    said["keywords"] = keywords(found["e"].to_pylist(), said["synopsis"])
    parts = list(zip(*(said[name] for name in SEARCHED), strict=True))
    words_of = {part: _searched(part, cut) for part in dict.fromkeys(parts)}
    said["search"] = [words_of[part] for part in parts]
    return said


SEARCHED = ("title", "original_title", "tags", "genres", "actors", "director", "creator")
"""What a search may find a title by; the first two are words already, the others names."""


def _searched(part: tuple[Words, ...], cut: "_Cutter") -> Words:
    title, original, *named = part
    return (*title, *original, *(word for names in named for name in names for word in cut(name)))


class _Cutter:
    """Words of a text, cut once however often it comes."""

    def __init__(self) -> None:
        self._known: dict[str, Words] = {}

    def __call__(self, text: str | None) -> Words:
        if not text:
            return ()
        if text not in self._known:
            self._known[text] = tuple(words(text))
        return self._known[text]


TOKENS = ("genres", "tags", "keywords", "actors", "director", "creator", "composer", "original_language")
"""What an embedding is made of."""


def _embedded(said: Mapping[str, list[Words]]) -> tuple[embedding.Units, Whole]:
    """The distinct embeddings, and which of them each title has: many titles say the same of themselves."""
    rows = list(zip(*(said[name] for name in TOKENS), strict=True))
    place = {row: n for n, row in enumerate(dict.fromkeys(rows))}
    tokens = [[f"{name}:{word}" for name, own in zip(TOKENS, row, strict=True) for word in own] for row in place]
    return embedding.embeddings(tokens), np.fromiter((place[row] for row in rows), np.int64, len(rows))
