"""R3 Gradient-boosted trees by LightGBM: the ranker of choice for mixed, partly missing tabular features."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from scipy.special import expit

from pipelines.core.contracts import Codes, Features, Floats, Groups, Space, Span
from pipelines.ranking import calibration, leaf_masks
from pipelines.ranking.calibration import Calibrated, Calibration
from pipelines.ranking.classes import require_both
from pipelines.ranking.encoding import Encoder
from pipelines.ranking.explanation import explained
from pipelines.ranking.method import Method

PAGE = 2048
"""Rows up to which a page's way of scoring is the faster one: it holds nodes times rows in memory."""


@dataclass(frozen=True)
class FittedGBDT(Calibrated):
    """model: LightGBM's own text format, which holds numbers and no code. level: what makes scores that only order a
    member's rows the log odds of the rows that were fitted; None where they are log odds already."""

    encoder: Encoder
    model: str
    level: Calibration | None = None

    @cached_property
    def booster(self) -> Any:
        import lightgbm

        return lightgbm.Booster(model_str=self.model)

    @cached_property
    def _masks(self) -> leaf_masks.LeafMasks | None:
        return leaf_masks.of_model(self.booster.dump_model()["tree_info"])

    @property
    def feature_names(self) -> tuple[str, ...]:
        return self.encoder.asked

    def encode(self, features: Features) -> dict[str, Floats]:
        return self.encoder.encode(features)

    def probability(self, features: Features) -> Floats:
        matrix = self.encoder.matrix(features)
        if not len(matrix):
            return np.empty(0)
        found = expit(self.log_odds(matrix))
        return self.calibration(found if self.level is None else self.level(found))

    def log_odds(self, matrix: Floats) -> Floats:
        """(n,) before any calibration; a page's rows without LightGBM's walk, of which benchmarks/ranking.py tells."""
        if len(matrix) <= PAGE and self._masks is not None:
            return self._masks.score(matrix)
        return np.asarray(self.booster.predict(matrix, raw_score=True))

    def fixing(self, values: Mapping[str, float]) -> Self:
        return replace(self, encoder=replace(self.encoder, fixed=values))

    def explain(self, features: Features) -> list[dict[str, float]]:
        """TreeSHAP contributions (Lundberg et al. 2020), as LightGBM computes them."""
        contributions = self.booster.predict(self.encoder.matrix(features), pred_contrib=True)[:, :-1]
        slope = self.calibration.slope * (1.0 if self.level is None else self.level.slope)
        return explained(self.encoder.names, contributions, slope)

    def save(self, folder: Path) -> None:
        (folder / "model.txt").write_text(self.model, encoding="utf-8")
        level = None if self.level is None else asdict(self.level)
        stored = {"encoder": self.encoder.as_json(), "calibration": asdict(self.calibration), "level": level}
        (folder / "encoder.json").write_text(json.dumps(stored), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        stored = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
        model = (folder / "model.txt").read_text(encoding="utf-8")
        level = Calibration(**stored["level"]) if stored.get("level") else None
        return cls(Encoder.from_json(stored["encoder"]), model, level, calibration=Calibration(**stored["calibration"]))


MOST_IN_GROUP = 10_000
"""LightGBM compares no more rows of one member with each other."""


@dataclass(frozen=True)
class Rows:
    """What is learnt from: (n, d) matrix, (n,) label and weight, groups. grouped: members' rows stand together."""

    encoder: Encoder
    matrix: Floats
    label: Floats
    weight: Floats
    groups: Groups
    grouped: bool

    def dataset(self, part: slice, like: Any = None) -> Any:
        """LightGBM's data set of some of the rows, binned as ``like`` is."""
        import lightgbm

        matrix, label, weight, sizes = self.matrix[part], self.label[part], self.weight[part], None
        if self.grouped:
            order, sizes = by_member(self.groups[part])
            matrix, label, weight = matrix[order], label[order], weight[order]
        return lightgbm.Dataset(
            matrix,
            label=label,
            weight=weight,
            group=sizes,
            categorical_feature=[n for n, name in enumerate(self.encoder.names) if name in self.encoder.vocabulary],
            reference=like,
            free_raw_data=True,
        )


def by_member(groups: Groups) -> tuple[Codes, Codes]:
    """The order that puts each member's rows together, as they came, and how many each has, MOST_IN_GROUP at most."""
    _, counts = np.unique(groups[:, 0], return_counts=True)
    sizes = [min(MOST_IN_GROUP, n - done) for n in counts.tolist() for done in range(0, n, MOST_IN_GROUP)]
    return np.argsort(groups[:, 0], kind="stable"), np.array(sizes)


class GBDT(Method):
    """LightGBM's knobs; the defaults are shallow and slow on purpose, for noisy clicks."""

    SPACE: ClassVar[Space] = {
        "rounds": Span(50, 600, log=True),
        "learning_rate": Span(0.01, 0.2, log=True),
        "leaves": Span(7, 127, log=True),
        "min_rows_in_leaf": Span(20, 500, log=True),
        "feature_fraction": Span(0.2, 1.0),
        "row_fraction": Span(0.5, 1.0),
        "l2": Span(0.1, 50.0, log=True),
    }

    rounds: PositiveInt = 150
    learning_rate: PositiveFloat = 0.04
    leaves: PositiveInt = 31
    min_rows_in_leaf: PositiveInt = 60
    feature_fraction: PositiveFloat = 0.6
    row_fraction: PositiveFloat = 0.8
    l2: NonNegativeFloat = 5.0
    min_category_count: PositiveInt = 20
    max_categories: PositiveInt = 200
    objective: Literal["binary", "lambdarank"] = "binary"
    """``lambdarank`` learns the order of each member's rows, and its scores are made probabilities by calibration."""
    early_stopping_rounds: PositiveInt | None = None
    """Stop where the last rows have not gained for so many rounds, then fit all rows for the best number of them."""
    validation_share: float = Field(default=0.1, gt=0, lt=1)
    """The share of the rows, the latest, that early stopping looks at."""

    def fit(self, features: Features, label: Floats, weight: Floats, groups: Groups, *, seed: int) -> FittedGBDT:
        import lightgbm

        require_both(label)
        encoder = Encoder.fit(features, min_count=self.min_category_count, max_categories=self.max_categories)
        rows = Rows(encoder, encoder.matrix(features), label, weight, groups, self.objective == "lambdarank")
        rounds = self._best_rounds(rows, seed) if self.early_stopping_rounds else self.rounds
        everything = rows.dataset(slice(None))
        booster = lightgbm.train(self._parameters(seed, len(label)), everything, num_boost_round=rounds)
        fitted = FittedGBDT(encoder, booster.model_to_string())
        if not rows.grouped:
            return fitted
        scores = expit(booster.predict(rows.matrix, raw_score=True))
        return replace(fitted, level=calibration.fit(scores, label, rate=1.0, weight=weight))

    def _best_rounds(self, rows: "Rows", seed: int) -> int:
        """How many rounds the latest rows ask for of a model of the rows before; all where they are of one class."""
        import lightgbm

        cut = len(rows.label) - max(1, int(len(rows.label) * self.validation_share))
        if any(np.unique(part).size < 2 for part in (rows.label[:cut], rows.label[cut:])):
            return self.rounds
        fitted = rows.dataset(slice(None, cut))
        booster = lightgbm.train(
            self._parameters(seed, cut),
            fitted,
            num_boost_round=self.rounds,
            valid_sets=[rows.dataset(slice(cut, None), like=fitted)],
            callbacks=[lightgbm.early_stopping(self.early_stopping_rounds, verbose=False)],
        )
        return max(1, int(booster.best_iteration))

    def _parameters(self, seed: int, rows: int) -> dict[str, object]:
        return {
            "objective": self.objective,
            "metric": "ndcg" if self.objective == "lambdarank" else "binary_logloss",
            "eval_at": [10],
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": min(self.min_rows_in_leaf, max(1, rows // 20)),
            "feature_fraction": self.feature_fraction,
            "bagging_fraction": self.row_fraction,
            "bagging_freq": 1,
            "lambda_l2": self.l2,
            "cat_smooth": 50.0,
            "max_cat_threshold": 16,
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }
