"""C1, C2 Mixed effects: what members of a kind like of titles of a kind, what each title is worth to all, and how a
member's own watches part from that.

log odds = worth of the title + (effects of who asks + effect of the member alone) x attributes of the title.

The worths and the effects of kinds are learnt from impressions, failures too, freed of position and device
(mixed_fit.py). The effect of the member alone is solved at the request from the watches so far: what was watched, less
what anyone of the kind would have watched of what was shown. Nobody waits for a refit, and a stranger has an answer.
Source: Zhang et al., GLMix: Generalized Linear Mixed Models for Large-Scale Response Prediction, KDD 2016.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

from pipelines.candidates.attributes import Vocabulary, chosen, of_member
from pipelines.candidates.retrieval import Retrieval
from pipelines.candidates.top import codes_of, own_codes
from pipelines.core.config import Config
from pipelines.core.contracts import Codes, Floats, History, Ids, Interactions

FILE = "mixed_effects"


@dataclass(frozen=True)
class FittedMixedEffects:
    """worth: (len(catalogue),) log odds for nobody in particular; NaN throughout where nothing was learnt.

    attributes: (len(catalogue), d). crosses: (words of members, d). likeness: what it adds that a title is in the
    member's language, and of the genres chosen at onboarding. mean, axes, spread: of the attributes of what is watched,
    (d,), (d, d) and (d,), the last two the eigenvectors and values of their covariance. own: for each group of
    attributes the standard deviation of a member's own effects; 0 = members do not differ in it.
    """

    catalogue: Ids
    worth: Floats
    attributes: Floats
    titles: Vocabulary
    members: Vocabulary
    crosses: Floats
    likeness: Floats
    mean: Floats
    axes: Floats
    spread: Floats
    own: Mapping[str, float]

    @cached_property
    def codes(self) -> dict[str, int]:
        return codes_of(self.catalogue)

    @cached_property
    def _speaks(self) -> bool:
        return bool(np.isfinite(self.worth).all()) and len(self.worth) > 0

    @cached_property
    def _retrieval(self) -> Retrieval:
        """The worth is the product with one more number of the member's, which is 1."""
        known = np.full(len(self.worth), self._speaks)
        return Retrieval(np.column_stack([self.attributes, self.worth]).astype(np.float32), known=known)

    def candidates(self, histories: Sequence[History], k: int) -> tuple[Codes, Floats]:
        asked = np.column_stack([self.tastes(histories), np.ones(len(histories))]).astype(np.float32)
        return self._retrieval.best(asked, k, own_codes(histories, self.codes))

    def scores(self, histories: Sequence[History], codes: Codes) -> Floats:
        """The log odds of a watch of a title once looked at, up to what moves a member's titles alike; never NaN for a
        known title, because a stranger has a kind too."""
        found: Floats = np.full(codes.shape, np.nan, dtype=np.float32)
        for row, taste in enumerate(self.tastes(histories) if self._speaks else ()):
            known = codes[row] >= 0
            of = codes[row][known]
            found[row, known] = (self.attributes[of] * taste).sum(axis=1) + self.worth[of]
        return found

    @cached_property
    def _scale(self) -> Floats:
        """(d,) the standard deviation of a member's own effect of each attribute."""
        sizes = [len(words) for words in self.titles.groups.values()]
        return np.repeat([self.own.get(group, 0.0) for group in self.titles.groups], sizes).astype(np.float32)

    @cached_property
    def _covariance(self) -> Floats:
        return np.asarray((self.axes * self.spread) @ self.axes.T)

    @cached_property
    def _own_axes(self) -> tuple[Floats, Floats]:
        """Eigenvalues and vectors of the covariance of attributes in units of the own effects: in those, members part
        from their kind as far one way as another."""
        values, axes = np.linalg.eigh(self._scale[:, None] * self._covariance * self._scale)
        return np.maximum(values, 0), self._scale[:, None] * axes

    def tastes(self, histories: Sequence[History]) -> Floats:
        """(len(histories), d): what each attribute adds for each member, by kind and alone."""
        kinds = self.of_kinds(histories)
        return kinds + self.alone(kinds, *self.watched(histories))

    def of_kinds(self, histories: Sequence[History]) -> Floats:
        """(len(histories), d): what each attribute adds for members of their kinds."""
        rows = [self._of_kind(history) for history in histories]
        return np.stack(rows) if rows else np.zeros((0, self.attributes.shape[1]), dtype=np.float32)

    def watched(self, histories: Sequence[History]) -> tuple[Floats, Floats]:
        """(len(histories), d) sums of the attributes of what each watched, and (len(histories), 1) how many titles."""
        held = own_codes(histories, self.codes)
        sums = np.zeros((len(histories), self.attributes.shape[1]), dtype=np.float32)
        for row, codes in enumerate(held):
            sums[row] = self.attributes[codes].sum(axis=0)
        return sums, np.array([len(codes) for codes in held], dtype=np.float32)[:, None]

    def alone(self, kinds: Floats, sums: Floats, counts: Floats) -> Floats:
        """(n, d) members' own effects. Where their kind is expected to watch what they do, only the rest is theirs."""
        surprise = sums - counts * (self.mean + kinds @ self._covariance)
        spread, axes = self._own_axes
        return np.asarray((surprise @ axes / (counts * spread + 1)) @ axes.T, dtype=np.float32)

    def _of_kind(self, history: History) -> Floats:
        said = of_member(history.context)
        added = self.members.fill([said])[0] @ self.crosses
        for group, words, worth in zip(
            ("original_language", "genres"), (said["language"], chosen(history.context)), self.likeness, strict=True
        ):
            places = [self.titles.column[group, word] for word in words if (group, word) in self.titles.column]
            added[places] += worth
        return np.asarray(added, dtype=np.float32)

    def because(self, code: int, history: History) -> str | None:
        """The watched media that shares most with the candidate, by what sets titles apart."""
        known = [media for media in history.media if media in self.codes]
        if not known or not self.attributes.shape[1]:
            return None
        shared = (self.attributes[[self.codes[media] for media in known]] - self.mean) @ (
            self.attributes[code] - self.mean
        )
        return known[int(np.argmax(shared))] if shared.max() > 0 else None

    def save(self, folder: Path) -> None:
        words = {"titles": dict(self.titles.groups), "members": dict(self.members.groups), "own": dict(self.own)}
        (folder / f"{FILE}.json").write_text(json.dumps(words), encoding="utf-8")
        arrays = {n: getattr(self, n) for n in ARRAYS}
        np.savez(folder / f"{FILE}.npz", catalogue=self.catalogue.astype(str), **arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        said = json.loads((folder / f"{FILE}.json").read_text(encoding="utf-8"))
        titles, members = (Vocabulary({g: tuple(w) for g, w in said[name].items()}) for name in ("titles", "members"))
        # Releases that were sealed before have one number for all groups.
        own = said["own"] if isinstance(said["own"], dict) else dict.fromkeys(titles.groups, said["own"])
        with np.load(folder / f"{FILE}.npz", allow_pickle=False) as stored:
            held = {name: stored[name] for name in ARRAYS}
            return cls(catalogue=stored["catalogue"], titles=titles, members=members, own=own, **held)


ARRAYS = ("worth", "attributes", "crosses", "likeness", "mean", "axes", "spread")


class MixedEffects(Config):
    """How the effects are learnt."""

    most_words: PositiveInt = 60
    """The most words of an attribute that have an effect of their own."""
    most_rows: PositiveInt = 300_000
    """The latest impressions that are learnt from."""
    rounds: PositiveInt = 4
    """How often the spread of each family of effects is estimated anew from the effects."""
    own_effects: tuple[float, ...] = Field(default=(0.0, 0.15, 0.25, 0.35, 0.5, 0.7, 1.0))
    """Standard deviations of members' own effects to choose from, by later impressions: one for all attributes first,
    then one for each group of them."""
    negatives: PositiveFloat = 4.0
    """Titles drawn for each watch where no impressions are logged."""

    def fit(self, interactions: Interactions, *, as_of: datetime, seed: int) -> FittedMixedEffects:
        """Deterministic: the seed draws only where no impressions are logged, and whom the own effects are tried on."""
        from pipelines.candidates.mixed_fit import learn

        return learn(interactions, self, seed=seed)
