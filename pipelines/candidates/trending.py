"""C4 Trending: what is watched these days, by members like the one who asks.

The trend of the last days, shrunk towards the weeks before, is the same for everyone. What a member's country, device,
language, gender, age and chosen genres add to it is counted over a longer time, because who likes what turns slowly;
each is shrunk towards what all members watch, for a cell with few watches says little. The words of a request are taken
to be independent given the title (naive Bayes), and damped because they are not.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import PositiveFloat, PositiveInt

from pipelines.candidates.engaged import decayed, media_codes
from pipelines.candidates.members import contexts
from pipelines.candidates.top import best, codes_of
from pipelines.core.config import Config
from pipelines.core.contracts import CHOSEN, DEVICE, Codes, Floats, History, Ids, Interactions

AGE = "age"
WORDS = ("country", DEVICE, "language", "gender")
AGES = (18, 25, 35, 45, 55, 65)
"""Where a group of ages begins."""


@dataclass(frozen=True)
class FittedTrending:
    """titles: (t,) codes of the titles whose trend is followed, ascending. trend: (t,) log of their lift over the mean.

    lift: (cells, t) what a word of a request adds. cells: (cells,) such words, as ``country=NL``.
    """

    catalogue: Ids
    titles: Codes
    trend: Floats
    cells: Ids
    lift: Floats

    @cached_property
    def codes(self) -> dict[str, int]:
        return codes_of(self.catalogue)

    @cached_property
    def _place(self) -> Codes:
        """(len(catalogue) + 1,) where each title stands among ``titles``; -1 = it is not followed; the last for -1."""
        places = np.full(len(self.catalogue) + 1, -1, dtype=np.int64)
        places[self.titles] = np.arange(len(self.titles))
        return places

    @cached_property
    def _row(self) -> dict[str, int]:
        return {cell: row for row, cell in enumerate(self.cells.tolist())}

    def candidates(self, histories: Sequence[History], k: int) -> tuple[Codes, Floats]:
        found = np.full((len(histories), k), -1, dtype=np.int32)
        kept = np.full((len(histories), k), -np.inf, dtype=np.float32)
        if not len(self.titles):
            return found, kept
        for row, history in enumerate(histories):
            scores = self._scores(history)
            seen = self._place[[self.codes[media] for media in history.media if media in self.codes]]
            scores[seen[seen >= 0]] = -np.inf
            places, values = best(scores[None, :], min(k, len(scores)))
            count = int((places >= 0).sum())
            found[row, :count], kept[row, :count] = self.titles[places[0, :count]], values[0, :count]
        return found, kept

    def _scores(self, history: History) -> Floats:
        rows = [self._row[word] for word in words(history.context) if word in self._row]
        return np.asarray(self.trend + self.lift[rows].sum(axis=0))

    def scores(self, histories: Sequence[History], codes: Codes) -> Floats:
        """The log of how much more a title is watched by such members than the mean title; NaN where no trend is."""
        found = np.full(codes.shape, np.nan, dtype=np.float32)
        for row, history in enumerate(histories):
            places = self._place[codes[row]]
            found[row, places >= 0] = self._scores(history)[places[places >= 0]]
        return found

    def because(self, code: int, history: History) -> str | None:
        return None

    def save(self, folder: Path) -> None:
        held = {"titles": self.titles, "trend": self.trend, "cells": self.cells.astype(str), "lift": self.lift}
        np.savez(folder / "trending.npz", allow_pickle=False, catalogue=self.catalogue.astype(str), **held)

    @classmethod
    def load(cls, folder: Path) -> Self:
        with np.load(folder / "trending.npz", allow_pickle=False) as stored:
            return cls(stored["catalogue"], stored["titles"], stored["trend"], stored["cells"], stored["lift"])


def words(context: Mapping[str, object]) -> Iterator[str]:
    """What is known of who asks, as cells."""
    for name in WORDS:
        if isinstance(context.get(name), str):
            yield f"{name}={context[name]}"
    age = context.get(AGE)
    if isinstance(age, (int, float)) and not math.isnan(age):
        yield f"{AGE}={int(np.searchsorted(AGES, age, side='right'))}"
    chosen = context.get(CHOSEN)
    for genre in chosen if isinstance(chosen, (tuple, list)) else ():
        yield f"{CHOSEN}={genre}"


class Trending(Config):
    """How fast trends and cells fade, and how many engagements they must outweigh.

    half_life_days: of the trend. memory_days: half-life of what the trend is shrunk to, and of what cells count. prior:
    a title's share of the trend is shrunk as if ``prior`` engagements had been spread like the memory's; cell_prior: a
    cell's share as if so many had been spread like all members'. damping: what is kept of each word's lift.
    """

    half_life_days: PositiveFloat = 1.0
    memory_days: PositiveFloat = 30.0
    prior: PositiveFloat = 1000.0
    cell_prior: PositiveFloat = 100.0
    damping: PositiveFloat = 0.7
    titles: PositiveInt = 5_000
    """The most titles whose trend is followed: the most watched ones."""

    def fit(self, interactions: Interactions, *, as_of: datetime, seed: int) -> FittedTrending:
        """Nothing random happens; media that nobody engaged with are never proposed."""
        of_row, size = media_codes(interactions), len(interactions.catalogue)
        recent, memory = (decayed(interactions, as_of, days) for days in (self.half_life_days, self.memory_days))
        counts = _Rows(of_row, size).counts(memory)
        titles = np.sort(np.argsort(-counts, kind="stable")[: self.titles])
        titles = titles[counts[titles] > 0]
        place = np.full(size + 1, -1, dtype=np.int64)
        place[titles] = np.arange(len(titles))
        rows = _Rows(place[of_row], len(titles))
        usual = counts[titles] / max(counts[titles].sum(), np.finfo(float).tiny)
        share = _shrunk(rows.counts(recent), usual, self.prior)
        cells, by_cell = _by_cell(interactions, rows, memory)
        # What is heard less than a tenth of what is assumed would move nothing: as many cells need not be kept.
        heard = by_cell.sum(axis=1) >= self.cell_prior / 10
        cells, by_cell = cells[heard], by_cell[heard]
        # A title's share here over its share anywhere, both over the same weeks.
        lift = np.log(_shrunk(by_cell, usual, self.cell_prior) / usual) if len(titles) else by_cell
        return FittedTrending(
            interactions.catalogue,
            titles.astype(np.int32),
            np.log(share * len(titles)).astype(np.float32),
            cells,
            (self.damping * lift).astype(np.float32),
        )


@dataclass(frozen=True)
class _Rows:
    """title: (n,) which of ``size`` titles each row is of; -1 = none of them."""

    title: Codes
    size: int

    def counts(self, weight: Floats) -> Floats:
        kept = self.title >= 0
        return np.bincount(self.title[kept], weight[kept], minlength=self.size)


def _shrunk(counts: Floats, expected: Floats, prior: float) -> Floats:
    """Shares, a row a cell, where ``prior`` engagements spread as expected count beside those that were."""
    return np.asarray((counts + prior * expected) / (counts.sum(axis=-1, keepdims=True) + prior))


def _by_cell(interactions: Interactions, rows: _Rows, weight: Floats) -> tuple[Ids, Floats]:
    """The cells that watched something, in order, and (cells, titles) what each did."""
    from scipy.sparse import csr_matrix

    table = interactions.member_table
    known = {user: list(words(context)) for user, context in contexts(table)} if table is not None else {}
    users, member = np.unique(interactions.users.astype(str), return_inverse=True)
    of_member = [known.get(user, []) for user in users.tolist()]
    devices = [None] * len(member) if interactions.device is None else interactions.device.tolist()
    held = [device if isinstance(device, str) else None for device in devices]
    cells = sorted({cell for own in of_member for cell in own} | {f"{DEVICE}={one}" for one in held if one})
    code = {cell: row for row, cell in enumerate(cells)}
    kept = np.flatnonzero(rows.title >= 0)
    by_member = csr_matrix((weight[kept], (member[kept], rows.title[kept])), shape=(len(users), rows.size))
    pairs = [(code[cell], row) for row, own in enumerate(of_member) for cell in own]
    found: Any = _ones(pairs, (len(cells), len(users))) @ by_member
    on = [row for row in kept.tolist() if held[row]]
    by_device = (weight[on], ([code[f"{DEVICE}={held[row]}"] for row in on], rows.title[on]))
    return np.array(cells, dtype=str), np.asarray((found + csr_matrix(by_device, shape=found.shape)).todense())


def _ones(pairs: list[tuple[int, int]], shape: tuple[int, int]) -> Any:
    from scipy.sparse import csr_matrix

    places = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return csr_matrix((np.ones(len(pairs)), tuple(places)), shape=shape)
