"""R1 Logistic regression: the baseline for little data, and the one a person can read."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from pydantic import PositiveFloat, PositiveInt
from scipy import sparse
from scipy.special import expit

from pipelines.core.contracts import Features, Floats, Groups, Space, Span
from pipelines.ranking.calibration import Calibrated, Calibration
from pipelines.ranking.classes import require_both
from pipelines.ranking.encoding import Encoder
from pipelines.ranking.explanation import explained
from pipelines.ranking.method import Method


@dataclass(frozen=True)
class FittedLogistic(Calibrated):
    """Coefficients over the design matrix of ``design``; mean and scale standardise the numbers."""

    encoder: Encoder
    mean: Floats
    scale: Floats
    coefficients: Floats
    intercept: float

    @property
    def feature_names(self) -> tuple[str, ...]:
        return self.encoder.asked

    def encode(self, features: Features) -> dict[str, Floats]:
        return self.encoder.encode(features)

    def probability(self, features: Features) -> Floats:
        return self.calibration(expit(self.log_odds(self.encoder.matrix(features))))

    def log_odds(self, matrix: Floats) -> Floats:
        """(n,) before any calibration: ``design`` times the coefficients, each category looked up instead of spread."""
        numeric = _numeric(self.encoder)
        absent = np.isnan(numbers := matrix[:, numeric])
        standard = np.clip(np.where(absent, 0, (numbers - self.mean) / self.scale), -5, 5)
        of_numbers, of_absent = np.split(self.coefficients[: 2 * len(numeric)], 2)
        found = standard @ of_numbers + absent @ of_absent + self.intercept
        for place, table in self._tables:
            codes = matrix[:, place]
            found += table[np.where(np.isnan(codes), len(table) - 1, codes).astype(np.int64)]
        return np.asarray(found)

    @cached_property
    def _tables(self) -> list[tuple[int, Floats]]:
        """The place of each categorical column, and its coefficients by code; the last, 0, is an absent one's."""
        named = [(n, name) for n, name in enumerate(self.encoder.names) if name in self.encoder.vocabulary]
        ends = np.cumsum([2 * len(_numeric(self.encoder)), *(len(self.encoder.vocabulary[name]) for _, name in named)])
        spans = pairwise(ends.tolist())
        return [(n, np.append(self.coefficients[b:e], 0.0)) for (n, _), (b, e) in zip(named, spans, strict=True)]

    def fixing(self, values: Mapping[str, float]) -> Self:
        return replace(self, encoder=replace(self.encoder, fixed=values))

    def explain(self, features: Features) -> list[dict[str, float]]:
        """Coefficient times value, the design columns of a feature added up."""
        given = design(self.encoder, self.encoder.matrix(features), self.mean, self.scale)
        columns = given.toarray() * self.coefficients
        owner = design_owner(self.encoder)
        by_feature = np.zeros((len(columns), len(self.encoder.names)))
        np.add.at(by_feature.T, owner, columns.T)
        return explained(self.encoder.names, by_feature, self.calibration.slope)

    def save(self, folder: Path) -> None:
        stored = {"encoder": self.encoder.as_json(), "calibration": asdict(self.calibration)}
        (folder / "encoder.json").write_text(json.dumps(stored), encoding="utf-8")
        intercept = np.array([self.intercept])
        np.savez(
            folder / "logistic.npz",
            mean=self.mean,
            scale=self.scale,
            coefficients=self.coefficients,
            intercept=intercept,
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        stored = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
        encoder, calibrated = Encoder.from_json(stored["encoder"]), Calibration(**stored["calibration"])
        with np.load(folder / "logistic.npz", allow_pickle=False) as arrays:
            intercept = float(arrays["intercept"][0])
            return cls(
                encoder, arrays["mean"], arrays["scale"], arrays["coefficients"], intercept, calibration=calibrated
            )


def _numeric(encoder: Encoder) -> list[int]:
    return [place for place, name in enumerate(encoder.names) if name not in encoder.vocabulary]


def design_owner(encoder: Encoder) -> np.ndarray:
    """For each design column, the place of the feature it was made from."""
    numeric = _numeric(encoder)
    categories = [
        np.full(len(encoder.vocabulary[name]), place)
        for place, name in enumerate(encoder.names)
        if name in encoder.vocabulary
    ]
    return np.concatenate([numeric, numeric, *categories]).astype(np.int64)


def design(encoder: Encoder, matrix: Floats, mean: Floats, scale: Floats) -> sparse.csr_matrix:
    """(n, q) float32: standardised numbers (absent = mean), whether each was absent, one column a category.

    Most of it is 0, and a million rows of it as a whole would be 5 GB.
    """
    numbers = matrix[:, _numeric(encoder)]
    absent = np.isnan(numbers)
    numbers -= mean.astype(np.float32)
    numbers /= scale.astype(np.float32)
    numbers[absent] = 0
    parts = [sparse.csr_matrix(np.clip(numbers, -5, 5, out=numbers)), sparse.csr_matrix(absent, dtype=np.float32)]
    for place, name in enumerate(encoder.names):
        if name in encoder.vocabulary:
            held = np.flatnonzero(~np.isnan(matrix[:, place]))
            codes = matrix[held, place].astype(np.int32)
            shape = (len(matrix), len(encoder.vocabulary[name]))
            parts.append(sparse.csr_matrix((np.ones(len(held), np.float32), (held, codes)), shape=shape))
    return sparse.hstack(parts, format="csr", dtype=np.float32)


def _spread(numbers: Floats) -> tuple[Floats, Floats]:
    """(d,) mean and standard deviation of the columns, of what is not NaN; 0 and 1 where nothing is or moves."""
    mean, scale = np.zeros(numbers.shape[1]), np.ones(numbers.shape[1])
    for place, column in enumerate(numbers.T):
        held = column[~np.isnan(column)].astype(np.float64)
        if held.size:
            mean[place] = held.mean()
            scale[place] = held.std() or 1.0
    return mean, scale


class Logistic(Method):
    """penalty: the inverse strength of the ridge, as scikit-learn's C."""

    SPACE: ClassVar[Space] = {
        "penalty": Span(0.0001, 10.0, log=True),
        "min_category_count": Span(10, 200, log=True),
    }

    penalty: PositiveFloat = 0.1
    iterations: PositiveInt = 200
    min_category_count: PositiveInt = 50
    max_categories: PositiveInt = 50

    def fit(self, features: Features, label: Floats, weight: Floats, groups: Groups, *, seed: int) -> FittedLogistic:
        from sklearn.linear_model import LogisticRegression

        require_both(label)
        encoder = Encoder.fit(features, min_count=self.min_category_count, max_categories=self.max_categories)
        matrix = encoder.matrix(features)
        mean, scale = _spread(matrix[:, _numeric(encoder)])
        columns = design(encoder, matrix, mean, scale)
        model = LogisticRegression(C=self.penalty, max_iter=self.iterations, tol=1e-3)
        model.fit(columns, label, sample_weight=weight)
        coefficients, intercept = model.coef_[0].astype(np.float64), float(model.intercept_[0])
        # A column that never moved is a part of the intercept: as a feature's it would explain what it cannot tell.
        lowest, highest = (found.toarray()[0] for found in (columns.min(axis=0), columns.max(axis=0)))
        still = lowest == highest
        intercept += float(coefficients[still] @ lowest[still])
        return FittedLogistic(encoder, mean, scale, np.where(still, 0.0, coefficients), intercept)
