"""What LensKit, MLflow and Evidently answer on lists worked by hand, beside ours.

``python benchmarks/evaluation_peers.py`` prints a row a case and metric. The bars ask that ours is what was worked by
hand; the peers' columns are for information. Each peer is asked in the form it takes: LensKit for lists of items
(``LensKit`` with the discount log2(place + 1), ``as it comes`` with its own), MLflow for lists of texts, Evidently for
a table of one row a title, in which empty places hold titles that are not relevant and a relevant title that was not
listed has a rank beyond k; of its answer that row is read which it labels with rank k. ``-`` where a peer has no such
metric, no such row, or fails. Differences are of four kinds:

- another divisor: MLflow and Evidently divide recall, Evidently also average precision, by all that is relevant, so a
  list of k cannot reach 1 where more is relevant; LensKit and MLflow divide precision by the length of the list;
- another mean: LensKit and MLflow count members without anything relevant as 0; LensKit's average precision fails;
- another discount: LensKit's own makes the first two places worth the same;
- a mistake: MLflow cuts the ideal at the length of the list. A title that a list repeats is a hit each time, for all
  three in one metric or another. Evidently labels NDCG@(k - 1) as that of rank k, scores above 1 on ties, and takes the
  last row of its table for that of rank k, in whatever order the rows come.

The table as printed is in docs/metrics.md; ours was what was worked by hand in all 40 figures.
"""

import contextlib
import io
import logging
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isclose, log2, nan

import numpy as np
import pandas as pd

from pipelines.metrics.catalogue import popularity_bias
from pipelines.metrics.ranking import measure

EVIDENTLY = {
    "ndcg": "NDCG",
    "recall": "RecallTopK",
    "precision": "PrecisionTopK",
    "map": "MAP",
    "mrr": "MRR",
    "hit_rate": "HitRate",
}
Answers = Mapping[str, float]


@dataclass(frozen=True)
class Case:
    """lists: a list a member. relevant: what is, of each. by_hand: the means over members. For Evidently: ``scores``
    of all rows, in the place of ranks; ``backwards``, the rows of its table come worst first."""

    name: str
    lists: Sequence[Sequence[int]]
    relevant: Sequence[Sequence[int]]
    k: int
    by_hand: Answers
    scores: Sequence[float] = ()
    backwards: bool = False


def d(place: int) -> float:
    """What a hit at this place is worth in a DCG."""
    return 1 / log2(place + 1)


WORKED = {
    # Hits at places 2 and 3 of 4; of three relevant titles one, 8, was not listed.
    "ndcg": (d(2) + d(3)) / (d(1) + d(2) + d(3)),
    "recall": 2 / 3,
    "precision": 2 / 4,
    "map": (1 / 2 + 2 / 3) / 3,
    "mar": (1 / 3 + 2 / 3) / 3,
    "mrr": 1 / 2,
    "hit_rate": 1.0,
}
CASES = (
    Case("hits at places 2 and 3", [[9, 3, 5, 7]], [[3, 5, 8]], 4, WORKED),
    Case("the same, rows worst first", [[9, 3, 5, 7]], [[3, 5, 8]], 4, WORKED, backwards=True),
    Case(
        "one title listed, five relevant",
        [[1]],
        [[1, 2, 3, 4, 5]],
        5,
        {
            "ndcg": d(1) / (d(1) + d(2) + d(3) + d(4) + d(5)),
            "recall": 1 / 5,
            "precision": 1 / 5,
            "map": 1 / 5,
            "mrr": 1.0,
        },
    ),
    Case(
        "a perfect list of 2, four relevant",
        [[1, 2]],
        [[1, 2, 3, 4]],
        2,
        {"ndcg": 1.0, "recall": 1.0, "precision": 1.0, "map": 1.0, "mar": (1 / 4 + 2 / 4) / 2},
    ),
    Case(
        "one title three times over",
        [[4, 4, 4]],
        [[4, 5]],
        3,
        {"ndcg": d(1) / (d(1) + d(2)), "recall": 1 / 2, "precision": 1 / 3, "map": 1 / 2},
    ),
    Case(
        "two members, one likes nothing",
        [[1, 2], [1, 2]],
        [[1], []],
        2,
        {"ndcg": 1.0, "recall": 1.0, "precision": 1 / 2, "map": 1.0, "mrr": 1.0, "hit_rate": 1.0},
    ),
    Case(
        "two liked first, scores tied",
        [[3, 5, 7, 9]],
        [[3, 5]],
        2,
        {"ndcg": 1.0, "recall": 1.0, "precision": 1.0, "map": 1.0, "mrr": 1.0},
        scores=(0.9, 0.9, 0.5, 0.1),
    ),
)


def ours(case: Case) -> Answers:
    """Ours, the mean over members that have an answer."""
    width = max(len(one) for one in case.lists)
    ranked = np.array([[*one, *[-1] * (width - len(one))] for one in case.lists])
    relevant = [np.array(one, dtype=np.int64) for one in case.relevant]
    return {name: float(np.nanmean(each)) for name, each in measure(ranked, relevant, case.k).items()}


