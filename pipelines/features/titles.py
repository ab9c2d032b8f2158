"""What is written of each title, as codes of saved vocabularies (X6, X7) and as an embedding (X5).

Text is cut into words here, in Python, once a distinct text and refresh; what is counted of events stays in the engine.
"""

from collections.abc import Iterable, Mapping, Sequence
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

Lists = list[list[str]]


@dataclass(frozen=True)
class Titles:
    """Every version of every title, in the order in which they became known: by day, then by id.

    ids: (n,) strings. since: (n,) the day of each. packed: the columns of the view, (n, width) float32 each.
    genres: (n, the most) codes of vocabulary/genres from 1, 0 pads. sizes: how many values each vocabulary has.
    """

    ids: npt.NDArray[np.object_]
    since: npt.NDArray[np.int64]
    packed: Mapping[str, npt.NDArray[np.float32]]
    genres: npt.NDArray[np.float32]
    sizes: Mapping[str, int]

    def table(self) -> pa.Table:
        """media_id, e and the view's columns."""
        columns = {name: as_lists(values) for name, values in self.packed.items()}
        return pa.table({KEY: pa.array(self.ids, pa.string()), "e": pa.array(self.since, pa.int64()), **columns})


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


def known(lake: Lake, found: pa.Table, genres: Sequence[str]) -> Titles:
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
    packed = {name: vocabulary.coded(said[column], values, WIDTHS[name]) for name, (column, values) in of.items()}
    packed["media_embedding"] = (embedding.embeddings(_tokens(said)) / embedding.UNITS).astype(np.float32)
    return Titles(
        ids=found[KEY].to_numpy(zero_copy_only=False),
        since=found["e"].to_numpy(),
        packed=packed,
        genres=vocabulary.coded(said["genres"], genres, max(map(len, said["genres"]), default=0)),
        sizes={name: len(values) for name, (_, values) in of.items()} | {"genres": len(genres)},
    )


def _said(found: pa.Table) -> dict[str, Lists]:
    """Per version: the words of its texts, its names and its lists, and all words that a search may find it by."""
    held = {name: found[name].to_pylist() for name in COLUMNS}
    cut = _Cutter()
    said = {name: [cut(text) for text in held[name]] for name in ("title", "original_title", "synopsis")}
    said |= {name: [_listed(row) for row in held[name]] for name in ("genres", "tags", "actors")}
    single = ("director", "creator", "composer", "original_language")
    said |= {name: [_listed([value]) for value in held[name]] for name in single}
    said["id"] = [[media] for media in found[KEY].to_pylist()]
    said["keywords"] = keywords(found["e"].to_pylist(), said["synopsis"])
    named = ("tags", "genres", "actors", "director", "creator")
    said["search"] = [
        [*title, *original, *(word for names in lists for name in names for word in cut(name))]
        for title, original, *lists in zip(
            said["title"], said["original_title"], *(said[n] for n in named), strict=True
        )
    ]
    return said


class _Cutter:
    """Words of a text, cut once however often it comes."""

    def __init__(self) -> None:
        self._known: dict[str, list[str]] = {}

    def __call__(self, text: str | None) -> list[str]:
        if not text:
            return []
        if text not in self._known:
            self._known[text] = words(text)
        return self._known[text]


def _listed(values: Iterable[str | None] | None) -> list[str]:
    return [value for value in values or () if value]


TOKENS = ("genres", "tags", "keywords", "actors", "director", "creator", "composer", "original_language")
"""What an embedding is made of."""


def _tokens(said: Mapping[str, Lists]) -> Lists:
    rows = zip(*(said[name] for name in TOKENS), strict=True)
    return [[f"{name}:{word}" for name, own in zip(TOKENS, row, strict=True) for word in own] for row in rows]
