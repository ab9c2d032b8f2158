"""Media profiles: what a title is, from its metadata alone, as a vector whose inner products are likenesses.

Each group of columns is TF-IDF of unit length times its weight (Salton and Buckley, Term-weighting approaches in
automatic text retrieval, 1988); all together are folded to a few dozen directions by a truncated SVD (Deerwester et
al., Indexing by latent semantic analysis, 1990), so that a title is a short dense row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import pyarrow as pa
from pydantic import Field, NonNegativeFloat, PositiveInt

from pipelines.core.config import Config
from pipelines.core.contracts import Floats
from pipelines.core.tables import MEDIA, STRING, STRINGS
from pipelines.core.text import words

TEXT, PEOPLE, GENRES, TAGS, WORDS = "text", "people", "genres", "tags", "words"
COLUMNS = {
    TEXT: ("title", "synopsis"),
    PEOPLE: ("actors", "director", "creator", "composer"),
    GENRES: ("genres",),
    TAGS: ("tags",),
    WORDS: ("kind", "series_id", "distributor", "original_language", "country_of_origin", "maturity_rating"),
}
"""The columns of each group; a data set's own string columns join WORDS."""
CANONICAL = {column.name for column in MEDIA.columns}
BATCH = 20_000
"""Titles folded at once."""


class ProfileConfig(Config):
    """What each group of columns counts, and how many directions are kept."""

    weights: dict[str, NonNegativeFloat] = Field(
        default_factory=lambda: {TEXT: 0.3, PEOPLE: 0.3, GENRES: 1.0, TAGS: 0.4, WORDS: 0.4}
    )
    dimensions: PositiveInt = 64
    terms: PositiveInt = 20_000
    """The most words, people or tags that a group knows."""
    learned_from: PositiveInt = 20_000
    """The most titles that the directions are learned from."""


@dataclass(frozen=True)
class MediaEncoder:
    """Titles -> rows. terms: group -> its terms, sorted; idf: group -> what each weighs; components: (terms, d)."""

    terms: Mapping[str, Sequence[str]]
    idf: Mapping[str, Floats]
    weights: Mapping[str, float]
    components: Floats

    def encode(self, media_table: pa.Table) -> Floats:
        """(rows, d) float32, also of titles that were not there at the fit; zeros where nothing of one is known."""
        rows = [
            self.sparse(media_table.slice(begin, BATCH)) @ self.components
            for begin in range(0, media_table.num_rows, BATCH)
        ]
        return np.vstack([np.empty((0, self.components.shape[1])), *rows]).astype(np.float32)

    @cached_property
    def genres(self) -> dict[str, Floats]:
        """Each genre as the row of a title of which only that is known."""
        names = list(self.terms.get(GENRES, ()))
        table = pa.table({"genres": pa.array([[name.split("=", 1)[1]] for name in names], type=STRINGS)})
        return dict(zip((name.split("=", 1)[1] for name in names), self.encode(table), strict=True))

    def arrays(self) -> dict[str, Floats]:
        """What the encoder is made of, by name, as arrays without objects."""
        terms = {f"terms_{group}": np.array(held) for group, held in self.terms.items()}
        idf = {f"idf_{group}": np.asarray(held) for group, held in self.idf.items()}
        groups = {"groups": np.array(list(self.weights)), "weights": np.array(list(self.weights.values()))}
        return {**terms, **idf, **groups, "components": self.components}

    @classmethod
    def of(cls, arrays: Mapping[str, Floats]) -> Self | None:
        """The encoder that ``arrays`` took apart; None where there was none."""
        if "groups" not in arrays:
            return None
        weights = dict(zip(arrays["groups"].tolist(), arrays["weights"].tolist(), strict=True))
        terms, idf = ({group: arrays[f"{part}_{group}"] for group in weights} for part in ("terms", "idf"))
        return cls({group: held.tolist() for group, held in terms.items()}, idf, weights, arrays["components"])

    def sparse(self, media_table: pa.Table) -> Any:
        """(rows, terms) the weighted TF-IDF of every group side by side."""
        from scipy.sparse import hstack
        from sklearn.preprocessing import normalize

        found = documents(media_table)
        parts = []
        for group, terms in self.terms.items():
            counts = _counts(found.get(group) or [[]] * media_table.num_rows, terms)
            counts.data = (1 + np.log(counts.data)) * self.idf[group][counts.indices]
            parts.append(normalize(counts) * self.weights[group] ** 0.5)
        return hstack(parts).tocsr()


