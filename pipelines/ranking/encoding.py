"""From feature columns to a float matrix: numbers as they are, categories by a vocabulary learned from training."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from pipelines.core.contracts import Features, Floats
from pipelines.core.errors import FeatureError


@dataclass(frozen=True)
class Encoder:
    """names: the columns of the matrix, in order. vocabulary: the categories of each categorical one, by code. fixed:
    columns that are the same number whatever is given, as a title's position is where none has been chosen yet."""

    names: tuple[str, ...]
    vocabulary: Mapping[str, tuple[str, ...]]
    fixed: Mapping[str, float] = field(default_factory=dict)

    @property
    def asked(self) -> tuple[str, ...]:
        """The columns that must be given."""
        return tuple(name for name in self.names if name not in self.fixed)

    @classmethod
    def fit(cls, features: Features, *, min_count: int, max_categories: int) -> "Encoder":
        """Categories seen ``min_count`` times or more, commonest first. Packed columns feed only cross features."""
        vocabulary = {}
        for name, values in features.items():
            if values.ndim == 1 and values.dtype.kind in "OUS":
                counts = pd.Series(values).dropna().astype(str).value_counts()
                common = sorted(counts[counts >= min_count].index, key=lambda category: (-counts[category], category))
                vocabulary[name] = tuple(common[:max_categories])
        return cls(tuple(name for name, values in features.items() if values.ndim == 1), vocabulary)

    @cached_property
    def _index(self) -> dict[str, pd.Index]:
        return {name: pd.Index(categories, dtype=object) for name, categories in self.vocabulary.items()}

    @cached_property
    def _code(self) -> dict[str, dict[str, int]]:
        return {name: {word: code for code, word in enumerate(words)} for name, words in self.vocabulary.items()}

    def column(self, name: str, values: np.ndarray) -> Floats:
        """(n,) float32: a category's code or the number itself; NaN for an absent value and an unknown category."""
        if values.dtype.kind not in "OUS":
            return values.astype(np.float32, copy=False)
        if name not in self.vocabulary:
            return np.array([_number(value) for value in values], dtype=np.float32)
        if len(values) == 1:
            # One member's row, on the serving path: a dict answers a hundred times sooner than an index.
            return np.array([self._code[name].get(values[0], np.nan)], dtype=np.float32)
        codes = self._index[name].get_indexer(pd.Index(values, dtype=object)).astype(np.float32)
        codes[codes < 0] = np.nan
        return codes

    def encode(self, features: Features) -> dict[str, Floats]:
        """The given columns that the matrix has, each as floats."""
        return {name: self.column(name, features[name]) for name in self.names if name in features}

    def matrix(self, features: Features) -> Floats:
        """(n, len(names)) float32, one column a name; FeatureError names the columns that are missing."""
        missing = [name for name in self.asked if name not in features]
        if missing:
            raise FeatureError(f"features {', '.join(missing)} are missing: this ranker was fitted with them")
        rows = len(features[self.asked[0]]) if self.asked else 0
        filled = np.empty((rows, len(self.names)), dtype=np.float32)
        for place, name in enumerate(self.names):
            filled[:, place] = self.fixed[name] if name in self.fixed else self.column(name, features[name])
        return filled

    def as_json(self) -> dict[str, object]:
        vocabulary = {name: list(words) for name, words in self.vocabulary.items()}
        return {"names": list(self.names), "vocabulary": vocabulary, "fixed": dict(self.fixed)}

    @classmethod
    def from_json(cls, stored: Mapping[str, object]) -> "Encoder":
        names, vocabulary, fixed = stored["names"], stored["vocabulary"], stored.get("fixed", {})
        if not isinstance(names, list) or not isinstance(vocabulary, dict) or not isinstance(fixed, dict):
            raise FeatureError("encoder file holds no names and vocabulary: take the release from the registry again")
        return cls(tuple(names), {name: tuple(categories) for name, categories in vocabulary.items()}, fixed)


def _number(value: object) -> float:
    """A number given as an object; NaN for anything else."""
    return float(value) if isinstance(value, (int, float, np.number)) else np.nan
