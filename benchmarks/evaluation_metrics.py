"""How long it takes to measure ordered lists: every list and catalogue metric at 10, beside LensKit and Evidently.

``python benchmarks/evaluation_metrics.py [MEMBERS]`` (1,000,000 where nothing is named). Each member has 100 distinct
titles of a catalogue of 20,011 and about five relevant ones, some of them listed. Ours are NDCG, recall, precision,
mAP, mAR, F1, MRR, hit rate, coverage, Gini, novelty and intra-list diversity, from codes to means. The peak is of the
whole process, lists included, before a peer is imported.

LensKit is asked for the seven of them that it has, on a share of the same members (those with anything relevant: its
average precision fails for others), and its time is scaled; a share of half the size beside it shows that it grows in
proportion. Evidently is asked for NDCG alone, on 10,000 members, and ours for everything on the same. What a side's
own form of input costs to make is not counted; what it costs to turn Evidently's table into codes is printed.

AUC, GAUC, log loss, ECE and RMSE have no depth of 10 and are not among them.

Measured on 2 cores that other work kept busy (load 10): a million members took 2.18 s of a processor, 9.7 s by the
clock, and 0.84 GB. LensKit's 20,000 took 29.6 s where ours took 0.28 s, 106 times less for 12 metrics as for its 7,
and twice the members 2.4 times as long, so that a million would take 1,478 s; no figure was further from ours than
6e-17. Evidently's NDCG took 27.9 s, 107 times our 12 metrics and 320 times our NDCG; its table took 0.14 s to turn.
With less beside it (100,000 members): 0.20 s, LensKit 244, Evidently 131 and 303 times ours.
"""

import contextlib
import io
import logging
import resource
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.metrics.catalogue import coverage, novelty, popularity_bias
from pipelines.metrics.diversity import intra_list_diversity
from pipelines.metrics.judging import Ragged
from pipelines.metrics.ranking import f1, measure

K, DEPTH, MEDIA, WIDTH = 10, 100, 20_011, 16
"""MEDIA is a prime, so that equal steps through the catalogue make lists without repeats."""

SHARE, FEW, POPULATION = 20_000, 10_000, 1_000_000
SECONDS, GIGABYTES, FASTER = 10.0, 3.0, 50.0
EQUAL = 1e-9
LENSKIT = {"ndcg": "NDCG", "recall": "Recall", "precision": "Precision", "map": "AveragePrecision"}
LENSKIT |= {"mrr": "RecipRank", "hit_rate": "Hit"}


@dataclass(frozen=True)
class Lists:
    """ranked: (n, DEPTH). vectors: (MEDIA, WIDTH). engaged: (MEDIA,) who of POPULATION met each title."""

    ranked: np.ndarray
    relevant: Ragged
    vectors: np.ndarray
    engaged: np.ndarray

    def some(self, members: np.ndarray) -> "Lists":
        """Those of a few members."""
        starts = np.append(0, self.relevant.ends)
        parts = [self.relevant.codes[starts[m] : starts[m + 1]] for m in members]
        return Lists(self.ranked[members], Ragged.of(parts), self.vectors, self.engaged)


