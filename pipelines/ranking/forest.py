"""R2 Random forest by scikit-learn, kept as arrays: a baseline with interactions and next to nothing to tune.

Serving needs no scikit-learn and unpickles nothing: a tree is a walk over five arrays. Sources: Breiman, Random
Forests, 2001; Saabas, Interpreting random forests, 2014 (a feature's contribution is what its splits on the row's path
change of the expectation).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveInt
from scipy.special import logit

from pipelines.core.contracts import Features, Floats, Groups, Space, Span
from pipelines.ranking.calibration import EDGE, Calibrated, Calibration
from pipelines.ranking.classes import require_both
from pipelines.ranking.encoding import Encoder
from pipelines.ranking.explanation import explained
from pipelines.ranking.method import Method

Ints = npt.NDArray[np.int64]
AT_ONCE = 1 << 19
"""Rows times trees that are walked together."""


@dataclass(frozen=True)
class Trees:
    """All trees in one set of arrays, a node a place; a leaf is its own child on both sides.

    feature: (m,) the column that a node asks, plus the number of columns where an absent value goes right. threshold:
    (m,) values above it go right. child: (2 m,) left and right of each node. value: (m,) the share watched of the rows
    that came to the node. root: (t,). depth: (1,) of the deepest tree.
    """

    feature: Ints
    threshold: Floats
    child: Ints
    value: Floats
    root: Ints
    depth: Ints

    def mean(self, matrix: Floats) -> Floats:
        """(n,) the mean over trees of the share watched in the leaf of each row of (n, columns)."""
        found = np.empty(len(matrix))
        size = max(1, AT_ONCE // len(self.root))
        for begin in range(0, len(matrix), size):
            part = matrix[begin : begin + size]
            both, rows = _both(part)
            node = np.repeat(self.root[None, :], len(part), axis=0)
            for _ in range(int(self.depth[0])):
                node = self._next(both, rows, node)
            found[begin : begin + size] = self.value[node].mean(axis=1)
        return found

    def contributions(self, matrix: Floats) -> tuple[float, Floats]:
        """The mean share at the roots, and (n, columns) what each column adds to it: they sum to ``mean``."""
        both, rows = _both(matrix)
        added, columns = np.zeros(matrix.shape), matrix.shape[1]
        node = np.repeat(self.root[None, :], len(matrix), axis=0)
        where = np.broadcast_to(np.arange(len(matrix))[:, None], node.shape)
        for _ in range(int(self.depth[0])):
            then = self._next(both, rows, node)
            np.add.at(added, (where, self.feature[node] % columns), self.value[then] - self.value[node])
            node = then
        return float(self.value[self.root].mean()), added / len(self.root)

    def _next(self, both: Floats, rows: Ints, node: Ints) -> Ints:
        right = ~(both.take(rows + self.feature.take(node)) <= self.threshold.take(node))
        return self.child.take(2 * node + right)


def _both(matrix: Floats) -> tuple[Floats, Ints]:
    """The columns twice, flat: absent values below all others, then as they are, which no threshold is above; and
    (n, 1) where each row begins."""
    both = np.hstack([np.where(np.isnan(matrix), -np.inf, matrix), matrix])
    return both.ravel(), np.arange(len(matrix))[:, None] * both.shape[1]


@dataclass(frozen=True)
class FittedForest(Calibrated):
    """The trees, and what makes their columns and their probabilities."""

    encoder: Encoder
    trees: Trees

    @property
    def feature_names(self) -> tuple[str, ...]:
        return self.encoder.asked

    def encode(self, features: Features) -> dict[str, Floats]:
        return self.encoder.encode(features)

    def probability(self, features: Features) -> Floats:
        return self.calibration(self.trees.mean(self.encoder.matrix(features)))

    def fixing(self, values: Mapping[str, float]) -> Self:
        return replace(self, encoder=replace(self.encoder, fixed=values))

    def explain(self, features: Features) -> list[dict[str, float]]:
        """Path contributions to the share, exact in their sum, put on the log-odds scale in proportion, row by row."""
        start, added = self.trees.contributions(self.encoder.matrix(features))
        begin, end = np.clip(start, EDGE, 1 - EDGE), np.clip(start + added.sum(axis=1), EDGE, 1 - EDGE)
        level = 1 / (begin * (1 - begin))
        moved = end - begin
        steep = np.divide(logit(end) - logit(begin), moved, out=np.full(len(end), level), where=np.abs(moved) > EDGE)
        return explained(self.encoder.names, added * steep[:, None], self.calibration.slope)

    def save(self, folder: Path) -> None:
        stored = {"encoder": self.encoder.as_json(), "calibration": asdict(self.calibration)}
        (folder / "encoder.json").write_text(json.dumps(stored), encoding="utf-8")
        np.savez(folder / "forest.npz", **{field.name: getattr(self.trees, field.name) for field in fields(Trees)})

    @classmethod
    def load(cls, folder: Path) -> Self:
        stored = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
        with np.load(folder / "forest.npz", allow_pickle=False) as arrays:
            trees = Trees(**{field.name: arrays[field.name] for field in fields(Trees)})
        return cls(Encoder.from_json(stored["encoder"]), trees, calibration=Calibration(**stored["calibration"]))


class Forest(Method):
    """Its size is bounded by trees, depth and leaf; its time by the rows that each tree draws."""

    SPACE: ClassVar[Space] = {
        "depth": Span(6, 14),
        "min_rows_in_leaf": Span(5, 200, log=True),
        "feature_fraction": Span(0.05, 0.8),
    }

    trees: PositiveInt = 60
    depth: PositiveInt = 10
    min_rows_in_leaf: PositiveInt = 30
    feature_fraction: float = Field(default=0.1, gt=0, le=1)
    """The share of the columns that a split may choose from."""
    rows_per_tree: PositiveInt = 50_000
    min_category_count: PositiveInt = 20
    max_categories: PositiveInt = 50

    def fit(self, features: Features, label: Floats, weight: Floats, groups: Groups, *, seed: int) -> FittedForest:
        """Categories are codes in order of how common they are; an unknown one is absent, which is a value here."""
        from sklearn.ensemble import RandomForestClassifier

        require_both(label)
        encoder = Encoder.fit(features, min_count=self.min_category_count, max_categories=self.max_categories)
        matrix = encoder.matrix(features)
        model = RandomForestClassifier(
            n_estimators=self.trees,
            max_depth=self.depth,
            min_samples_leaf=min(self.min_rows_in_leaf, max(1, len(label) // 20)),
            max_features=self.feature_fraction,
            max_samples=min(self.rows_per_tree, len(label)),
            random_state=seed,
        )
        model.fit(matrix, np.asarray(label) > 0, sample_weight=weight)
        return FittedForest(encoder, flattened([one.tree_ for one in model.estimators_], matrix.shape[1]))


def flattened(trees: list[Any], columns: int) -> Trees:
    """scikit-learn's trees, one behind the other."""
    offset = np.cumsum([0, *(tree.node_count for tree in trees)])
    parts: dict[str, list[Any]] = {"feature": [], "threshold": [], "child": [], "value": []}
    for tree, begin in zip(trees, offset.tolist(), strict=False):
        leaf, own = tree.children_left < 0, np.arange(tree.node_count)
        sides = np.stack([tree.children_left, tree.children_right], axis=1)
        asked = tree.feature + columns * (tree.missing_go_to_left == 0)
        parts["feature"].append(np.where(leaf, 0, asked))
        parts["threshold"].append(np.where(leaf, 0.0, tree.threshold))
        parts["child"].append((begin + np.where(leaf[:, None], own[:, None], sides)).ravel())
        parts["value"].append(tree.value[:, 0, -1])
    joined = {name: np.concatenate(part) for name, part in parts.items()}
    depth = np.array([max(tree.max_depth for tree in trees)])
    as_ints = {name: joined.pop(name).astype(np.int64) for name in ("feature", "child")}
    return Trees(root=offset[:-1].astype(np.int64), depth=depth, **as_ints, **joined)
