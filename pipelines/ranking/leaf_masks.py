"""Boosted trees scored for one page at once, node by node: steadier and a little faster than LightGBM's walk.

A node that sends a row to the right rules out the leaves on its left; the first leaf that no node ruled out is the
row's. So nodes are compared with all rows together, in any order, without a branch, and what is the same for every row
(the member, the moment) is settled once. Source: Lucchese et al., QuickScorer, SIGIR 2015.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.core.contracts import Floats

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
MOST_LEAVES, MOST_PLANS = 64, 8
TOGETHER = 8
"""Trees whose leaves are ruled out at once, so that what lies between stays in the processor's cache."""
ENDLESS = 1e300
"""What LightGBM writes for the threshold that every number is below, and only an absent one is not."""
LEFT, RIGHT, LISTED = 0, 1, 2
"""Where a node sends an absent number; or it sends the categories of a list to the left, and all else right."""


@dataclass(frozen=True)
class Nodes:
    """(m,) of each node, in order of trees: its column, how it decides, its threshold, the leaves that it rules out,
    and (m, widest + 1) which categories go right, the last for an absent one."""

    tree: Ints
    column: Ints
    kind: Ints
    threshold: Floats
    mask: npt.NDArray[Any]
    right: Flags

    def take(self, some: npt.NDArray[Any]) -> "Nodes":
        parts = (self.tree, self.column, self.kind, self.threshold, self.mask, self.right)
        return Nodes(*(part[some] for part in parts))

    def decide(self, at: slice, values: Floats) -> Flags:
        """(nodes, n) whether rows go right at nodes of one column and kind; values: (n,) float32 of that column."""
        first = self.kind[at.start]
        if first == LISTED:
            return np.asarray(self.right[at][:, self._listed(values)])
        if first == LEFT:
            return np.asarray(values > self.threshold[at, None])
        return np.asarray(~(values <= self.threshold[at, None]))

    def settle(self, row: Floats, trees: int) -> npt.NDArray[Any]:
        """(trees, 1) the leaves that the nodes rule out for one row; row: (columns,) float32."""
        values = row[self.column]
        right = np.where(self.kind == LEFT, values > self.threshold, ~(values <= self.threshold))
        listed = np.flatnonzero(self.kind == LISTED)
        right[listed] = self.right[listed, self._listed(values[listed])]
        ruled = np.zeros(trees, dtype=self.mask.dtype)
        np.bitwise_or.at(ruled, self.tree[right], self.mask[right])
        return ruled[:, None]

    def _listed(self, values: Floats) -> Ints:
        """The place of each category in ``right``."""
        last = self.right.shape[1] - 1
        codes = np.where(np.isnan(values), -1, values).astype(np.int64)
        return np.where((codes < 0) | (codes >= last), last, codes)


@dataclass(frozen=True)
class Plan:
    """The nodes of one set of columns, by column and kind; where each run of them ends; and back to trees."""

    nodes: Nodes
    runs: list[tuple[int, slice]]
    to_trees: Ints
    mask: npt.NDArray[Any]
    trees: list[tuple[int, slice]]

    @classmethod
    def of(cls, nodes: Nodes) -> "Plan":
        order = np.lexsort((nodes.tree, nodes.kind, nodes.column))
        sorted_ = nodes.take(order)
        back = np.argsort(sorted_.tree, kind="stable")
        runs = _runs(sorted_.column * 3 + sorted_.kind)
        trees = _runs(sorted_.tree[back])
        return cls(
            sorted_,
            [(int(sorted_.column[run.start]), run) for run in runs],
            back,
            sorted_.mask[back, None],
            [(int(sorted_.tree[back[run.start]]), run) for run in trees],
        )

    def ruled_out(self, columns: Floats, trees: int) -> npt.NDArray[Any]:
        """(trees, n) the leaves that the nodes rule out for (columns, n) values."""
        right = np.empty((len(self.mask), columns.shape[1]), dtype=np.bool_)
        for column, run in self.runs:
            right[run] = self.nodes.decide(run, columns[column])
        out = np.zeros((trees, columns.shape[1]), dtype=self.mask.dtype)
        for begin in range(0, len(self.trees), TOGETHER):
            some = self.trees[begin : begin + TOGETHER]
            first, last = some[0][1].start, some[-1][1].stop
            ruled = np.multiply(right[self.to_trees[first:last]], self.mask[first:last], dtype=self.mask.dtype)
            for tree, run in some:
                np.bitwise_or.reduce(ruled[run.start - first : run.stop - first], axis=0, out=out[tree])
        return out


def _runs(keys: Ints) -> list[slice]:
    """The slices of equal neighbours."""
    edges = np.flatnonzero(np.diff(keys)) + 1
    return [slice(a, b) for a, b in pairwise([0, *edges.tolist(), len(keys)]) if b > a]


