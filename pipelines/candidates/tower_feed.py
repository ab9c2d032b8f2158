"""C3 Batches of the towers: examples drawn by their chance, and put together where the model is.

Every engaged watch is an example: its media is the target, and what the member watched before it the history. The
other targets of the batch are the negatives, except the member's own.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pipelines.candidates.tower_examples import Examples
from pipelines.candidates.tower_model import Batch
from pipelines.core.contracts import Floats

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Dropped:
    """Shares that a batch does without, so that answers without them are learnt too."""

    id: float
    word: float
    watch: float
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
        shares = np.minimum(e.shares(), 1 - 1e-9)
        arrays = {
            "media": e.media,
            "begin": e.begin,
            "member": e.member,
            "weight": e.weight,
            # The chance that at least one of the batch's draws is the media.
            "inclusion": np.log(-np.expm1(self.batch * np.log1p(-shares)) + 1e-30).astype(np.float32),
            "popular": e.popularity(),
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
        own = before >= h["begin"][rows, None]
        there = own & self._kept((len(rows), 1), self.dropped.history) & self._kept(own.shape, self.dropped.watch)
        history, target = h["media"][before.clamp_min(0)], h["media"][rows]
        touched, place = distinct(len(self.examples.media_words.codes), target, history[own])
        watched = torch.where(own, place[history], 0)
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
            popular=h["popular"][touched[targets]],
            column=column[place[target]],
            own=self._own(watched, own, targets, column, place[target]),
            weight=h["weight"][rows],
            members=members,
            member=None if member is None else member[h["member"][rows]],
        )

    def _own(self, watched: "Tensor", own: "Tensor", targets: "Tensor", column: "Tensor", target: "Tensor") -> "Tensor":
        """(b, c) true where the column's media is of the example's own history: no negative, however it got there."""
        import torch

        asked = torch.zeros(len(column), dtype=torch.bool, device=self.device)
        asked[targets] = True
        marked = torch.where(own & asked[watched], column[watched], len(targets))
        found = torch.zeros(len(watched), len(targets) + 1, dtype=torch.bool, device=self.device)
        found.scatter_(1, marked, True)
        return found[:, :-1].scatter_(1, column[target][:, None], False)

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
