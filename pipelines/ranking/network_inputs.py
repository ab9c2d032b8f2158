"""What the deep ranker reads, as arrays: numbers on one scale, categories and ids as codes, lists as rows of codes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.core.contracts import Features, Floats
from pipelines.core.errors import FeatureError
from pipelines.ranking.encoding import Encoder

Codes = npt.NDArray[np.int32]
SAMPLE = 20_000
"""Rows that say where a number lies and how far it spreads."""


@dataclass(frozen=True)
class Arrays:
    """numbers: (n, numbers + flags) float32. categories: (n, c) places in one table. media: (n,). lists: (n or 1, w);
    of one row where all rows share it. 0 is an unknown media, and in a list it only pads."""

    numbers: Floats
    categories: Codes
    media: Codes
    lists: Mapping[str, Codes]


@dataclass(frozen=True)
class Inputs:
    """encoder: numbers and categories. words: of media ids and of search terms, by the name of their table. lists:
    feature -> its table. centre, scale: (numbers,); flagged: (numbers,) whether absence is told."""

    encoder: Encoder
    words: Mapping[str, tuple[str, ...]]
    lists: Mapping[str, str]
    media: str | None
    longest: int
    centre: Floats
    scale: Floats
    flagged: npt.NDArray[np.bool_]

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.encoder.names, *((self.media,) if self.media else ()), *self.lists)

    @property
    def asked(self) -> tuple[str, ...]:
        """The features that must be given."""
        return tuple(name for name in self.names if name not in self.encoder.fixed)

    @cached_property
    def numeric(self) -> list[int]:
        """The places of numbers in the encoder's matrix."""
        return [place for place, name in enumerate(self.encoder.names) if name not in self.encoder.vocabulary]

    @cached_property
    def categorical(self) -> list[int]:
        return [place for place, name in enumerate(self.encoder.names) if name in self.encoder.vocabulary]

    @cached_property
    def begins(self) -> Codes:
        """(c + 1,) where each category's rows begin in their common table; its first row is for the unknown."""
        sizes = [len(self.encoder.vocabulary[self.encoder.names[place]]) + 1 for place in self.categorical]
        return np.cumsum([0, *sizes]).astype(np.int32)

    @cached_property
    def _index(self) -> dict[str, pd.Index]:
        return {table: pd.Index(words, dtype=object) for table, words in self.words.items()}

    @cached_property
    def _code(self) -> dict[str, dict[str, int]]:
        return {table: {word: code for code, word in enumerate(words, 1)} for table, words in self.words.items()}

    def encode(self, features: Features) -> dict[str, Floats]:
        """Columns as floats, ids and lists as int32 codes; codes pass unchanged."""
        found: dict[str, Floats] = self.encoder.encode(features)
        if self.media is not None and self.media in features:
            found[self.media] = self.ids(features[self.media])
        for name in self.lists:
            if name in features:
                found[name] = self.codes(name, features[name])
        return found

    def ids(self, values: npt.NDArray[Any]) -> Codes:
        """(n,) the code of each media, 0 for one that is not known."""
        if values.dtype.kind == "i":
            return values.astype(np.int32, copy=False)
        found = self._index[MEDIA].get_indexer(pd.Index(values, dtype=object))
        return np.asarray(found + 1, dtype=np.int32)

    def codes(self, name: str, values: npt.NDArray[Any]) -> Codes:
        """(n, w) codes of each row's list, the last ``longest`` of it. values: (n,) lists or None, or (n, d) padded."""
        if values.dtype.kind == "i":
            return values
        table = self.lists[name]
        if len(values) == 1:
            known = self._code[table]
            own = [known.get(word, 0) for word in spoken(_listed(values[0])[-self.longest :])]
            return np.array([own], dtype=np.int32).reshape(1, len(own))
        kept = [_listed(value)[-self.longest :] for value in values]
        lengths = np.array([len(own) for own in kept], dtype=np.int64)
        flat = spoken(np.concatenate([np.asarray(own) for own in kept if len(own)])) if lengths.any() else []
        filled = np.zeros((len(values), int(lengths.max(initial=0))), dtype=np.int32)
        at = np.arange(filled.shape[1]) < lengths[:, None]
        filled[at] = self._index[table].get_indexer(pd.Index(flat, dtype=object)) + 1
        return filled

    def arrays(self, features: Features) -> Arrays:
        """FeatureError names the features that are missing."""
        missing = [name for name in self.asked if name not in features]
        if missing:
            raise FeatureError(f"features {', '.join(missing)} are missing: this ranker was fitted with them")
        matrix = self.encoder.matrix(features)
        count = len(next(iter(features.values())))
        media = self.ids(features[self.media]) if self.media else np.zeros(count, dtype=np.int32)
        lists = {name: self.codes(name, _shared(features[name])) for name in self.lists}
        return Arrays(self.numbers(matrix), self.categories(matrix), media, lists)

    def numbers(self, matrix: Floats) -> Floats:
        """Asinh of the standardised number (absent = the centre), which bends long tails; then the flags of absence."""
        given = matrix[:, self.numeric]
        absent = np.isnan(given)
        scaled = np.arcsinh((given - self.centre) / self.scale)
        scaled[absent] = 0.0
        return np.hstack([scaled, absent[:, self.flagged]]).astype(np.float32, copy=False)

    def categories(self, matrix: Floats) -> Codes:
        given = matrix[:, self.categorical]
        return np.where(np.isnan(given), 0, given + 1).astype(np.int32) + self.begins[:-1]


