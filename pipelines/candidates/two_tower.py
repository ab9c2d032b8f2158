"""C3 Two towers: a network places media, another places who asks among them; what lies nearest is proposed.

Media are known by their id and their words (tower_inputs), members by what they watched and their words, never by their
id: whoever asks is answered from live history, and a media that nobody watched from its words. Training is torch
(tower_model, tower_training); what is fitted answers with numpy alone.

Source: Covington, Adams and Sargin, Deep Neural Networks for YouTube Recommendations, RecSys 2016; Yi et al.,
Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations, RecSys 2019.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from pipelines.candidates import tower_examples
from pipelines.candidates import tower_inputs as inputs
from pipelines.candidates.retrieval import Retrieval
from pipelines.candidates.top import codes_of, own_codes
from pipelines.core.config import Config
from pipelines.core.contracts import Codes, Floats, History, Ids, Interactions
from pipelines.core.errors import SettingsError

REFERENCES = 1000
"""Media that a score is compared with: enough for the mean over a catalogue, and cheap beside millions of media."""


def available() -> bool:
    """Whether torch is installed, without which nothing can be fitted; answering needs it never."""
    return find_spec("torch") is not None


@dataclass(frozen=True)
class FittedTwoTower:
    """Of each media of the catalogue, n of them: vectors, (n, d + 1), the last column its popularity; watched, (n, d),
    what a history pools; known, (n,), false where neither watches nor words say anything.

    vocabulary: (v,) member words. weights: the member tower by name (tower_model). decay: (l,) of the last watches.
    """

    catalogue: Ids
    vectors: Floats
    watched: Floats
    known: Floats
    vocabulary: Ids
    weights: dict[str, Floats] = field(repr=False)
    decay: Floats

    @cached_property
    def codes(self) -> dict[str, int]:
        return codes_of(self.catalogue)

    @cached_property
    def _word_codes(self) -> dict[str, int]:
        return inputs.codes_from_one(self.vocabulary)

    def member_vectors(self, histories: Sequence[History]) -> Floats:
        """(len(histories), d + 1), whose products with ``vectors`` are log odds. Each is made by itself: what a member
        gets depends on nobody else.
        """
        found = [self._member_vector(history) for history in histories]
        return np.array(found, dtype=np.float32).reshape(len(found), self.vectors.shape[1])

    def _member_vector(self, history: History) -> Floats:
        w = self.weights
        watched = [(self.codes[m], x) for m, x in zip(history.media, history.weight, strict=True) if m in self.codes]
        latest = watched[: -len(self.decay) - 1 : -1]
        pooled: Floats = np.zeros(self.watched.shape[1], dtype=np.float32)
        if latest:
            codes, weight = zip(*latest, strict=True)
            share = self.decay[: len(latest)] * np.array(weight, dtype=np.float32)
            pooled = share @ self.watched[list(codes)] / max(float(share.sum()), 1e-9)
        hidden = pooled @ w["member_in"] + w["member_bias"]
        for word, weight_of_word in inputs.member_words(history.context, len(latest)):
            if word in self._word_codes:
                hidden += weight_of_word * w["member_words"][self._word_codes[word]]
        vector = pooled * w["member_skip"] + np.maximum(hidden, 0) @ w["member_out"] + w["member_end"]
        return np.append(vector / max(float(np.linalg.norm(vector)), 1e-12), 1)

    @cached_property
    def _retrieval(self) -> Retrieval:
        return Retrieval(self.vectors, known=np.asarray(self.known, dtype=np.bool_))

    def candidates(self, histories: Sequence[History], k: int) -> tuple[Codes, Floats]:
        """The scores are log odds."""
        return self._retrieval.best(self.member_vectors(histories), k, own_codes(histories, self.codes))

    def scores(self, histories: Sequence[History], codes: Codes) -> Floats:
        """ln(1 + how many times likelier the media is to be watched next than the mean media not watched yet)."""
        found = np.full(codes.shape, np.nan, dtype=np.float32)
        for row, (history, vector) in enumerate(zip(histories, self.member_vectors(histories), strict=True)):
            asked = codes[row] >= 0
            asked[asked] = self.known[codes[row, asked]]
            # A sum of products, because a matrix product rounds by how many are asked about together.
            odds = (self.vectors[codes[row, asked]] * vector).sum(axis=1)
            found[row, asked] = np.logaddexp(0, odds - self._mean(vector, history))
        return found

    @cached_property
    def _references(self) -> Codes:
        """(r,) codes, evenly from the media that are known."""
        known = np.flatnonzero(self.known)
        return known[np.linspace(0, len(known) - 1, min(len(known), REFERENCES)).astype(np.int64)]

    @cached_property
    def _reference_vectors(self) -> Floats:
        return np.ascontiguousarray(self.vectors[self._references])

    def _mean(self, vector: Floats, history: History) -> float:
        """ln of the mean odds of the references outside the history; of all where it holds every one."""
        odds = self._reference_vectors @ vector
        own = [self.codes[media] for media in history.media if media in self.codes]
        others = odds[~np.isin(self._references, own)]
        odds = others if len(others) else odds
        return float(np.logaddexp.reduce(odds) - np.log(len(odds))) if len(odds) else 0.0

    def because(self, code: int, history: History) -> str | None:
        """The watched media whose vector is nearest to the candidate's."""
        known = [media for media in history.media if media in self.codes and self.known[self.codes[media]]]
        if not known or not self.known[code]:
            return None
        watched = self.vectors[[self.codes[media] for media in known], :-1]
        return known[int(np.argmax(watched @ self.vectors[code, :-1]))]

    def _arrays(self) -> dict[str, Floats]:
        own = {name: getattr(self, name) for name in ("vectors", "watched", "known", "decay")}
        words = {"catalogue": self.catalogue.astype(str), "vocabulary": self.vocabulary.astype(str)}
        return {**words, **own, **self.weights}

    def fingerprint(self) -> str:
        """A hash of all that was fitted."""
        content = hashlib.sha256()
        for name, values in sorted(self._arrays().items()):
            content.update(name.encode() + np.ascontiguousarray(values).tobytes())
        return content.hexdigest()[:16]

    def save(self, folder: Path) -> None:
        np.savez(folder / "two_tower.npz", allow_pickle=False, **self._arrays())

    @classmethod
    def load(cls, folder: Path) -> Self:
        with np.load(folder / "two_tower.npz", allow_pickle=False) as stored:
            held = dict(stored)
        own = {name: held.pop(name) for name in ("catalogue", "vectors", "watched", "known", "vocabulary", "decay")}
        return cls(**own, weights=held)


