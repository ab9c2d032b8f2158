"""C3 The two towers in torch: their parameters, the vectors they give, the loss of a batch, and a step on it.

Embedding tables are stepped lazily: a batch's rows are gathered, differentiated and stepped alone, so that a step costs
what the batch touches, however many members and media there are. Their optimiser is Adam with moments that rest while
their row is not touched (SparseAdam); the few dense parameters have the plain one.

Source: Yi et al., Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations, RecSys 2019.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipelines.core.contracts import Floats

if TYPE_CHECKING:
    from torch import Tensor

BETAS, EPSILON = (0.9, 0.999), 1e-8
"""Adam's own."""

Shared = Callable[["Tensor", "Tensor"], tuple["Tensor", "Tensor"]]
"""(touched rows, their gradient) of this process -> those of all processes together."""


@dataclass
class Table:
    """An embedding table and the moments of its rows, all (n, d)."""

    rows: "Tensor"
    mean: "Tensor"
    square: "Tensor"
    steps: int = 0

    @classmethod
    def of(cls, start: Floats, device: str) -> "Table":
        import torch

        rows = torch.from_numpy(start).to(device)
        return cls(rows, torch.zeros_like(rows), torch.zeros_like(rows))

    def step(self, touched: "Tensor", gradient: "Tensor", rate: float) -> None:
        """Adam on the distinct rows ``touched``, (t,), by their gradient, (t, d)."""
        self.steps += 1
        mean = self.mean[touched].lerp_(gradient, 1 - BETAS[0])
        square = self.square[touched].lerp_(gradient.square(), 1 - BETAS[1])
        self.mean[touched], self.square[touched] = mean, square
        mean, square = mean / (1 - BETAS[0] ** self.steps), square / (1 - BETAS[1] ** self.steps)
        self.rows.index_add_(0, touched, mean / (square.sqrt() + EPSILON), alpha=-rate)


@dataclass(frozen=True)
class Batch:
    """b examples; t media that they touch; c distinct targets among those.

    touched: (t,) media codes. kept: (t, 1) 0 where the id is dropped. words, word_weight: (t, w) of the touched media.
    history: (b, l) places in ``touched``; history_weight: (b, l), 0 where there is none, sums to 1 or to 0.
    about, about_weight: (b, v) words of the member and the request.
    targets: (c,) places in ``touched``; inclusion: (c,) log of the chance that a batch holds the target; popular: (c,)
    log of its share of the draws, less the mean of that.
    column: (b,) each example's place in ``targets``. own: (b, c) true where the target is the member's own, not asked.
    weight: (b,) how much an example counts.
    members: (m,) touched rows of the member table, and member: (b,) places in it; None without such a table.
    """

    touched: "Tensor"
    kept: "Tensor"
    words: "Tensor"
    word_weight: "Tensor"
    history: "Tensor"
    history_weight: "Tensor"
    about: "Tensor"
    about_weight: "Tensor"
    targets: "Tensor"
    inclusion: "Tensor"
    popular: "Tensor"
    column: "Tensor"
    own: "Tensor"
    weight: "Tensor"
    members: "Tensor | None" = None
    member: "Tensor | None" = None


@dataclass
class Towers:
    """media: (size, d) by id. members: (n, h) by id, or None. dense: the small weights by name.

    The log odds of a media are the cosine of its vector and the member's over ``temperature``, and its popularity. So
    the vectors need not hold what all members share, which cosines could not tell apart.
    """

    media: Table
    members: Table | None
    dense: "dict[str, Tensor]"
    temperature: float

    def loss(self, batch: Batch, media: "Tensor", members: "Tensor | None" = None) -> "Tensor":
        """Cross entropy among the batch's targets, each corrected by how likely it was to be there.

        media: (t, d) and members: (m, h), the rows of the tables that the batch touches.
        """
        from torch.nn.functional import cross_entropy

        inputs = media * batch.kept + bag(self.dense["media_words"], batch.words, batch.word_weight)
        pooled = bag(inputs, batch.history, batch.history_weight)
        hidden = bag(self.dense["member_words"], batch.about, batch.about_weight)
        if members is not None and batch.member is not None:
            hidden = hidden + members[batch.member]
        logits = self.member(pooled, hidden) @ self.medium(inputs[batch.targets]).T / self.temperature
        prior = self.dense["popular"] * batch.popular * batch.kept[batch.targets, 0]
        logits = (logits + prior - batch.inclusion).masked_fill(batch.own, -1e9)
        losses = cross_entropy(logits, batch.column, reduction="none")
        return (losses * batch.weight).sum() / batch.weight.sum()

    def member(self, pooled: "Tensor", about: "Tensor") -> "Tensor":
        """(b, d) unit vectors of pooled histories, (b, d), and the sum of the words' rows, (b, h)."""
        import torch

        d = self.dense
        hidden = torch.relu(pooled @ d["member_in"] + about + d["member_bias"])
        return torch.nn.functional.normalize(pooled * d["member_skip"] + hidden @ d["member_out"] + d["member_end"])

    def medium(self, inputs: "Tensor") -> "Tensor":
        """(c, d) unit vectors of media whose ids and words sum to ``inputs``, (c, d)."""
        import torch

        d = self.dense
        hidden = torch.relu(inputs @ d["media_in"] + d["media_bias"])
        return torch.nn.functional.normalize(inputs + hidden @ d["media_out"])


def bag(table: "Tensor", codes: "Tensor", weight: "Tensor") -> "Tensor":
    """(n, d) weighted sums of the rows ``codes``, (n, w), of a table; zeros where there are none."""
    from torch.nn.functional import embedding_bag

    if not codes.shape[1]:
        return table.new_zeros(len(codes), table.shape[1])
    return embedding_bag(codes, table, per_sample_weights=weight, mode="sum")


@dataclass(frozen=True)
class Sizes:
    """How large the parameters are. members is 0 for towers without a table of member ids."""

    media: int
    media_words: int
    member_words: int
    dim: int
    hidden: int
    members: int = 0


def start(sizes: Sizes, temperature: float, seed: int, device: str) -> Towers:
    """Towers as they are before the first step: small random numbers, and passages that add little to begin with."""
    import torch

    rng = np.random.default_rng(seed)

    def drawn(*shape: int, scale: float) -> Floats:
        return rng.standard_normal(shape, dtype=np.float32) * np.float32(scale)

    d, h = sizes.dim, sizes.hidden
    dense = {
        "media_words": drawn(sizes.media_words + 1, d, scale=0.05),
        "member_words": drawn(sizes.member_words + 1, h, scale=0.1),
        "media_in": drawn(d, h, scale=d**-0.5),
        "media_bias": np.zeros(h, np.float32),
        "popular": np.ones(1, np.float32),
        "media_out": drawn(h, d, scale=0.3 * h**-0.5),
        "member_in": drawn(d, h, scale=d**-0.5),
        "member_bias": np.zeros(h, np.float32),
        "member_skip": np.ones(1, np.float32),
        "member_out": drawn(h, d, scale=0.3 * h**-0.5),
        "member_end": np.zeros(d, np.float32),
    }
    media = Table.of(drawn(sizes.media, d, scale=0.05), device)
    members = Table.of(drawn(sizes.members, h, scale=0.05), device) if sizes.members else None
    weights = {name: torch.from_numpy(value).to(device).requires_grad_() for name, value in dense.items()}
    return Towers(media, members, weights, temperature)
