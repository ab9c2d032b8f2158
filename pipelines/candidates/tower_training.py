"""C3 Training the towers: steps on batches of watches, on a CPU, a GPU or several of either; and what is kept of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from pipelines.candidates import tower_parallel
from pipelines.candidates.tower_examples import Examples
from pipelines.candidates.tower_feed import Dropped, Feed
from pipelines.candidates.tower_model import Batch, Shared, Sizes, Table, Towers, bag, start
from pipelines.core.contracts import Floats

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

    from pipelines.candidates.two_tower import TwoTower

BLOCK = 65_536
"""Media whose vectors are computed at once."""


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
            dropped = Dropped(config.drop_id, config.drop_word, config.drop_watch, config.drop_history)
            feed = Feed(examples, decay, dropped, each, seed, device, place=place)
            train(towers, feed, steps, (config.table_rate, config.dense_rate))
        return exported(towers, examples)


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


def exported(towers: Towers, examples: Examples) -> dict[str, Floats]:
    """The dense parameters by name, and of each media ``watched``, (size, d), what a history pools, and ``vectors``.

    vectors: (size, d + 1), whose product with a member's unit vector and 1 is the log odds. A media that nobody watched
    has its words alone in both: its id was never trained.
    """
    import torch

    words, popularity = examples.media_words, examples.popularity()
    trained = np.isin(np.arange(len(popularity)), examples.media).astype(np.float32)
    watched, vectors = [], []
    device = towers.media.rows.device
    with torch.no_grad():
        for begin in range(0, len(trained), BLOCK):
            rows = slice(begin, begin + BLOCK)
            codes, weight, kept, popular = (
                torch.from_numpy(a[rows]).to(device) for a in (words.codes, words.weight, trained, popularity)
            )
            inputs = towers.media.rows[rows] * kept[:, None] + bag(towers.dense["media_words"], codes, weight)
            prior = towers.dense["popular"] * popular
            watched.append(inputs.cpu().numpy())
            vectors.append(torch.cat([towers.medium(inputs) / towers.temperature, prior[:, None]], 1).cpu().numpy())
    dense = {name: weight.detach().cpu().numpy() for name, weight in towers.dense.items()}
    return dense | {"watched": np.concatenate(watched), "vectors": np.concatenate(vectors)}