class TwoTower(Config):
    """The usual knobs of two towers. Rates fall to 0 over the steps."""

    dim: PositiveInt = 48
    hidden: PositiveInt = 96
    history: PositiveInt = 30
    """The last watches that are pooled, each counting ``recency`` of the one after it."""
    recency: PositiveFloat = Field(default=0.95, le=1)
    temperature: PositiveFloat = 0.2
    half_life_days: PositiveFloat = 7.0
    """An example is drawn half as often after so long: what is watched changes."""
    batch: PositiveInt = 512
    """Examples a step, of all processes together; of a small world each comes several times, differently dropped."""
    epochs: PositiveFloat = 3.0
    least_steps: PositiveInt = 100
    most_steps: PositiveInt = 2000
    """Bounds of the steps, whatever the epochs say: a small world still converges, and a large one still ends."""
    table_rate: PositiveFloat = 0.005
    dense_rate: PositiveFloat = 0.002
    drop_id: NonNegativeFloat = Field(default=0.1, lt=1)
    """The share of media that a step knows by their words alone, so that a new one is placed by them."""
    drop_word: NonNegativeFloat = Field(default=0.1, lt=1)
    drop_watch: NonNegativeFloat = Field(default=0.2, lt=1)
    drop_history: NonNegativeFloat = Field(default=0.05, lt=1)
    vocabulary: PositiveInt = 2000
    """The most words of members, and of media: the commonest."""
    threads: PositiveInt = 1
    """More are faster and fit differently from run to run."""

    def fit(self, interactions: Interactions, *, as_of: datetime, seed: int) -> FittedTwoTower:
        """Repeatable on a CPU with one thread. On a GPU where torch sees one; with others where they have joined.

        Raises:
            SettingsError: torch is not installed.
        """
        if not available():
            raise SettingsError(
                "the generator two_tower is fitted with torch, which is not installed: "
                "install Marquee's extra 'deep', or take two_tower out of pipelines/candidates/__init__.py"
            )
        from pipelines.candidates import tower_training

        examples = tower_examples.examples(
            interactions,
            as_of=as_of,
            history=self.history,
            most_words=self.vocabulary,
            half_life_days=self.half_life_days,
        )
        decay = (self.recency ** np.arange(self.history)).astype(np.float32)
        trained = tower_training.fitted(self, examples, decay, seed)
        said = examples.media_words.weight.any(axis=1) & bool(len(examples.media))
        return FittedTwoTower(
            interactions.catalogue,
            trained["vectors"],
            trained["watched"],
            np.isin(np.arange(len(interactions.catalogue)), examples.media) | said,
            examples.vocabulary,
            {name: values for name, values in trained.items() if name.startswith("member_")},
            decay,
        )
