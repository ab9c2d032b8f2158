"""R4 A deep network of sparse and dense features: what a member watched and searched for as averaged embeddings.

It is fitted by PyTorch and served by NumPy. Source: Covington, Adams and Sargin, Deep Neural Networks for YouTube
Recommendations, RecSys 2016; attention over the history: Zhou et al., Deep Interest Network, KDD 2018.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from scipy.special import expit

from pipelines.core.contracts import Features, Floats, Groups, Space, Span
from pipelines.ranking import network_inputs
from pipelines.ranking.calibration import Calibrated, Calibration
from pipelines.ranking.classes import require_both
from pipelines.ranking.encoding import Encoder
from pipelines.ranking.explanation import explained
from pipelines.ranking.method import Method
from pipelines.ranking.network import Network, owner
from pipelines.ranking.network_inputs import Inputs

MEDIA_ID = "media_id"
HISTORIES, TERMS = ("user_history", "user_recent_media"), ("user_search_terms",)
AT_ONCE = 1 << 14


@dataclass(frozen=True)
class FittedDeep(Calibrated):
    """The network, and what makes its inputs and its probabilities."""

    inputs: Inputs
    network: Network

    @property
    def feature_names(self) -> tuple[str, ...]:
        return self.inputs.asked

    @cached_property
    def _owner(self) -> npt.NDArray[np.int64]:
        return owner(self.inputs, self.network)

    def encode(self, features: Features) -> dict[str, Floats]:
        return self.inputs.encode(features)

    def probability(self, features: Features) -> Floats:
        count = len(next(iter(features.values())))
        if count <= AT_ONCE:
            return self.calibration(expit(self.network.logit(self._vectors(features)).astype(np.float64)))
        parts = [slice(begin, begin + AT_ONCE) for begin in range(0, count, AT_ONCE)]
        return np.concatenate([self.probability({n: v[part] for n, v in features.items()}) for part in parts])

    def _vectors(self, features: Features) -> Floats:
        return self.network.vectors(self.inputs, self.inputs.arrays(features))

    def fixing(self, values: Mapping[str, float]) -> Self:
        return replace(self, inputs=replace(self.inputs, encoder=replace(self.inputs.encoder, fixed=values)))

    def explain(self, features: Features) -> list[dict[str, float]]:
        """DeepLIFT's contributions against the mean row of training, exact in their sum, a feature's inputs added up;
        what a history says of a title is the history's."""
        vectors = self._vectors(features)
        added = np.zeros((len(vectors), len(self.inputs.names)))
        np.add.at(added.T, self._owner, self.network.contributions(vectors).T)
        return explained(self.inputs.names, added, self.calibration.slope)

    def save(self, folder: Path) -> None:
        given, held = self.inputs, self.network
        stored = {
            "encoder": given.encoder.as_json(),
            "calibration": asdict(self.calibration),
            "words": {table: list(words) for table, words in given.words.items()},
            "lists": dict(given.lists),
            "media": given.media,
            "longest": given.longest,
            "attention": held.attention,
            "layers": len(held.layers),
        }
        (folder / "deep.json").write_text(json.dumps(stored), encoding="utf-8")
        arrays: dict[str, Any] = {f"table {name}": table for name, table in held.tables.items()}
        for number, (weights, bias) in enumerate(held.layers):
            arrays |= {f"weights {number}": weights, f"bias {number}": bias}
        arrays |= {"centre": given.centre, "scale": given.scale, "flagged": given.flagged, "typical": held.typical}
        np.savez(folder / "deep.npz", **arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        stored = json.loads((folder / "deep.json").read_text(encoding="utf-8"))
        with np.load(folder / "deep.npz", allow_pickle=False) as file:
            arrays = dict(file)
        tables = {name.removeprefix("table "): a for name, a in arrays.items() if name.startswith("table ")}
        layers = tuple((arrays[f"weights {n}"], arrays[f"bias {n}"]) for n in range(stored["layers"]))
        inputs = Inputs(
            encoder=Encoder.from_json(stored["encoder"]),
            words={table: tuple(words) for table, words in stored["words"].items()},
            lists=stored["lists"],
            media=stored["media"],
            longest=stored["longest"],
            **{name: arrays[name] for name in ("centre", "scale", "flagged")},
        )
        network = Network(tables, layers, stored["attention"], arrays["typical"])
        return cls(inputs, network, calibration=Calibration(**stored["calibration"]))


class Deep(Method):
    """Sizes of embeddings and layers, and how the network learns."""

    READS: ClassVar[tuple[str, ...]] = (MEDIA_ID, *HISTORIES, *TERMS)
    SPACE: ClassVar[Space] = {
        "layers": ((64,), (128, 64), (256, 128), (256, 128, 64)),
        "media_size": Span(4, 32, log=True),
        "category_size": Span(2, 8),
        "pooling": ("mean", "attention"),
        "learning_rate": Span(0.0003, 0.01, log=True),
        "weight_decay": Span(0.0001, 0.1, log=True),
        "dropout": Span(0.0, 0.5),
    }

    layers: tuple[PositiveInt, ...] = Field(default=(128, 64), min_length=1)
    category_size: PositiveInt = 4
    media_size: PositiveInt = 16
    term_size: PositiveInt = 8
    pooling: Literal["mean", "attention"] = "mean"
    """How watched titles are pooled: all alike, or by how near each is to the title that is asked about."""
    longest: PositiveInt = 50
    """The most of a list that is read, its last."""
    learning_rate: PositiveFloat = 0.001
    weight_decay: NonNegativeFloat = 0.01
    dropout: float = Field(default=0.2, ge=0, lt=1)
    batch: PositiveInt = 1024
    epochs: PositiveInt = 20
    least_epochs: PositiveInt = 4
    """How many where the latest rows cannot say, because they are of one class."""
    patience: PositiveInt = 2
    validation_share: float = Field(default=0.1, gt=0, lt=1)
    """The share of the rows, the latest, that early stopping looks at."""
    min_category_count: PositiveInt = 20
    max_categories: PositiveInt = 200
    max_media: PositiveInt = 50_000

    def fit(self, features: Features, label: Floats, weight: Floats, groups: Groups, *, seed: int) -> FittedDeep:
        """SettingsError without torch. A media seen less than ``min_category_count`` times shares one embedding."""
        from pipelines.ranking.network_training import torch, train

        torch()
        require_both(label)
        inputs = network_inputs.learn(
            features,
            media=MEDIA_ID,
            histories=HISTORIES,
            terms=TERMS,
            longest=self.longest,
            min_count=self.min_category_count,
            max_categories=self.max_categories,
            max_media=self.max_media,
        )
        network = train(self, inputs, inputs.arrays(features), label, weight, seed)
        return FittedDeep(inputs, network)