def lenskit(case: Case, offset: int) -> Answers:
    """LensKit's, the mean of its summary; the discount is log2(place + offset), or with 0 its own."""
    from lenskit.data import ItemList, ItemListCollection
    from lenskit.metrics import NDCG, Hit, LogRankWeight, Precision, Recall, RecipRank, RunAnalysis
    from lenskit.metrics.ranking import AveragePrecision

    made = {"recall": Recall, "precision": Precision, "map": AveragePrecision, "mrr": RecipRank, "hit_rate": Hit}
    metrics = {name: metric(n=case.k) for name, metric in made.items()}
    metrics["ndcg"] = NDCG(n=case.k, weight=LogRankWeight(offset=offset))
    lists, truth = ItemListCollection(["user_id"]), ItemListCollection(["user_id"])
    for member, (listed, relevant) in enumerate(zip(case.lists, case.relevant, strict=True)):
        lists.add(ItemList(item_ids=np.array(listed), ordered=True), user_id=member)
        truth.add(ItemList(item_ids=np.array(relevant, dtype=np.int64)), user_id=member)
    found = {}
    for name, metric in metrics.items():
        with contextlib.suppress(ZeroDivisionError):
            found[name] = float(RunAnalysis(metric).measure(lists, truth).list_summary()["mean"].iloc[0])
    return found


def mlflow(case: Case) -> Answers:
    """MLflow's mean of the three list metrics that it has."""
    from mlflow import metrics

    made = {"ndcg": metrics.ndcg_at_k, "recall": metrics.recall_at_k, "precision": metrics.precision_at_k}
    lists, truth = (pd.Series([[str(code) for code in one] for one in side]) for side in (case.lists, case.relevant))
    return {
        name: float(metric(case.k).eval_fn(lists, truth).aggregate_results["mean"]) for name, metric in made.items()
    }


def evidently(case: Case) -> Answers:
    """Evidently's, the row of its answer that it labels with rank k."""
    from evidently import DataDefinition, Dataset, Recsys, Report
    from evidently import metrics as theirs

    rows = []
    for member, (listed, relevant) in enumerate(zip(case.lists, case.relevant, strict=True)):
        rows += [(member, code, int(code in relevant), place) for place, code in enumerate(listed, 1)]
        rows += [(member, -place, 0, place) for place in range(len(listed) + 1, case.k + 1)]
        unlisted = [code for code in relevant if code not in listed]
        rows += [(member, code, 1, case.k + place) for place, code in enumerate(unlisted, 1)]
    table = pd.DataFrame(rows, columns=["user_id", "item_id", "target", "prediction"])
    table = table.iloc[::-1].reset_index(drop=True) if case.backwards else table
    if case.scores:
        table["prediction"] = case.scores
    kind = Recsys(recommendations_type="score" if case.scores else "rank")
    data = Dataset.from_pandas(table, data_definition=DataDefinition(ranking=[kind]))
    found = {}
    for name, metric in EVIDENTLY.items():
        snapshot = Report([getattr(theirs, metric)(k=case.k)]).run(data, None)
        answer = next(iter(snapshot.metric_results.values())).value
        labelled = answer.loc[answer["rank"] == case.k, "value"]
        found[name] = float(labelled.iloc[0]) if len(labelled) else nan
    return found


def printed(value: float | None) -> str:
    """A cell of the table."""
    return f"{'-':>13}" if value is None or value != value else f"{value:13.6f}"


def gini_row() -> bool:
    """One figure of the catalogue: four titles, shown 3, 1, 0 and 0 times."""
    from lenskit.stats import gini

    by_hand = (-3 * 0 - 1 * 0 + 1 * 1 + 3 * 3) / (4 * (3 + 1))
    found = popularity_bias(np.array([[0, 1], [0, -1], [0, -1]]), 4, 2)
    cells = [by_hand, found, gini([3, 1, 0, 0]), gini([3, 1, 0, 0]), None, None]
    print(f"{'titles shown 3, 1, 0, 0 times':<36}{'gini':<12}" + "".join(printed(cell) for cell in cells))
    return isclose(found, by_hand, abs_tol=1e-12)


def main() -> int:
    """1 where one of our answers is not the one worked by hand."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    heads = ("by hand", "Marquee", "LensKit", "as it comes", "MLflow", "Evidently")
    print(f"{'case':<36}{'metric':<12}" + "".join(f"{head:>13}" for head in heads))
    bars = []
    for case in CASES:
        with contextlib.redirect_stderr(io.StringIO()):
            answers = [ours(case), lenskit(case, 1), lenskit(case, 0), mlflow(case), evidently(case)]
        for name, value in case.by_hand.items():
            cells = "".join(printed(cell) for cell in (value, *(each.get(name) for each in answers)))
            print(f"{case.name:<36}{f'{name}@{case.k}':<12}{cells}")
        right = [isclose(answers[0][name], value, abs_tol=1e-12) for name, value in case.by_hand.items()]
        bars.append((case.name, sum(right), len(right)))
    bars.append(("titles shown 3, 1, 0, 0 times", int(gini_row()), 1))
    for name, hits, of in bars:
        print(f"bar: as worked by hand: {name} | {hits} of {of} | all | {'met' if hits == of else 'missed'}")
    return 0 if all(hits == of for _, hits, of in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
