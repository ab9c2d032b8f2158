"""Held-out scores with intervals: of labelled rows, and of ordered lists. The intervals resample members."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.core.errors import DataError
from pipelines.metrics import ranking
from pipelines.metrics.classification import STATISTICS
from pipelines.metrics.intervals import (
    Floats,
    Interval,
    as_codes,
    bootstrap_centred,
    bootstrap_means,
    bootstrap_statistic,
)
from pipelines.metrics.judging import Codes, Relevant
from pipelines.metrics.propensity import IPS, Drawn, ips_dcg, skewed_mean

RESAMPLES = 1000
ROW_RESAMPLES = 300
"""Fewer for rows, because AUC weighs every row anew in each resample."""


@dataclass(frozen=True)
class ListEvidence:
    """members: (n,) ids. values: metric -> (n,) figures a member, NaN = nothing relevant. intervals: metric -> mean."""

    members: npt.NDArray[np.str_]
    values: Mapping[str, Floats]
    intervals: Mapping[str, Interval]


def evaluate_rows(
    label: npt.ArrayLike, probability: npt.ArrayLike, groups: npt.ArrayLike, seed: int, resamples: int = ROW_RESAMPLES
) -> dict[str, Interval]:
    """AUC, GAUC, log loss and ECE of labelled rows, each with its interval over members.

    label: (rows,) 0 or 1. probability: (rows,). groups: (rows,) the member of each. DataError where there are no rows.
    """
    members, codes = as_codes(groups)
    if len(codes) != np.size(label):
        raise DataError(f"groups names {len(codes)} members for {np.size(label)} rows: give the member of every row")
    answer = {}
    for name, make in STATISTICS.items():
        bootstrap = bootstrap_centred if name == "ece" else bootstrap_statistic
        answer[name] = bootstrap(len(members), make(label, probability, codes, len(members)), seed, resamples)
    return answer


def evaluate_lists(
    ranked: Codes,
    relevant: Relevant,
    k: int,
    seed: int,
    *,
    members: npt.ArrayLike | None = None,
    depth: int = 100,
    drawn: Drawn | None = None,
) -> ListEvidence:
    """NDCG, mAP, mAR and their F1 at ``k`` and recall at ``depth``, a figure a member and means with intervals; where
    slots of known propensity are given as ``drawn``, the inverse-propensity DCG at ``k`` too.

    ranked: (n, width) codes, best first, -1 pads. relevant: n arrays of codes, or the same as Ragged. members: (n,)
    ids; their places if not given. F1 is of the means mAP and mAR, resampled jointly, and so has no figure a member.
    """
    if not len(relevant):
        raise DataError("there are no members to measure: the window is empty")
    at_k = ranking.measure(ranked, relevant, k, ("ndcg", "map", "mar"))
    values = {f"{name}@{k}": each for name, each in at_k.items()}
    values[f"recall@{depth}"] = ranking.recall(ranked, relevant, depth)
    intervals = bootstrap_means(values, seed, RESAMPLES)
    if drawn is not None:
        weighed = f"{IPS}dcg@{k}"
        values[weighed] = ips_dcg(ranked, drawn, k)
        intervals[weighed] = skewed_mean(values[weighed])
    intervals[f"f1@{k}"] = _f1_interval(values[f"map@{k}"], values[f"mar@{k}"], seed)
    ids = np.arange(len(relevant)) if members is None else np.asarray(members)
    if len(ids) != len(relevant):
        raise DataError(f"members holds {len(ids)} ids for {len(relevant)} lists: name the member of every list")
    return ListEvidence(ids.astype(np.str_), values, intervals)


def _f1_interval(precision: Floats, recall: Floats, seed: int) -> Interval:
    """F1 of the two means; members without a figure are left out."""
    held = ~np.isnan(precision)
    p, r = precision[held], recall[held]
    return bootstrap_statistic(len(p), lambda counts: ranking.f1(counts @ p, counts @ r) / len(p), seed, RESAMPLES)
