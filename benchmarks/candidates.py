"""How long 500 candidates of one member take: whole-catalogue arrays, as they once were, beside what is asked only.

``python benchmarks/candidates.py [REQUESTS]`` (400 where nothing is named). Four generators, popularity, ALS of two
widths and sparse neighbours, propose from 10,000 and from 1,000,000 media to members with 30 titles behind them, which
are left out; the lists are blended. Both sides answer the same questions in turn, in one process on one thread, after a
warm-up; the plain side, at a million, a tenth of them. Titles lie around tastes, as fitted factors do; the index that
answers beyond a size may miss some: ``found`` is the share of the plain side's candidates that are among ours. The exit
status is 1 where a bar is missed.
"""

import gc
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from pipelines.candidates.blend import BlendConfig, Proposer, blend
from pipelines.candidates.collaborative import FittedALS
from pipelines.candidates.popularity import FittedPopularity
from pipelines.candidates.top import best_places, best_sums, codes_of, in_rows, own_codes
from pipelines.core.contracts import Codes, Floats, History, Ids

K, HISTORY, TASTES, NEAR = 500, 30, 400, 50
BARS = {10_000: 1.0, 1_000_000: 10.0}
"""Media -> milliseconds at the median."""
FOUND, WARM_UP = 0.9, 20
Score = Callable[[Sequence[History]], Floats]
"""Histories -> (n, media) scores of everything, -inf where a generator does not speak; the history still in it."""


@dataclass(frozen=True)
class Neighbours:
    """Stands for a method that keeps the nearest few titles of each; near, similarity: (media, NEAR)."""

    codes: dict[str, int]
    near: Codes
    similarity: Floats

    def candidates(self, histories: Sequence[History], k: int) -> tuple[Codes, Floats]:
        known = own_codes(histories, self.codes)
        size = len(self.near)
        found = (best_sums(self.near[own].ravel(), self.similarity[own].ravel(), k, own, size) for own in known)
        return in_rows(found, len(histories), k)

    def everything(self, histories: Sequence[History]) -> Floats:
        scores = np.zeros((len(histories), len(self.near)), dtype=np.float32)
        for row, own in enumerate(own_codes(histories, self.codes)):
            np.add.at(scores[row], self.near[own], self.similarity[own])
        scores[scores == 0] = -np.inf
        return scores


