"""C3 Training the towers: batches from watches in their order, and steps on them, on a CPU, a GPU or several of either.

Every engaged watch is an example: its media is the target, and what the member watched before it the history. The
other targets of the batch are the negatives, except the member's own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pipelines.candidates import tower_parallel
from pipelines.candidates.tower_examples import Examples
from pipelines.candidates.tower_inputs import Bags
from pipelines.candidates.tower_model import Batch, Shared, Sizes, Table, Towers, bag, start
from pipelines.core.contracts import Floats

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

    from pipelines.candidates.two_tower import TwoTower

BLOCK = 65_536
"""Media whose vectors are computed at once."""


@dataclass(frozen=True)
class Dropped:
    """Shares that a batch does without, so that answers without them are learnt too."""

    id: float
    word: float
    history: float


@dataclass
class Feed:
    """Batches of examples, put together where the model is.

    decay: (l,) the weight of the last watch of a history, the last but one, and so on. batch: examples a process.
    members: the size of the table of member ids, 0 where there is none. place: (rank, processes) of this one.
    """

    examples: Examples
    decay: Floats
    dropped: Dropped
    batch: int
    seed: int
    device: str
    members: int = 0
    place: tuple[int, int] = (0, 1)
    _held: "dict[str, Tensor]" = field(init=False)

    def __post_init__(self) -> None:
        import torch

        e = self.examples
        size = len(e.media_words.codes)
        each = np.minimum(np.bincount(e.media, e.chance, minlength=size), 1 - 1e-9)
        arrays = {
            "media": e.media,
            "begin": e.begin,
            "member": e.member,
            "weight": e.weight,
            # The chance that at least one of the batch's draws is the media.
            "inclusion": np.log(-np.expm1(self.batch * np.log1p(-each)) + 1e-30).astype(np.float32),
            "decay": self.decay,
            "lengths": e.length_words,
            **{
                f"{name}_{part}": getattr(getattr(e, name), part)
                for name in ("media_words", "member_words", "device_words")
                for part in ("codes", "weight")
            },
        }
        self._held = {name: torch.from_numpy(np.ascontiguousarray(a)).to(self.device) for name, a in arrays.items()}
        self._chance = torch.Generator(self.device).manual_seed(self.seed + self.place[0])

    def positions(self, steps: int) -> Iterator["Tensor"]:
        """Steps times the (b,) examples of this process: each as often as its chance says, shuffled.

        Systematic sampling: over all draws an example comes as often as expected, give or take one.
        """
        import torch

        rank, world = self.place
        rng = np.random.default_rng(self.seed)
        draws = steps * self.batch * world
        ends = np.cumsum(self.examples.chance)
        found = np.searchsorted(ends, (np.arange(draws) + rng.random()) / draws * ends[-1])
        found = rng.permutation(np.minimum(found, len(ends) - 1)).reshape(steps, world, self.batch)
        for row in found[:, rank]:
            yield torch.from_numpy(row).to(self.device)

    def batch_of(self, rows: "Tensor") -> Batch:
        """The batch of the examples ``rows``, (b,)."""
        import torch

        h = self._held
        before = rows[:, None] - 1 - torch.arange(len(self.decay), device=self.device)
        there = (before >= h["begin"][rows, None]) & self._kept((len(rows), 1), self.dropped.history)
        history, target = h["media"][before.clamp_min(0)], h["media"][rows]
        touched, place = distinct(len(self.examples.media_words.codes), target, history[there])
        watched = torch.where(there, place[history], 0)
        targets, column = distinct(len(touched), place[target])
        weight = h["decay"] * there * h["weight"][before.clamp_min(0)]
        about, about_weight = self._about(rows, there.sum(1))
        members, member = distinct(self.members, h["member"][rows]) if self.members else (None, None)
        return Batch(
            touched=touched,
            kept=self._kept((len(touched), 1), self.dropped.id).float(),
            words=h["media_words_codes"][touched],
            word_weight=h["media_words_weight"][touched],
            history=watched,
            history_weight=weight / weight.sum(1, keepdim=True).clamp_min(1e-9),
            about=about,
            about_weight=about_weight,
            targets=targets,
            inclusion=h["inclusion"][touched[targets]],
            column=column[place[target]],
            own=self._own(watched, there, targets, column, place[target]),
            weight=h["weight"][rows],
            members=members,
            member=None if member is None else member[h["member"][rows]],
        )

    def _own(
        self, watched: "Tensor", there: "Tensor", targets: "Tensor", column: "Tensor", target: "Tensor"
    ) -> "Tensor":
        """(b, c) true where the column's media is of the example's own history: no negative, however it got there."""
        import torch

        asked = torch.zeros(len(column), dtype=torch.bool, device=self.device)
        asked[targets] = True
        marked = torch.where(there & asked[watched], column[watched], len(targets))
        own = torch.zeros(len(watched), len(targets) + 1, dtype=torch.bool, device=self.device)
        own.scatter_(1, marked, True)
        return own[:, :-1].scatter_(1, column[target][:, None], False)

    def _about(self, rows: "Tensor", watched: "Tensor") -> "tuple[Tensor, Tensor]":
        """Codes and weights, (b, v), of what is known of who asks; the length of the history is never dropped."""
        import torch

        h = self._held
        member = h["member"][rows]
        length = h["lengths"][watched][:, None]
        codes = torch.cat([length, h["member_words_codes"][member], h["device_words_codes"][rows]], 1)
        said = torch.cat([h["member_words_weight"][member], h["device_words_weight"][rows]], 1)
        said = said * self._kept(said.shape, self.dropped.word)
        return codes, torch.cat([torch.ones_like(h["weight"][rows])[:, None], said], 1)

    def _kept(self, shape: "tuple[int, ...]", dropped: float) -> "Tensor":
        """Booleans, false for that share."""
        import torch

        return torch.rand(shape, generator=self._chance, device=self.device) >= dropped


def distinct(size: int, *codes: "Tensor") -> "tuple[Tensor, Tensor]":
    """The distinct ones of codes below ``size``, ascending, and (size,) the place of each among them.

    What is not among the codes has no place: whatever lies there means nothing.
    """
    import torch

    mark = torch.zeros(size, dtype=torch.bool, device=codes[0].device)
    for some in codes:
        mark[some] = True
    found = mark.nonzero()[:, 0]
    place = torch.empty(size, dtype=torch.int64, device=mark.device)
    place[found] = torch.arange(len(found), device=mark.device)
    return found, place


def step(towers: Towers, batch: Batch, dense: "Optimizer", rate: float, shared: Shared | None = None) -> "Tensor":
    """One step on the rows that the batch touches and on the dense parameters; the loss before it.

    ``shared`` joins the gradients of several processes; each then takes the same step.
    """
    import torch

    tables: list[tuple[Table, Tensor]] = [(towers.media, batch.touched)]
    if towers.members is not None and batch.members is not None:
        tables.append((towers.members, batch.members))
    rows = [table.rows[touched].requires_grad_() for table, touched in tables]
    loss = towers.loss(batch, *rows)
    weights = list(towers.dense.values())
    found = torch.autograd.grad(loss, [*weights, *rows], allow_unused=True, materialize_grads=True)
    if shared is not None:
        tower_parallel.average(found[: len(weights)])
    for weight, gradient in zip(weights, found, strict=False):
        weight.grad = gradient
    dense.step()
    for (table, touched), gradient in zip(tables, found[len(weights) :], strict=True):
        table.step(*(shared(touched, gradient) if shared else (touched, gradient)), rate)
    return loss.detach()


def fitted(config: "TwoTower", examples: Examples, decay: Floats, seed: int) -> dict[str, Floats]:
    """What ``exported`` gives of towers that were trained on the examples; of untrained ones where there are none."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    sizes = Sizes(
        media=len(examples.media_words.codes),
        media_words=int(examples.media_words.codes.max(initial=0)),
        member_words=len(examples.vocabulary),
        dim=config.dim,
        hidden=config.hidden,
    )
    place = tower_parallel.place()
    with threads(config.threads):
        towers = start(sizes, config.temperature, seed, device)
        if len(examples.media):
            each = -(-min(config.batch, len(examples.media)) // place[1])
            wanted = round(config.epochs * len(examples.media) / (each * place[1]))
            steps = min(max(wanted, config.least_steps), config.most_steps)
            dropped = Dropped(config.drop_id, config.drop_word, config.drop_history)
            feed = Feed(examples, decay, dropped, each, seed, device, place=place)
            train(towers, feed, steps, (config.table_rate, config.dense_rate))
        return exported(towers, examples.media_words, np.isin(np.arange(sizes.media), examples.media))


def train(towers: Towers, feed: Feed, steps: int, rates: tuple[float, float]) -> None:
    """So many steps, at rates of the tables and of the dense parameters that fall to 0 in a straight line.

    Where several processes have joined, all take the same steps.
    """
    import torch

    shared = tower_parallel.shared if feed.place[1] > 1 else None
    dense = torch.optim.Adam(towers.dense.values(), rates[1])
    for number, rows in enumerate(feed.positions(steps)):
        left = 1 - number / steps
        dense.param_groups[0]["lr"] = rates[1] * left
        step(towers, feed.batch_of(rows), dense, rates[0] * left, shared)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads of torch for as long as it lasts: its sums differ between runs with more than one."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def exported(towers: Towers, words: Bags, trained: Floats) -> dict[str, Floats]:
    """The dense parameters by name, and of each media ``watched``, what a history pools, and ``vectors``.

    trained: (size,) whether the media's id was ever trained; the others are what their words say.
    """
    import torch

    found: dict[str, list[Floats]] = {"watched": [], "vectors": []}
    device = towers.media.rows.device
    with torch.no_grad():
        for begin in range(0, len(trained), BLOCK):
            rows = slice(begin, begin + BLOCK)
            codes, weight, kept = (torch.from_numpy(a[rows]).to(device) for a in (words.codes, words.weight, trained))
            inputs = towers.media.rows[rows] * kept[:, None] + bag(towers.dense["media_words"], codes, weight)
            found["watched"].append(inputs.cpu().numpy())
            found["vectors"].append(towers.medium(inputs).cpu().numpy())
    dense = {name: weight.detach().cpu().numpy() for name, weight in towers.dense.items()}
    return dense | {name: np.concatenate(blocks) for name, blocks in found.items()}
