"""Examples a second of the two towers' lazy step, beside plain dense Adam over everything: same model, same batches.

``python benchmarks/two_tower.py [--members N] [--media N] [--fused]``: towers with a table of member ids, batches of
1,024, in one process, the two sides in turn. Plain is an embedding look-up with dense gradients, ``backward`` and
torch.optim.Adam over all tables and weights (``--fused``: with torch's fused kernel); ours is tower_training.step. Both
put their batches together by the same code, within the time measured. Each figure is the median of five rounds. The
exit status is 1 where the bar is missed. Where torch sees a GPU both sides run there, and the share is printed that
our step reaches of the time that its bytes would take at the bandwidth of a plain copy.

On one of 2 cores, shared with other work, ``OMP_NUM_THREADS=1 python benchmarks/two_tower.py`` printed:

    1,000,000 members, 100,000 media, dim 64, batch 1,024, CPU, 1 threads; medians of 5
    side         ms/step   examples/s
    lazy rows       30.8       33,265
    dense Adam     660.7        1,550
    torch sees no GPU: the share of a GPU's memory bandwidth was not measured
    bar: two towers: examples/s to dense Adam | 21.5 | at least 5 | met
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch.nn.functional import embedding

from pipelines.candidates import tower_training
from pipelines.candidates.tower_examples import Examples
from pipelines.candidates.tower_feed import Dropped, Feed
from pipelines.candidates.tower_inputs import Bags
from pipelines.candidates.tower_model import Batch, Sizes, Towers, start

BATCH, DIM, HISTORY, WATCHES, WORDS, VOCABULARY = 1024, 64, 50, 20, 4, 1000
ROUNDS, SEED, TEMPERATURE, RATE = 5, 7, 0.08, 0.002
Step = Callable[[Batch], torch.Tensor]
COPIED = 2**28
"""Bytes of the plain copy: more than any cache holds."""


def examples(members: int, media: int) -> Examples:
    """WATCHES a member, of media as popular as Zipf says; WORDS each of members and media."""
    rng = np.random.default_rng(SEED)
    popular = 1 / np.arange(1, media + 1)
    n = members * WATCHES
    member = np.repeat(np.arange(members), WATCHES)

    def bags(rows: int, width: int) -> Bags:
        weight = np.ones((rows, width), dtype=np.float32)
        return Bags(rng.integers(1, VOCABULARY + 1, (rows, width)), weight)

    return Examples(
        media=np.searchsorted(np.cumsum(popular) / popular.sum(), rng.random(n)).clip(0, media - 1),
        begin=member * WATCHES,
        since=np.arange(n),
        until=np.arange(1, n + 1),
        member=member,
        chance=np.full(n, 1 / n),
        weight=np.ones(n, dtype=np.float32),
        media_words=bags(media, WORDS),
        member_words=bags(members, WORDS),
        device_words=bags(n, 0),
        length_words=np.ones(HISTORY + 1, dtype=np.int64),
        vocabulary=np.arange(VOCABULARY).astype(str),
    )


def towers(members: int, media: int, device: str) -> Towers:
    """Fresh ones, with a row for every member and every media."""
    sizes = Sizes(media, VOCABULARY, VOCABULARY, DIM, DIM, members)
    return start(sizes, TEMPERATURE, SEED, device)


def lazy(model: Towers) -> Step:
    """Ours."""
    dense = torch.optim.Adam(model.dense.values(), RATE)
    return lambda batch: tower_training.step(model, batch, dense, RATE)


def plain(model: Towers, fused: bool) -> Step:
    """The loop that one writes first: every row has a gradient and takes a step."""
    assert model.members is not None
    tables = [model.media.rows.requires_grad_(), model.members.rows.requires_grad_()]
    adam = torch.optim.Adam([*tables, *model.dense.values()], RATE, fused=fused or None)

    def step(batch: Batch) -> torch.Tensor:
        adam.zero_grad()
        assert batch.members is not None
        rows = [embedding(t, table) for t, table in zip((batch.touched, batch.members), tables, strict=True)]
        loss = model.loss(batch, *rows)
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        return loss.detach()

    return step


def wait(device: str) -> None:
    """Until the device has done what it was asked."""
    if device == "cuda":
        torch.cuda.synchronize()


def seconds_a_step(step: Step, feed: Feed, rows: Iterator[torch.Tensor], steps: int) -> float:
    """Mean over so many steps, their batches included."""
    wait(feed.device)
    began = time.perf_counter()
    for _ in range(steps):
        loss = step(feed.batch_of(next(rows)))
    assert torch.isfinite(loss)
    wait(feed.device)
    return (time.perf_counter() - began) / steps


def moved(batch: Batch) -> int:
    """Bytes that a step cannot avoid moving, all of 4: of each touched row its value, gradient and two moments, read
    and written; of each watch in a history its row, read forward and written backward; and the logits twice each way.
    """
    assert batch.members is not None
    rows = 8 * DIM * (len(batch.touched) + len(batch.members))
    pooled = 2 * DIM * int((batch.history_weight > 0).sum())
    return 4 * (rows + pooled + 4 * len(batch.column) * len(batch.targets))


def copy_bandwidth(device: str) -> float:
    """Bytes a second, read and written, of a plain copy; the median of five."""
    source = torch.zeros(COPIED // 4, device=device)
    into, taken = torch.empty_like(source), []
    for _ in range(ROUNDS + 1):
        wait(device)
        began = time.perf_counter()
        into.copy_(source)
        wait(device)
        taken.append(time.perf_counter() - began)
    return 2 * COPIED / statistics.median(taken[1:])


def main(members: int, media: int, fused: bool, faster: float) -> int:
    """Print a line a side, the share of the bandwidth, and the bar; 1 where it is missed."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    feed = Feed(
        examples(members, media),
        np.ones(HISTORY, np.float32),
        Dropped(0.1, 0.1, 0.2, 0.05),
        BATCH,
        SEED,
        device,
        members,
    )
    ours = lazy(towers(members, media, device))
    theirs = plain(towers(members, media, device), fused)
    sides = {"lazy rows": (ours, 40), "dense Adam": (theirs, 8)}
    rows = feed.positions((ROUNDS + 1) * sum(steps for _, steps in sides.values()) + 1)
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS + 1):
        for name, (step, steps) in sides.items():
            taken[name].append(seconds_a_step(step, feed, rows, steps))
    # The first round warms up.
    median = {name: statistics.median(times[1:]) for name, times in taken.items()}
    where = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    print(f"{members:,} members, {media:,} media, dim {DIM}, batch {BATCH:,}, {where}; medians of {ROUNDS}")
    print("side         ms/step   examples/s")
    for name, seconds in median.items():
        print(f"{name:<10} {1000 * seconds:>9.1f} {BATCH / seconds:>12,.0f}")
    told(device, moved(feed.batch_of(next(rows))), median["lazy rows"])
    ratio = median["dense Adam"] / median["lazy rows"]
    met = ratio >= faster
    against = "fused dense Adam" if fused else "dense Adam"
    print(
        f"bar: two towers: examples/s to {against} | {ratio:.1f} | at least {faster:g} | {'met' if met else 'missed'}"
    )
    return 0 if met else 1


def told(device: str, size: int, seconds: float) -> None:
    """The line on bandwidth."""
    if device == "cpu":
        print("torch sees no GPU: the share of a GPU's memory bandwidth was not measured")
        return
    limit = copy_bandwidth(device)
    share = size / seconds / limit
    print(f"{size / 2**20:.1f} MiB a step, copies at {limit / 1e9:,.0f} GB/s: {share:.1%} of the bandwidth's limit")


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--members", type=int, default=1_000_000)
    asked.add_argument("--media", type=int, default=100_000)
    asked.add_argument("--fused", action="store_true", help="torch's fused Adam on the dense side")
    asked.add_argument("--faster", type=float, default=5.0, help="times the dense side's examples a second, at least")
    sys.exit(main(**vars(asked.parse_args())))