def made(size: int, rng: np.random.Generator) -> tuple[Ids, Floats, dict[str, Proposer], dict[str, Score]]:
    """A catalogue, whose title n is of taste n % TASTES, its factors, and the generators of both sides."""
    catalogue = np.array([f"m{code:07d}" for code in range(size)])
    popularity = FittedPopularity(catalogue, rng.pareto(1.2, size).astype(np.float32))
    held = factors(size, 64, rng)  # The narrow fit is of the same tastes, of which it knows the first directions.
    wide, narrow = (FittedALS(catalogue, held[:, :width].copy(), 10.0, 0.05) for width in (64, 48))
    near = np.arange(size)[:, None] % TASTES + TASTES * rng.integers(0, size // TASTES, (size, NEAR))
    similarity = np.sort(rng.random((size, NEAR)), axis=1)[:, ::-1].astype(np.float32)
    neighbours = Neighbours(codes_of(catalogue), near.astype(np.int32), np.ascontiguousarray(similarity))
    ours: dict[str, Proposer] = {
        "popularity": popularity,
        "als 64": wide,
        "als 48": narrow,
        "neighbours": neighbours,
    }
    plain: dict[str, Score] = {
        "popularity": lambda asked: np.tile(np.where(popularity.score > 0, popularity.score, -np.inf), (len(asked), 1)),
        "als 64": lambda asked: wide.member_factors(asked) @ wide.factors.T,
        "als 48": lambda asked: narrow.member_factors(asked) @ narrow.factors.T,
        "neighbours": neighbours.everything,
    }
    return catalogue, wide.factors, ours, plain


def factors(size: int, width: int, rng: np.random.Generator) -> Floats:
    """(size, width) factors around tastes of decaying spectrum, their lengths log-normal as popularity makes them."""
    spectrum = (np.arange(1, width + 1) ** -0.5).astype(np.float32)
    centres = rng.standard_normal((TASTES, width), dtype=np.float32)
    around = centres[np.arange(size) % TASTES] + 0.7 * rng.standard_normal((size, width), dtype=np.float32)
    return np.asarray(around * spectrum * np.exp(0.5 * rng.standard_normal((size, 1), dtype=np.float32)))


def members(catalogue: Ids, factors: Floats, count: int, rng: np.random.Generator) -> list[History]:
    """Members who like the way that three titles point and watched some of what lies most that way, as factors fitted
    to them would have it."""
    found = []
    for _ in range(count):
        liked = factors[rng.integers(0, len(factors), 3)].sum(axis=0)
        codes = rng.choice(best_places(factors @ liked, len(factors) // 300 + HISTORY), HISTORY, replace=False)
        found.append(History(tuple(catalogue[codes].tolist()), (1.0,) * HISTORY))
    return found


def plain_best(scores: Floats, k: int) -> Codes:
    """(n, k) codes of the best, by a partition of the whole catalogue."""
    part = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    values = np.take_along_axis(scores, part, axis=1)
    codes = np.take_along_axis(part, np.lexsort((part, -values), axis=1), axis=1)
    return np.where(np.isfinite(np.take_along_axis(scores, codes, axis=1)), codes, -1)


def plain_blend(scored: Mapping[str, Score], codes: Mapping[str, int], asked: Sequence[History], size: int) -> Codes:
    """(n, K) codes: every generator scores everything, and what they propose is added up over the whole catalogue."""
    fused = np.zeros((len(asked), size), dtype=np.float32)
    ranks = {}
    for name, score in scored.items():
        scores = score(asked)
        for line, history in enumerate(asked):
            scores[line, [codes[media] for media in history.media if media in codes]] = -np.inf
        best = plain_best(scores, K)
        row, rank = np.nonzero(best >= 0)
        media = best[row, rank]
        fused[row, media] += 1 / (60 + rank + 1)
        ranks[name] = np.full((len(asked), size), -1, dtype=np.int32)
        ranks[name][row, media] = rank
    order = np.argsort(-fused, axis=1, kind="stable")[:, :K]
    for places in ranks.values():  # Who proposed each candidate, which the page asks for.
        np.take_along_axis(places, order, axis=1)
    return np.where(np.take_along_axis(fused, order, axis=1) > 0, order, -1)


def alone(generator: Proposer, asked: History) -> Codes:
    """One generator's answer, without a blend."""
    return generator.candidates([asked], K)[0]


def timed(answer: Callable[[History], Codes], asked: Sequence[History]) -> tuple[list[float], list[Codes]]:
    """Milliseconds and answer of each question."""
    took, found = [], []
    for history in asked:
        began = time.perf_counter()
        found.append(answer(history))
        took.append((time.perf_counter() - began) * 1e3)
    return took, found


def measure(size: int, requests: int) -> bool:
    """Print a line a side and a generator, and the bars; whether they are met."""
    rng = np.random.default_rng(size)
    catalogue, held, ours, plain = made(size, rng)
    codes, config = codes_of(catalogue), BlendConfig(candidates=K)
    asked = members(catalogue, held, requests + WARM_UP, rng)
    began = time.perf_counter()
    blend(ours, asked[:1], config, size)
    print(f"{size:,} media; the first question, with what is prepared for all: {time.perf_counter() - began:.1f} s")
    gc.collect()
    gc.freeze()
    sides: dict[str, Callable[[History], Codes]] = {
        "plain": lambda one: plain_blend(plain, codes, [one], size)[0],
        "ours": lambda one: blend(ours, [one], config, size).codes[0],
    }
    few = asked[WARM_UP : WARM_UP + (requests if size < 100_000 else requests // 10)]
    for answer in sides.values():
        timed(answer, asked[: WARM_UP if size < 100_000 else 3])
    was, expected = timed(sides["plain"], few)
    now, found = timed(sides["ours"], asked[WARM_UP:])
    for name, generator in ours.items():
        own, _ = timed(partial(alone, generator), asked[WARM_UP:])
        print(f"  {name:<12} p50 {np.median(own):8.3f} ms")
    for name, took in (("plain blend", was), ("our blend", now)):
        print(f"  {name:<12} p50 {np.median(took):8.3f} ms   p99 {np.quantile(took, 0.99):8.3f} ms")
    kept = np.mean([len(set(a.tolist()) & set(b.tolist())) / K for a, b in zip(expected, found, strict=False)])
    print(f"  plain to ours: {np.median(was) / np.median(now):.1f}")
    bars = [("p50", f"{np.median(now):.3f} ms", f"under {BARS[size]:g} ms", np.median(now) < BARS[size])]
    bars += [("found", f"{kept:.3f}", f"at least {FOUND:g}", kept >= FOUND)]
    for name, figure, wanted, met in bars:
        print(f"bar: {K} candidates of {size:,} media: {name} | {figure} | {wanted} | {'met' if met else 'missed'}")
    return all(met for *_, met in bars)


def main(requests: int) -> int:
    """1 where a bar is missed."""
    with threadpool_limits(1):
        met = [measure(size, requests) for size in BARS]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 400))