@dataclass(frozen=True)
class LeafMasks:
    """nodes: of all trees. values: (trees, leaves), from the left."""

    nodes: Nodes
    values: Floats
    plans: dict[bytes, tuple[Nodes, Plan]] = field(default_factory=dict, compare=False)

    def score(self, matrix: Floats) -> Floats:
        """(n,) the sum of the leaves that (n, columns) float32 rows come to."""
        columns = np.ascontiguousarray(matrix.T, dtype=np.float32)
        bits = columns.view(np.int32)
        alike = (bits == bits[:, :1]).all(axis=1)
        shared, own = self._plans(alike)
        ruled = own.ruled_out(columns, len(self.values))
        ruled |= shared.settle(columns[:, 0], len(self.values))
        leaf = _lowest(~ruled) + (np.arange(len(self.values)) * self.values.shape[1])[:, None]
        return np.asarray(self.values.ravel().take(leaf).sum(axis=0))

    def _plans(self, alike: Flags) -> tuple[Nodes, Plan]:
        """The nodes of columns that are alike in all rows, and those of the others: pages repeat the same."""
        key = alike.tobytes()
        if key not in self.plans:
            if len(self.plans) >= MOST_PLANS:
                self.plans.clear()
            here = alike[self.nodes.column]
            self.plans[key] = (self.nodes.take(here), Plan.of(self.nodes.take(~here)))
        return self.plans[key]


def _lowest(bits: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The place of the lowest bit that is set: the exponent of the number that has only that bit."""
    lowest = bits & np.negative(bits)
    if bits.dtype == np.uint32:
        return np.asarray((lowest.astype(np.float32).view(np.int32) >> 23) - 127)
    return np.asarray((lowest.astype(np.float64).view(np.int64) >> 52) - 1023)


def of_model(trees: Sequence[Mapping[str, Any]]) -> LeafMasks | None:
    """The trees of ``Booster.dump_model()["tree_info"]``; None where one has more leaves than a number has bits, or
    zeros that stand for absent."""
    found: list[tuple[int, int, int, float, int, tuple[int, ...]]] = []
    leaves: list[list[float]] = []
    for number, tree in enumerate(trees):
        leaves.append([])
        _walk(number, tree["tree_structure"], found, leaves[-1])
    widest = max(map(len, leaves), default=0)
    if widest > MOST_LEAVES or not found or any(node[2] < 0 for node in found):
        return None
    values = np.zeros((len(leaves), widest))
    for number, own in enumerate(leaves):
        values[number, : len(own)] = own
    most = max((max(node[5], default=0) for node in found), default=0)
    right = np.ones((len(found), most + 2), dtype=np.bool_)
    for number, node in enumerate(found):
        right[number, list(node[5])] = False
    of_tree, column, kind = (np.array([node[place] for node in found], dtype=np.int64) for place in range(3))
    bits: Any = np.uint32 if widest <= 32 else np.uint64
    mask = np.array([node[4] for node in found], dtype=bits)
    return LeafMasks(Nodes(of_tree, column, kind, _single([node[3] for node in found]), mask, right), values)


def _single(threshold: Sequence[float]) -> Floats:
    """(m,) the greatest float32 that is not above each threshold: single numbers compare with both alike."""
    exact = np.array(threshold, dtype=np.float64)
    near = np.clip(exact, np.finfo(np.float32).min, np.finfo(np.float32).max).astype(np.float32)
    below = np.where(near > exact, np.nextafter(near, np.float32(-np.inf)), near)
    return np.where(exact >= ENDLESS, np.inf, below).astype(np.float32)


def _walk(number: int, node: Mapping[str, Any], found: list[Any], leaves: list[float]) -> None:
    """Add the node and those below it, and its leaves, from the left."""
    if "split_feature" not in node:
        leaves.append(float(node["leaf_value"]))
        return
    begin = len(leaves)
    _walk(number, node["left_child"], found, leaves)
    mask = ((1 << (len(leaves) - begin)) - 1) << begin
    if node["decision_type"] == "==":
        listed = tuple(int(code) for code in node["threshold"].split("||"))
        found.append((number, node["split_feature"], LISTED, 0.0, mask, listed))
    else:
        found.append((number, node["split_feature"], _absent(node), float(node["threshold"]), mask, ()))
    _walk(number, node["right_child"], found, leaves)


def _absent(node: Mapping[str, Any]) -> int:
    """Where a number that is absent goes; it is 0 to a node that saw none while learning. -1 where zeros are absent."""
    if node["missing_type"] == "Zero":
        return -1
    if node["missing_type"] == "None":
        return LEFT if node["threshold"] >= 0.0 else RIGHT
    return LEFT if node["default_left"] else RIGHT
