"""R3 Gradient-boosted trees by LightGBM: the ranker of choice for mixed, partly missing tabular features."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from pipelines.core.config import Config
from pipelines.core.contracts import Features, Floats, Ids
from pipelines.ranking import calibration
from pipelines.ranking.calibration import UNCALIBRATED, Calibration
from pipelines.ranking.encoding import Encoder


@dataclass(frozen=True)
class FittedGBDT:
    """model: LightGBM's own text format, which holds numbers and no code."""

    encoder: Encoder
    model: str
    calibration: Calibration = UNCALIBRATED

    @cached_property
    def booster(self) -> Any:
        import lightgbm

        return lightgbm.Booster(model_str=self.model)

    @property
    def feature_names(self) -> tuple[str, ...]:
        return self.encoder.names

    def encode(self, features: Features) -> dict[str, Floats]:
        return self.encoder.encode(features)

    def probability(self, features: Features) -> Floats:
        matrix = self.encoder.matrix(features)
        if not len(matrix):
            return np.empty(0)
        # One thread below a few thousand rows: starting threads costs more than the trees.
        threads = 1 if len(matrix) < 4096 else 0
        return self.calibration(self.booster.predict(matrix, num_threads=threads))

    def calibrated(self, probability: Floats, watched: Floats, rate: float) -> Self:
        return replace(self, calibration=calibration.fit(probability, watched, rate=rate))

    def calibrated_like(self, other: Self) -> Self:
        return replace(self, calibration=other.calibration)

    def explain(self, features: Features) -> list[dict[str, float]]:
        """TreeSHAP contributions (Lundberg et al. 2020), as LightGBM computes them."""
        contributions = self.booster.predict(self.encoder.matrix(features), pred_contrib=True)[:, :-1]
        return [strongest(dict(zip(self.feature_names, row.tolist(), strict=True))) for row in contributions]

    def save(self, folder: Path) -> None:
        (folder / "model.txt").write_text(self.model, encoding="utf-8")
        stored = {"encoder": self.encoder.as_json(), "calibration": asdict(self.calibration)}
        (folder / "encoder.json").write_text(json.dumps(stored), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        stored = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
        model = (folder / "model.txt").read_text(encoding="utf-8")
        return cls(Encoder.from_json(stored["encoder"]), model, Calibration(**stored["calibration"]))


def strongest(contribution: Mapping[str, float]) -> dict[str, float]:
    """The same entries, largest magnitude first."""
    return dict(sorted(contribution.items(), key=lambda entry: -abs(entry[1])))


class GBDT(Config):
    """LightGBM's knobs; the defaults are shallow and slow on purpose, for noisy clicks."""

    rounds: PositiveInt = 150
    learning_rate: PositiveFloat = 0.04
    leaves: PositiveInt = 31
    min_rows_in_leaf: PositiveInt = 60
    feature_fraction: PositiveFloat = 0.6
    row_fraction: PositiveFloat = 0.8
    l2: NonNegativeFloat = 5.0
    min_category_count: PositiveInt = 20
    max_categories: PositiveInt = 200

    def fit(self, features: Features, label: Floats, weight: Floats, groups: Ids, *, seed: int) -> FittedGBDT:
        import lightgbm

        encoder = Encoder.fit(features, min_count=self.min_category_count, max_categories=self.max_categories)
        categorical = [place for place, name in enumerate(encoder.names) if name in encoder.vocabulary]
        data = lightgbm.Dataset(
            encoder.matrix(features), label=label, weight=weight, categorical_feature=categorical, free_raw_data=True
        )
        booster = lightgbm.train(self._parameters(seed, len(label)), data, num_boost_round=self.rounds)
        return FittedGBDT(encoder, booster.model_to_string())

    def _parameters(self, seed: int, rows: int) -> dict[str, object]:
        return {
            "objective": "binary",
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