MEDIA, TERMS = "media", "terms"
"""The tables of embeddings that lists share."""


def _shared(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """One row where all rows are the same memory, as a page repeats what is the member's."""
    return values[:1] if len(values) > 1 and values.strides[0] == 0 else values


def _listed(value: Any) -> Sequence[Any]:
    return () if value is None or np.isscalar(value) else value


def spoken(values: Any) -> list[Any]:
    """Words as they are, codes as whole numbers in writing; 0 is a code's padding, as in catalogue codes."""
    return [value if isinstance(value, str) else f"{value:.0f}" if value else "" for value in values]


def learn(
    features: Features,
    *,
    media: str,
    histories: Sequence[str],
    terms: Sequence[str],
    longest: int,
    min_count: int,
    max_categories: int,
    max_media: int,
) -> Inputs:
    """The inputs of a training set: of the named lists those that it has, and all plain columns."""
    held = {name: MEDIA for name in histories if name in features} if media in features else {}
    held |= {name: TERMS for name in terms if name in features}
    plain = {name: values for name, values in features.items() if name != media and name not in (*histories, *terms)}
    encoder = Encoder.fit(plain, min_count=min_count, max_categories=max_categories)
    words = {}
    if media in features:
        words[MEDIA] = _common(features[media].astype(str).tolist(), min_count, max_media)
    if TERMS in held.values():
        told = [word for name in terms if name in features for own in features[name] for word in spoken(_listed(own))]
        words[TERMS] = _common([word for word in told if word], min_count, max_media)
    numbers = [name for name in encoder.names if name not in encoder.vocabulary]
    step = max(1, len(next(iter(features.values()))) // SAMPLE)
    centre, scale = np.zeros(len(numbers)), np.ones(len(numbers))
    flagged = np.zeros(len(numbers), dtype=bool)
    for place, name in enumerate(numbers):
        column = encoder.column(name, features[name])
        flagged[place] = bool(np.isnan(column).any())
        centre[place], scale[place] = _spread(column[::step])
    known = media if media in features else None
    return Inputs(encoder, words, held, known, longest, np.float32(centre), np.float32(scale), flagged)  # type: ignore[arg-type]


def _spread(values: Floats) -> tuple[float, float]:
    """The median, and half the width of the middle two thirds, or the deviation where that has none; 1 for neither."""
    held = values[np.isfinite(values)]
    if not len(held):
        return 0.0, 1.0
    low, middle, high = np.quantile(held, [1 / 6, 1 / 2, 5 / 6])
    width = (high - low) / 2 or float(held.std())
    return float(middle), float(width) if width > 0 else 1.0


def _common(words: Sequence[str], min_count: int, most: int) -> tuple[str, ...]:
    """Those seen ``min_count`` times or more, commonest first."""
    counts = pd.Series(words, dtype=object).value_counts()
    common = sorted(counts[counts >= min_count].index, key=lambda word: (-counts[word], word))
    return tuple(common[:most])
