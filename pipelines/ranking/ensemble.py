"""R1 and R3 together: trees, a logistic regression, and a linear score of the order of one member's titles.

Trees find what acts together, the regression what adds up, and both learn mostly who watches much. What a page
needs is the order within one member's titles: that is all the third part learns (pairwise.py), without the member's own
numbers, and what it adds to the log odds orders the page without saying who watches.

Chosen on KuaiRand-Pure, AUC and GAUC, means of three to six seeds, tested on 27 and 28 April and on the 28th alone:
trees alone 0.8564 / 0.8180 and 0.8540 / 0.8262; with half of the regression 0.8594 / 0.8223 and 0.8578 / 0.8264; with
a quarter of a lambdarank by member besides 0.8566 / 0.8273 and 0.8564 / 0.8306. With pairs of one day instead (0.4 of
them) 0.8571 / 0.8315 and 0.8563 / 0.8405; without those watched in part 0.8557 / 0.8279 and 0.8558 / 0.8397. With 0.65
of the regression 0.8568 / 0.8307 and 0.8562 / 0.8415, and on a world of 1,000 members and 49 days 0.001 less of both.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from pydantic import Field, NonNegativeFloat
from scipy import sparse
from scipy.special import expit

from pipelines.core.contracts import Codes, Features, Floats, Groups, Space, Span
from pipelines.ranking.calibration import Calibrated, Calibration
from pipelines.ranking.explanation import strongest
from pipelines.ranking.gbdt import GBDT, FittedGBDT
from pipelines.ranking.logistic import FittedLogistic, Logistic, design, design_owner
from pipelines.ranking.method import Method
from pipelines.ranking.pairwise import Pairwise

TREES, LINEAR = "trees", "linear"
OF_MEMBER = "user_"
"""How the catalogue begins the name of each number that a member's titles share, and of no other."""
SOME = 50_000
"""Rows, about, that tell the mean of a score."""


@dataclass(frozen=True)
class FittedEnsemble(Calibrated):
    """trees, linear: share one encoder. share: of the trees in the log odds. linear: what is added to them, the
    regression by its share and the order of pairs by its own, which is linear too."""

    trees: FittedGBDT
    linear: FittedLogistic
    share: float

    @property
    def feature_names(self) -> tuple[str, ...]:
        return self.trees.feature_names

    def encode(self, features: Features) -> dict[str, Floats]:
        return self.trees.encode(features)

    def probability(self, features: Features) -> Floats:
        matrix = self.trees.encoder.matrix(features)
        if not len(matrix):
            return np.empty(0)
        return self.calibration(expit(self.share * self.trees.log_odds(matrix) + self.linear.log_odds(matrix)))

    def fixing(self, values: Mapping[str, float]) -> Self:
        return replace(self, trees=self.trees.fixing(values), linear=self.linear.fixing(values))

    def explain(self, features: Features) -> list[dict[str, float]]:
        """The contributions of both, added up."""
        found = self.linear.explain(features)
        for whole, row in zip(found, self.trees.explain(features), strict=True):
            for name, value in row.items():
                whole[name] += self.share * value
        return [strongest({name: self.calibration.slope * value for name, value in row.items()}) for row in found]

    def save(self, folder: Path) -> None:
        for name, part in ((TREES, self.trees), (LINEAR, self.linear)):
            (folder / name).mkdir(exist_ok=True)
            part.save(folder / name)
        stored = {"share": self.share, "calibration": asdict(self.calibration)}
        (folder / "ensemble.json").write_text(json.dumps(stored), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        stored = json.loads((folder / "ensemble.json").read_text(encoding="utf-8"))
        trees, linear = FittedGBDT.load(folder / TREES), FittedLogistic.load(folder / LINEAR)
        return cls(trees, linear, stored["share"], calibration=Calibration(**stored["calibration"]))


class Ensemble(Method):
    """linear, order: how much the parts count in the log odds; the trees have what linear leaves of 1. The regression
    tells categories apart as the trees do."""

    SPACE: ClassVar[Space] = {"linear": Span(0.0, 1.0), "order": Span(0.0, 0.8)}
    MIDDLE: ClassVar[bool] = True

    linear: float = Field(default=0.5, ge=0, le=1)
    order: NonNegativeFloat = 0.4
    trees: GBDT = GBDT(rounds=80, learning_rate=0.08)
    """Fewer and quicker rounds than alone: a page waits for them, 500 titles 2.5 ms at p99."""
    regression: Logistic = Logistic()
    pairwise: Pairwise = Pairwise()

    def fit(self, features: Features, label: Floats, weight: Floats, groups: Groups, *, seed: int) -> FittedEnsemble:
        judged = ~np.isnan(label)
        ends = features if judged.all() else {name: values[judged] for name, values in features.items()}
        told = (ends, label[judged], weight[judged], groups[judged])
        trees = self.trees.fit(*told, seed=seed)
        regression = self.regression.model_copy(
            update={n: getattr(self.trees, n) for n in ("min_category_count", "max_categories")}
        )
        linear = regression.fit(*told, seed=seed)
        both = replace(linear, coefficients=self.linear * linear.coefficients, intercept=self.linear * linear.intercept)
        if self.order:
            both = self._ordered(both, features, np.where(judged, label, 0.5), groups, seed)
        return FittedEnsemble(trees, both, 1 - self.linear)

    def _ordered(
        self, linear: FittedLogistic, features: Features, grade: Floats, groups: Groups, seed: int
    ) -> FittedLogistic:
        """The regression with the order of pairs in its coefficients, at the level it had."""
        names, matrix = linear.encoder.names, linear.encoder.matrix(features)
        of_titles = [not names[place].startswith(OF_MEMBER) for place in design_owner(linear.encoder).tolist()]

        def columns(rows: Codes) -> sparse.csr_matrix:
            return design(linear.encoder, matrix[rows], linear.mean, linear.scale)[:, np.flatnonzero(of_titles)]

        added = np.zeros(len(of_titles))
        added[of_titles] = self.order * self.pairwise.fit(columns, grade, groups, seed=seed)
        some = matrix[:: 1 + len(matrix) // SOME]
        level = replace(linear, coefficients=added, intercept=0.0).log_odds(some).mean()
        return replace(linear, coefficients=linear.coefficients + added, intercept=linear.intercept - float(level))