def fit(media_table: pa.Table, config: ProfileConfig, seed: int) -> MediaEncoder | None:
    """Learn vocabularies, idf and directions of a catalogue; None where its metadata hold no term."""
    found = {group: lists for group, lists in documents(media_table).items() if config.weights.get(group)}
    learned = {group: _learned(lists, config.terms) for group, lists in found.items() if any(lists)}
    if not learned:
        return None
    terms, idf = (
        {group: held[0] for group, held in learned.items()},
        {group: held[1] for group, held in learned.items()},
    )
    weights = {group: config.weights[group] for group in terms}
    whole = MediaEncoder(terms, idf, weights, np.empty((0, 0), np.float32))
    return MediaEncoder(terms, idf, weights, _directions(whole, media_table, config, seed))


def _directions(encoder: MediaEncoder, media_table: pa.Table, config: ProfileConfig, seed: int) -> Floats:
    from scipy.sparse import identity
    from sklearn.utils.extmath import randomized_svd

    rng = np.random.default_rng(seed)
    rows = np.arange(media_table.num_rows)
    if len(rows) > config.learned_from:
        rows = np.sort(rng.choice(rows, config.learned_from, replace=False))
    sparse = encoder.sparse(media_table.take(rows))
    if sparse.shape[1] <= config.dimensions:
        return np.asarray(identity(sparse.shape[1], dtype=np.float32).toarray())
    width = min(config.dimensions, len(rows))
    _, _, directions = randomized_svd(sparse, width, random_state=seed, n_iter=4)
    return np.asarray(directions.T, dtype=np.float32)


def documents(media_table: pa.Table) -> dict[str, list[list[str]]]:
    """Group -> the terms of each title: ``column=value``, so that an actor and a director of one name are two."""
    columns = dict(COLUMNS)
    own = [f.name for f in media_table.schema if f.name not in CANONICAL and f.type in (STRING, STRINGS)]
    columns[WORDS] = (*COLUMNS[WORDS], *own)
    found: dict[str, list[list[str]]] = {}
    for group, names in columns.items():
        held = [name for name in names if name in media_table.column_names]
        lists: list[list[str]] = [[] for _ in range(media_table.num_rows)]
        for name in held:
            split = _words if group == TEXT else _values
            for row, value in enumerate(media_table[name].to_pylist()):
                if value:
                    lists[row] += split(name, value)
        if held:
            found[group] = lists
    return found


def _words(_: str, value: str) -> list[str]:
    return words(value)


def _values(name: str, value: str | list[str]) -> list[str]:
    return [f"{name}={one}" for one in ([value] if isinstance(value, str) else value)]


def _learned(lists: list[list[str]], most: int) -> tuple[list[str], Floats]:
    """The terms of a group, in order, and what each weighs."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer=list, max_features=most).fit(lists)
    return vectorizer.get_feature_names_out().tolist(), vectorizer.idf_.astype(np.float32)


def _counts(lists: Sequence[Sequence[str]], terms: Sequence[str]) -> Any:
    """(rows, terms) sparse: how often each title has each term; a term that the fit did not know is passed over."""
    from scipy.sparse import csr_matrix

    code = {term: place for place, term in enumerate(terms)}
    held = [(row, code[term]) for row, own in enumerate(lists) for term in own if term in code]
    places = np.array(held, dtype=np.int64).reshape(-1, 2).T
    counts = csr_matrix((np.ones(len(held), np.float32), tuple(places)), shape=(len(lists), len(terms)))
    counts.sum_duplicates()
    return counts
