"""How the deep ranker's network learns, by PyTorch on one core: the same rows and seed give the same network."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.core.contracts import Floats
from pipelines.core.errors import SettingsError
from pipelines.ranking.network import CATEGORIES, Network
from pipelines.ranking.network_inputs import MEDIA, TERMS, Arrays, Inputs

if TYPE_CHECKING:
    from pipelines.ranking.deep import Deep

Tensors = dict[str, Any]
LEAST_STEPS = 20
"""Steps of an epoch: few rows are cut into smaller batches, or they would teach nothing before they are read out."""


def torch() -> Any:
    """PyTorch; SettingsError says how to get it."""
    try:
        import torch as found
    except ImportError as exc:
        raise SettingsError("ranker 'deep' is fitted by torch, which is not installed: install marquee[deep]") from exc
    return found


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums on several threads come in any order."""
    before = torch().get_num_threads()
    torch().set_num_threads(1)
    try:
        yield
    finally:
        torch().set_num_threads(before)


@dataclass(frozen=True)
class Batches:
    """The training rows as tensors, and what is asked of them."""

    given: Tensors
    label: Any
    weight: Any

    @classmethod
    def of(cls, given: Arrays, label: Floats, weight: Floats) -> "Batches":
        lists = {f"list {name}": codes for name, codes in given.lists.items()}
        arrays = {"numbers": given.numbers, "categories": given.categories, "media": given.media, **lists}
        even = np.asarray(weight, dtype=np.float32) / np.float32(np.mean(weight))
        told = np.asarray(label, dtype=np.float32)
        as_tensors = {name: torch().from_numpy(np.ascontiguousarray(values)) for name, values in arrays.items()}
        return cls(as_tensors, torch().from_numpy(told), torch().from_numpy(even))

    def __len__(self) -> int:
        return len(self.label)

    def rows(self, part: Any) -> "Batches":
        return Batches({n: values[part] for n, values in self.given.items()}, self.label[part], self.weight[part])


def initial(config: "Deep", inputs: Inputs, seed: int) -> dict[str, Floats]:
    """Embeddings and layers before the first step (He et al., 2015), by name."""
    rng = np.random.default_rng(seed)
    sizes = {CATEGORIES: (int(inputs.begins[-1]), config.category_size)}
    sizes |= {
        table: (len(inputs.words[table]) + 1, config.media_size if table == MEDIA else config.term_size)
        for table in (MEDIA, TERMS)
        if table in inputs.words
    }
    found = {name: rng.normal(0, 0.05, size).astype(np.float32) for name, size in sizes.items()}
    listed = sum(sizes[table][1] + (table == MEDIA) for table in inputs.lists.values())
    plain = len(inputs.numeric) + int(inputs.flagged.sum()) + len(inputs.categorical) * config.category_size
    width = plain + listed + (sizes[MEDIA][1] if inputs.media is not None else 0)
    for number, size in enumerate((*config.layers, 1)):
        spread = np.sqrt(2.0 / width) if size > 1 else 0.01
        found[f"weights {number}"] = rng.normal(0, spread, (width, size)).astype(np.float32)
        found[f"bias {number}"] = np.zeros(size, dtype=np.float32)
        width = size
    return found


def forward(held: Tensors, batch: Tensors, inputs: Inputs, config: "Deep", keep: Any = None) -> Any:
    """(n,) log odds, as ``Network`` computes them; ``keep`` drops hidden units while learning."""
    from torch.nn import functional

    parts = [batch["numbers"], functional.embedding(batch["categories"], held[CATEGORIES]).flatten(1)]
    if inputs.media is not None:
        parts.append(functional.embedding(batch["media"], held[MEDIA]))
    for name, table in inputs.lists.items():
        title = parts[2] if table == MEDIA else None
        pooled = _pooled(batch[f"list {name}"], held[table], title if config.pooling == "attention" else None)
        parts.append(pooled)
        if title is not None:
            parts.append((title * pooled).sum(1, keepdim=True))
    hidden = torch().cat(parts, 1)
    for number in range(len(config.layers)):
        hidden = torch().relu(hidden @ held[f"weights {number}"] + held[f"bias {number}"])
        hidden = hidden if keep is None else keep(hidden)
    last = len(config.layers)
    return (hidden @ held[f"weights {last}"] + held[f"bias {last}"])[:, 0]