def made(members: int, seed: int = 0) -> Lists:
    """Lists of equal steps; a relevant title stands in the list, more often near its top, or anywhere."""
    rng = np.random.default_rng(seed)
    first, step = (rng.integers(low, MEDIA, members, dtype=np.int32) for low in (0, 1))
    ranked = np.empty((members, DEPTH), dtype=np.int32)
    for place in range(DEPTH):
        ranked[:, place] = (first + place * step.astype(np.int64)) % MEDIA
    owner = np.repeat(np.arange(members), rng.poisson(5, members))
    codes = rng.integers(0, MEDIA, len(owner))
    listed = rng.random(len(owner)) < 0.5
    codes[listed] = ranked[owner[listed], np.minimum(rng.geometric(0.05, int(listed.sum())), DEPTH) - 1]
    keys = np.unique(owner * MEDIA + codes)
    relevant = Ragged(keys % MEDIA, np.cumsum(np.bincount(keys // MEDIA, minlength=members)))
    vectors = rng.random((MEDIA, WIDTH), dtype=np.float32)
    return Lists(ranked, relevant, vectors, rng.integers(0, POPULATION, MEDIA))


def ours(lists: Lists) -> dict[str, float]:
    """Every list and catalogue metric at K."""
    found = {name: float(np.nanmean(each)) for name, each in measure(lists.ranked, lists.relevant, K).items()}
    found["f1"] = float(f1(found["map"], found["mar"]))
    found["coverage"] = coverage(lists.ranked, MEDIA, K)
    found["gini"] = popularity_bias(lists.ranked, MEDIA, K)
    found["novelty"] = float(np.nanmean(novelty(lists.ranked, lists.engaged, POPULATION, K)))
    found["diversity"] = float(np.nanmean(intra_list_diversity(lists.ranked[:, :K], lists.vectors)))
    return found


def timed(answer: Callable[[], Any], times: int = 1) -> tuple[float, Any]:
    """The median of so many runs in seconds, and the last answer."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        found = answer()
        took.append(time.perf_counter() - began)
    return statistics.median(took), found


def lenskit(lists: Lists) -> tuple[float, dict[str, float]]:
    """Seconds and means of LensKit; its collections of lists are made before the clock starts."""
    from lenskit.data import ItemList, ItemListCollection
    from lenskit.metrics import ListGini, LogRankWeight, RunAnalysis, ranking

    outputs, truth = ItemListCollection(["user_id"]), ItemListCollection(["user_id"])
    starts = np.append(0, lists.relevant.ends)
    for member, row in enumerate(lists.ranked):
        outputs.add(ItemList(item_ids=row, ordered=True), user_id=member)
        truth.add(ItemList(item_ids=lists.relevant.codes[starts[member] : starts[member + 1]]), user_id=member)
    metrics = [getattr(ranking, LENSKIT[name])(n=K) for name in LENSKIT if name != "ndcg"]
    analysis = RunAnalysis(ranking.NDCG(n=K, weight=LogRankWeight(offset=1)), *metrics, ListGini(n=K, items=MEDIA))
    with contextlib.redirect_stderr(io.StringIO()):
        took, found = timed(lambda: analysis.measure(outputs, truth))
    means = found.list_metrics(fill_missing=False).mean()
    answers = {name: float(means[f"{LENSKIT[name]}@{K}"]) for name in LENSKIT}
    return took, answers | {"gini": float(found.global_metrics().filter(like="Gini").iloc[0])}


def evidently(lists: Lists) -> tuple[float, float, float]:
    """Seconds that Evidently takes for NDCG, its NDCG@K, and seconds to turn its table into codes."""
    import pandas as pd
    from evidently import DataDefinition, Dataset, Recsys, Report
    from evidently.metrics import NDCG

    members, (starts, ends) = len(lists.ranked), (np.append(0, lists.relevant.ends[:-1]), lists.relevant.ends)
    rows = []
    for member in range(members):
        row, wanted = lists.ranked[member], lists.relevant.codes[starts[member] : ends[member]]
        items = np.concatenate([row, np.setdiff1d(wanted, row)])
        rows.append(
            np.stack([np.full(len(items), member), items, np.isin(items, wanted), np.arange(1, len(items) + 1)])
        )
    table = pd.DataFrame(np.concatenate(rows, axis=1).T, columns=["user_id", "item_id", "target", "prediction"])
    turned, again = timed(lambda: codes_of(table, members), 3)
    assert np.array_equal(again[0], lists.ranked)
    assert np.array_equal(again[1].ends, lists.relevant.ends)
    data = Dataset.from_pandas(table, data_definition=DataDefinition(ranking=[Recsys(recommendations_type="rank")]))
    took, snapshot = timed(lambda: Report([NDCG(k=K)]).run(data, None))
    answer = next(iter(snapshot.metric_results.values())).value
    # It labels NDCG@k with rank k + 1.
    return took, float(answer.loc[answer["rank"] == K + 1, "value"].iloc[0]), turned


def codes_of(table: Any, members: int) -> tuple[np.ndarray, Ragged]:
    """Ranked and relevant codes of a table of one row a member and title, with the rank of each."""
    member, item, target, rank = (table[name].to_numpy() for name in ("user_id", "item_id", "target", "prediction"))
    ranked, listed = np.full((members, DEPTH), -1, dtype=np.int32), rank <= DEPTH
    ranked[member[listed], rank[listed] - 1] = item[listed]
    wanted = np.flatnonzero(target)
    order = wanted[np.argsort(member[wanted], kind="stable")]
    return ranked, Ragged(item[order], np.cumsum(np.bincount(member[order], minlength=members)))


def main(members: int) -> int:
    """1 where a bar is missed."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    lists = made(members)
    began = time.process_time()
    took, found = timed(lambda: ours(lists))
    worked = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{members:,} members x {DEPTH}, everything at {K}: {took:.2f} s ({worked:.2f} s of a processor), {peak:.2f} GB"
    )
    print("  " + "  ".join(f"{name} {value:.6f}" for name, value in found.items()))
    bars = [
        ("everything at 10", f"{took:.2f} s", f"under {SECONDS:g} s", took < SECONDS),
        ("peak of the process", f"{peak:.2f} GB", f"under {GIGABYTES:g} GB", peak < GIGABYTES),
    ]
    bars += beside_lenskit(lists, took)
    bars += beside_evidently(lists)
    for name, figure, wanted, met in bars:
        print(f"bar: metrics: {name} | {figure} | {wanted} | {'met' if met else 'missed'}")
    return 0 if all(met for *_, met in bars) else 1


def beside_lenskit(lists: Lists, took: float) -> list[tuple[str, str, str, bool]]:
    """LensKit's bars: as fast on everyone, its time scaled, and the same figures."""
    alive = np.flatnonzero(np.diff(lists.relevant.ends, prepend=0))[:SHARE]
    share = lists.some(alive)
    half, _ = lenskit(lists.some(alive[: len(alive) // 2]))
    theirs, answers = lenskit(share)
    here, found = timed(lambda: ours(share), 3)
    scaled = theirs * len(lists.ranked) / len(alive)
    apart = max(abs(found[name] - value) for name, value in answers.items())
    print(f"LensKit, {len(alive):,} members, {len(answers)} metrics: {theirs:.2f} s; ours, all 12: {here:.3f} s")
    print("  " + "  ".join(f"{name} {value:.6f}" for name, value in answers.items()))
    print(f"  half of them {half:.2f} s, so twice the members take {theirs / half:.2f} times as long")
    print(f"  scaled to {len(lists.ranked):,}: {scaled:.0f} s")
    return [
        ("LensKit's time to ours, everyone", f"{scaled / took:.0f}", "at least 1", scaled >= took),
        ("LensKit's time to ours, its share", f"{theirs / here:.0f}", "at least 1", theirs >= here),
        ("greatest difference from LensKit", f"{apart:.1e}", f"under {EQUAL:g}", apart < EQUAL),
    ]


def beside_evidently(lists: Lists) -> list[tuple[str, str, str, bool]]:
    """Evidently's bars: fifty times as fast with everything as it is with NDCG, and its own NDCG, rightly labelled."""
    few = lists.some(np.arange(min(FEW, len(lists.ranked))))
    theirs, answer, turned = evidently(few)
    here, found = timed(lambda: ours(few), 5)
    alone, _ = timed(lambda: measure(few.ranked, few.relevant, K, ["ndcg"]), 5)
    print(f"Evidently, {len(few.ranked):,} members, NDCG alone: {theirs:.2f} s")
    print(
        f"  ours, all 12: {here * 1e3:.1f} ms; NDCG alone: {alone * 1e3:.1f} ms; from Evidently's table to codes: "
        f"{turned * 1e3:.1f} ms"
    )
    print(f"  NDCG@{K}: Evidently's in the row that it labels {K + 1}: {answer:.9f}, ours {found['ndcg']:.9f}")
    return [
        ("Evidently's NDCG to our 12", f"{theirs / here:.0f}", f"at least {FASTER:g}", theirs >= FASTER * here),
        ("Evidently's NDCG to ours", f"{theirs / alone:.0f}", f"at least {FASTER:g}", theirs >= FASTER * alone),
    ]


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
