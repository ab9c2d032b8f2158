"""The deep ranker's network in NumPy: embeddings, pooled lists, ReLU layers; its answer, and where it comes from.

Source of the explanation: Shrikumar, Greenside and Kundaje, Learning Important Features Through Propagating Activation
Differences, ICML 2017, the Rescale rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.core.contracts import Floats
from pipelines.ranking.network_inputs import MEDIA, Arrays, Codes, Inputs

CATEGORIES = "categories"
NEGLIGIBLE = 1e-6


@dataclass(frozen=True)
class Network:
    """tables: embeddings by name. layers: (weights, bias) from the input on; the last has one column. attention: the
    title asks its member's history, by the product of embeddings, how much each watched title counts; else all alike.
    typical: (d,) the mean input of training, which explanations start from."""

    tables: Mapping[str, Floats]
    layers: tuple[tuple[Floats, Floats], ...]
    attention: bool
    typical: Floats

    def logit(self, vectors: Floats) -> Floats:
        """(n,) the log odds of (n, d) inputs."""
        held = vectors
        for weights, bias in self.layers[:-1]:
            held = np.maximum(held @ weights + bias, 0.0)
        weights, bias = self.layers[-1]
        return np.asarray((held @ weights)[:, 0] + bias[0])

    def vectors(self, inputs: Inputs, given: Arrays) -> Floats:
        """(n, d) float32, in the order of ``owner``: numbers, categories, the title, then each list and, of titles,
        how well it goes with this one."""
        count = len(given.numbers)
        table = self.tables[CATEGORIES]
        parts = [given.numbers, table[given.categories].reshape(count, given.categories.shape[1] * table.shape[1])]
        if inputs.media is not None:
            parts.append(self.tables[MEDIA][given.media])
        for name, of in inputs.lists.items():
            pooled = self._pooled(given.lists[name], of, parts[2] if of == MEDIA else None)
            parts.append(np.broadcast_to(pooled, (count, pooled.shape[1])))
            if of == MEDIA:
                parts.append(np.einsum("nd,nd->n", parts[2], parts[-1])[:, None])
        return np.hstack(parts).astype(np.float32, copy=False)

    def _pooled(self, codes: Codes, table: str, title: Floats | None) -> Floats:
        """(n or 1, w) the mean embedding of the list's known entries; 0 where there is none."""
        held, known = self.tables[table][codes], (codes > 0).astype(np.float32)
        if title is not None and self.attention:
            one = len(held) == 1
            asked = title @ held[0].T if one else np.einsum("nd,nld->nl", title, held)
            known = attended(asked / np.sqrt(title.shape[1]), known)
            return np.asarray(known @ held[0] if one else np.einsum("nl,nld->nd", known, held))
        share = known / np.maximum(known.sum(axis=1, keepdims=True), 1.0)
        return np.asarray(np.einsum("nl,nld->nd", share, held))

    def contributions(self, vectors: Floats) -> Floats:
        """(n, d) what each input adds to the log odds of the typical row: the sum is exact, up to rounding.

        Each ReLU passes on its output's difference to that of the typical row in proportion to its input's.
        """
        before, start = self._before(vectors), self._before(self.typical[None, :])
        passed = np.broadcast_to(self.layers[-1][0][:, 0], before[-1].shape)
        for place in range(len(self.layers) - 2, -1, -1):
            moved = before[place] - start[place]
            risen = np.maximum(before[place], 0) - np.maximum(start[place], 0)
            slope = (before[place] > 0).astype(np.float32)
            np.divide(risen, moved, out=slope, where=np.abs(moved) > NEGLIGIBLE)
            passed = (passed * slope) @ self.layers[place][0].T
        return np.asarray(passed * (vectors - self.typical))

    def _before(self, vectors: Floats) -> list[Floats]:
        """What comes into each ReLU."""
        found: list[Floats] = []
        held = vectors
        for weights, bias in self.layers[:-1]:
            found.append(held @ weights + bias)
            held = np.maximum(found[-1], 0.0)
        return found


def attended(asked: Floats, known: Floats) -> Floats:
    """(n, w) the share of each known entry by softmax; all 0 where none is known."""
    if not asked.shape[1]:
        return asked
    raised = np.exp(asked - asked.max(axis=1, keepdims=True)) * known
    return np.asarray(raised / np.maximum(raised.sum(axis=1, keepdims=True), 1e-30))


def owner(inputs: Inputs, network: Network) -> npt.NDArray[np.int64]:
    """(d,) the place in ``inputs.names`` of the feature that each input was made from."""
    numeric = np.array(inputs.numeric, dtype=np.int64)
    wide = {name: table.shape[1] for name, table in network.tables.items()}
    found = [
        numeric,
        numeric[inputs.flagged],
        np.repeat(np.array(inputs.categorical, dtype=np.int64), wide[CATEGORIES]),
    ]
    place = len(inputs.encoder.names)
    if inputs.media is not None:
        found.append(np.full(wide[MEDIA], place))
        place += 1
    for table in inputs.lists.values():
        found.append(np.full(wide[table] + (table == MEDIA), place))
        place += 1
    return np.concatenate(found)