def _pooled(codes: Any, table: Any, title: Any) -> Any:
    from torch.nn import functional

    if not codes.shape[1]:
        return table.new_zeros((len(codes), table.shape[1]))
    if title is None:
        return functional.embedding_bag(codes, table, mode="mean", padding_idx=0)
    held = functional.embedding(codes, table)
    asked = (held @ title[:, :, None])[:, :, 0] / title.shape[1] ** 0.5
    raised = torch().exp(asked - asked.max(1, keepdim=True).values) * (codes > 0)
    return ((raised / raised.sum(1, keepdim=True).clamp_min(1e-30))[:, None, :] @ held)[:, 0]


def train(config: "Deep", inputs: Inputs, given: Arrays, label: Floats, weight: Floats, seed: int) -> Network:
    """Learn until the latest rows gain no more, then from all rows for as many epochs."""
    with one_thread():
        rows = Batches.of(given, label, weight)
        cut = len(rows) - max(1, int(len(rows) * config.validation_share))
        tail = rows.rows(slice(cut, None))
        told = 0 < float(tail.label.mean()) < 1 and 0 < float(rows.label[:cut].mean()) < 1
        epochs = _best(config, inputs, rows.rows(slice(0, cut)), tail, seed) if told else config.least_epochs
        held = initial(config, inputs, seed)
        for arrays in _epochs(config, inputs, rows, seed, epochs):
            held = arrays
        return _network(config, inputs, held, given)


def _best(config: "Deep", inputs: Inputs, rows: Batches, tail: Batches, seed: int) -> int:
    """The number of epochs after which the loss on ``tail`` is least, as far as ``patience`` looks."""
    losses: list[float] = []
    for held in _epochs(config, inputs, rows, seed, config.epochs):
        losses.append(_loss(config, inputs, held, tail))
        if len(losses) - 1 - int(np.argmin(losses)) >= config.patience:
            break
    return int(np.argmin(losses)) + 1


def _loss(config: "Deep", inputs: Inputs, held: Mapping[str, Floats], tail: Batches) -> float:
    from torch.nn import functional

    tensors = {name: torch().from_numpy(array) for name, array in held.items()}
    total = 0.0
    with torch().no_grad():
        for begin in range(0, len(tail), 8192):
            part = tail.rows(slice(begin, begin + 8192))
            odds = forward(tensors, part.given, inputs, config)
            found = functional.binary_cross_entropy_with_logits(odds, part.label, part.weight, reduction="sum")
            total += float(found)
    return total / len(tail)


def _epochs(config: "Deep", inputs: Inputs, rows: Batches, seed: int, number: int) -> Iterator[dict[str, Floats]]:
    """The network's arrays after each epoch."""
    from torch.nn import functional

    held = {name: torch().from_numpy(a).requires_grad_() for name, a in initial(config, inputs, seed).items()}
    step = torch().optim.AdamW(list(held.values()), lr=config.learning_rate, weight_decay=config.weight_decay)
    chance = torch().Generator().manual_seed(seed)

    def keep(hidden: Any) -> Any:
        drawn = torch().rand(hidden.shape, generator=chance) >= config.dropout
        return hidden * drawn / (1 - config.dropout)

    for _ in range(number):
        order = torch().randperm(len(rows), generator=chance)
        for places in order.split(min(config.batch, max(1, len(rows) // LEAST_STEPS))):
            part = rows.rows(places)
            odds = forward(held, part.given, inputs, config, keep if config.dropout else None)
            loss = functional.binary_cross_entropy_with_logits(odds, part.label, part.weight)
            step.zero_grad(set_to_none=True)
            torch().autograd.backward(loss)
            step.step()
        yield {name: tensor.detach().numpy().copy() for name, tensor in held.items()}


def _network(config: "Deep", inputs: Inputs, held: Mapping[str, Floats], given: Arrays) -> Network:
    """The arrays as a network, with the mean of its inputs over the rows."""
    tables = {name: held[name] for name in (CATEGORIES, MEDIA, TERMS) if name in held}
    numbers = range(len(config.layers) + 1)
    layers = tuple((held[f"weights {number}"], held[f"bias {number}"]) for number in numbers)
    network = Network(tables, layers, config.pooling == "attention", np.zeros(len(layers[0][0]), np.float32))
    step = max(1, len(given.numbers) // 20_000)
    lists = {name: codes[::step] for name, codes in given.lists.items()}
    some = Arrays(given.numbers[::step], given.categories[::step], given.media[::step], lists)
    typical = network.vectors(inputs, some).mean(axis=0, dtype=np.float64).astype(np.float32)
    return Network(tables, layers, network.attention, typical)
