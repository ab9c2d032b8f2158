"""C3 Several processes train the towers as one: each takes its share of a batch, and all take the same steps.

``torchrun --nproc-per-node 2 -m pipelines.candidates.tower_parallel --as-of 2022-04-28T00:00:00+08:00 --into FOLDER``
fits on the lake of MARQUEE_HOME, over gloo on CPUs and nccl on GPUs.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.core.errors import StackError

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def joined() -> Iterator[tuple[int, int]]:
    """(rank, processes), joined as torchrun says in the environment; (0, 1) where it says nothing."""
    import torch

    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield 0, 1
        return
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    torch.distributed.init_process_group("nccl" if cuda else "gloo")
    try:
        yield place()
    finally:
        torch.distributed.destroy_process_group()


def place() -> tuple[int, int]:
    """(rank, processes) of this one."""
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def average(gradients: "Sequence[Tensor]") -> None:
    """Put the mean over all processes in the place of each, in one message."""
    import torch

    together = torch.cat([gradient.reshape(-1) for gradient in gradients])
    torch.distributed.all_reduce(together)
    together /= torch.distributed.get_world_size()
    for gradient, mean in zip(gradients, torch.split(together, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def shared(touched: "Tensor", gradient: "Tensor") -> "tuple[Tensor, Tensor]":
    """The rows that any process touches, (u,), and the mean of their gradients, (u, d): the same in every process."""
    import torch

    world = torch.distributed.get_world_size()
    count = torch.tensor([len(touched)], device=touched.device)
    counts = [torch.empty_like(count) for _ in range(world)]
    torch.distributed.all_gather(counts, count)
    most = max(int(one) for one in counts)
    # Messages have one length: the shorter ones are filled up, and cut again where they arrive.
    codes, values = touched.new_zeros(most), gradient.new_zeros(most, gradient.shape[1])
    codes[: len(touched)], values[: len(touched)] = touched, gradient
    all_codes = [torch.empty_like(codes) for _ in range(world)]
    all_values = [torch.empty_like(values) for _ in range(world)]
    torch.distributed.all_gather(all_codes, codes)
    torch.distributed.all_gather(all_values, values)
    rows = torch.cat([one[: int(n)] for one, n in zip(all_codes, counts, strict=True)])
    found, place_of = torch.unique(rows, return_inverse=True)
    total = gradient.new_zeros(len(found), gradient.shape[1])
    total.index_add_(0, place_of, torch.cat([one[: int(n)] for one, n in zip(all_values, counts, strict=True)]))
    return found, total / world


def agree(digest: str) -> None:
    """Hold every process to the same digest of what it fitted; StackError where one differs."""
    from torch import distributed

    world = place()[1]
    if world == 1:
        return
    told: list[str | None] = [None] * world
    distributed.all_gather_object(told, digest)
    if len(set(told)) > 1:
        raise StackError(f"processes ended with different weights ({told}): run them on machines of one kind")


def main(as_of: datetime, into: Path, seed: int) -> None:
    """Fit on what the lake knew at ``as_of``; the first process saves."""
    from pipelines.candidates.interactions import interactions
    from pipelines.candidates.two_tower import TwoTower
    from pipelines.core import settings
    from pipelines.core.lake import Lake

    known = interactions(Lake(settings.load().lake_path), as_of)
    with joined() as (rank, world):
        fitted = TwoTower().fit(known, as_of=as_of, seed=seed)
        agree(fitted.fingerprint())
        if rank == 0:
            into.mkdir(parents=True, exist_ok=True)
            fitted.save(into)
        print(f"process {rank + 1} of {world}: {len(known.users)} engagements, weights {fitted.fingerprint()}")


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description="Fit the two-tower generator on the lake of MARQUEE_HOME.")
    asked.add_argument("--as-of", type=datetime.fromisoformat, required=True, help="with its offset from UTC")
    asked.add_argument("--into", type=Path, required=True)
    asked.add_argument("--seed", type=int, default=7)
    main(**vars(asked.parse_args()))
