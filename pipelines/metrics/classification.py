"""How good probabilities are: AUC, GAUC, log loss, ECE, and each as a statistic that the bootstrap can resample.

label: (rows,) 0 or 1. score, p: (rows,) finite numbers. Row order never matters.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.core.errors import DataError
from pipelines.metrics.intervals import Floats, Statistic, as_codes, ratio

EPSILON = float(np.finfo(np.float64).eps)
LOWER_IS_BETTER = frozenset({"log_loss", "ece"})
BINS = 15

Members = npt.NDArray[np.int64]


def auc(label: npt.ArrayLike, score: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float:
    """P(a positive scores above a negative) + P(they tie) / 2, of pairs weighted by w_i w_j.

    Range: [0, 1], higher is better; random scores give 0.5. Ties: a tied pair counts half. Without positives: NaN, and
    without negatives. Normalised by: the weight of all pairs of a positive and a negative, of whichever members.
    """
    y, s = _checked(label, score)
    w = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=np.float64)
    if w.shape != y.shape or not (w >= 0).all():
        raise DataError(f"weight has shape {w.shape} for {len(y)} rows: give every row a weight of 0 or more")
    return float(_Pairs.of(y, s).auc(w[None])[0])


def gauc(label: npt.ArrayLike, score: npt.ArrayLike, groups: npt.ArrayLike) -> float:
    """The mean of the members' own AUCs, weighted by their rows, over members with both classes.

    groups: (rows,) the member of each row. Source: Zhu et al., KDD 2017.

    Range: [0, 1], higher is better; random scores give 0.5. Ties: a tied pair counts half. Without positives: a member
    is left out, as one without negatives is; NaN where nobody remains. Normalised by: the rows of those who remain.
    """
    members, codes = as_codes(groups)
    return float(gauc_statistic(label, score, codes, len(members))(np.ones((1, len(members))))[0])


def log_loss(label: npt.ArrayLike, p: npt.ArrayLike) -> float:
    """Mean of -(y ln p + (1 - y) ln(1 - p)), p clipped to [eps, 1 - eps], eps = 2.2e-16, in nats.

    Range: [0, 36.1], lower is better; the constant mean label m gives -(m ln m + (1 - m) ln(1 - m)). Ties: none.
    Without positives: members count all the same. Normalised by: rows, so members with many rows weigh more.
    """
    return float(_losses(*_checked(label, p, probability=True)).mean())


def ece(label: npt.ArrayLike, p: npt.ArrayLike, bins: int = BINS) -> float:
    """Expected calibration error: sum over bins of (rows in bin / rows) x |mean label - mean p|.

    Bins are of equal width over [0, 1], closed above, the first closed below too; an empty one adds nothing. An ECE of
    few rows is too high on average, because chance gaps do not cancel.

    Range: [0, 1], lower is better. Ties: rows of equal p share a bin. Without positives: members count all the same.
    Normalised by: rows.
    """
    y, q = _checked(label, p, probability=True)
    gaps = np.bincount(_bin(q, bins), weights=y - q, minlength=bins)
    return float(np.abs(gaps).sum() / len(y))


def auc_statistic(label: npt.ArrayLike, score: npt.ArrayLike, members: Members, count: int) -> Statistic:
    """AUC under member multiplicities: rows are sorted once, then weighted anew for each resample."""
    y, s = _checked(label, score)
    pairs = _Pairs.of(y, s)
    return pairs._replace(positives=members[pairs.positives], negatives=members[pairs.negatives]).auc


def gauc_statistic(label: npt.ArrayLike, score: npt.ArrayLike, members: Members, count: int) -> Statistic:
    """GAUC under member multiplicities: a member's own AUC and rows stay what they are."""
    y, s = _checked(label, score)
    own, rows = _member_auc(y, s, members, count)
    counted = np.where(np.isnan(own), 0.0, rows)
    return ratio(np.nan_to_num(own) * counted, counted)


def log_loss_statistic(label: npt.ArrayLike, p: npt.ArrayLike, members: Members, count: int) -> Statistic:
    """Log loss under member multiplicities."""
    losses = _losses(*_checked(label, p, probability=True))
    return ratio(
        np.bincount(members, weights=losses, minlength=count), np.bincount(members, minlength=count).astype(np.float64)
    )


def ece_statistic(label: npt.ArrayLike, p: npt.ArrayLike, members: Members, count: int) -> Statistic:
    """ECE under member multiplicities; equal-width bins do not move with the resample."""
    y, q = _checked(label, p, probability=True)
    cells = np.bincount(members * BINS + _bin(q, BINS), weights=y - q, minlength=count * BINS).reshape(count, BINS)
    rows = np.bincount(members, minlength=count).astype(np.float64)
    return lambda counts: np.abs(counts @ cells).sum(axis=1) / np.maximum(counts @ rows, 1.0)


RowStatistic = Callable[[npt.ArrayLike, npt.ArrayLike, Members, int], Statistic]
STATISTICS: dict[str, RowStatistic] = {
    "auc": auc_statistic,
    "gauc": gauc_statistic,
    "log_loss": log_loss_statistic,
    "ece": ece_statistic,
}
"""Every row metric by name: (label, score, member code of each row, number of members) -> its statistic."""


class _Pairs(NamedTuple):
    """positives, negatives: rows (or the members who own them) in order of score. For each positive, how many negatives
    score below it (``below``) and how many not above it (``not_above``): what lies between are ties."""

    positives: Members
    negatives: Members
    below: Members
    not_above: Members

    @classmethod
    def of(cls, label: Floats, score: Floats) -> "_Pairs":
        order = np.argsort(score, kind="stable")
        positives, negatives = order[label[order] == 1], order[label[order] == 0]
        below, not_above = (np.searchsorted(score[negatives], score[positives], side) for side in ("left", "right"))
        return cls(positives, negatives, below, not_above)

    def auc(self, weights: Floats) -> Floats:
        """(r,) weighted AUCs, NaN where one class has no weight. weights: (r, rows), or (r, members)."""
        won, gained, beaten = (np.zeros(n) for n in (len(self.negatives) + 1, len(self.positives), len(self.positives)))
        answer: Floats = np.full(len(weights), np.nan)
        # Arrays are reused, and einsum starts no threads: on busy cores both cost more than the sums themselves.
        for place, weight in enumerate(weights):
            np.take(weight, self.negatives, out=won[1:], mode="clip")
            np.cumsum(won, out=won)
            np.take(weight, self.positives, out=gained, mode="clip")
            twice = np.einsum("i,i", gained, np.take(won, self.below, out=beaten, mode="clip"))
            twice += np.einsum("i,i", gained, np.take(won, self.not_above, out=beaten, mode="clip"))
            pairs = gained.sum() * won[-1]
            if pairs > 0:
                answer[place] = twice / (2 * pairs)
        return answer


def _member_auc(label: Floats, score: Floats, members: Members, count: int) -> tuple[Floats, Floats]:
    """(count,) AUC of each member's own rows, NaN without both classes, and (count,) rows, by Mann-Whitney ranks."""
    order = np.lexsort((score, members))
    owner, y = members[order], label[order]
    ends = _tie_ends(score[order], owner)
    starts = np.concatenate([[0], ends[:-1] + 1])
    rows = np.bincount(members, minlength=count).astype(np.float64)
    before = np.cumsum(rows) - rows
    rank = np.repeat((starts + ends) / 2 + 1, ends - starts + 1) - before[owner]
    positives = np.bincount(owner, weights=y, minlength=count)
    above = np.bincount(owner, weights=rank * y, minlength=count) - positives * (positives + 1) / 2
    pairs = positives * (rows - positives)
    return np.divide(above, pairs, out=np.full(count, np.nan), where=pairs > 0), rows


def _tie_ends(score: Floats, owner: Members) -> Members:
    """The last row of each run of equal scores within an owner, rows sorted by owner and score."""
    moves = (np.diff(score) != 0) | (np.diff(owner) != 0)
    return np.append(np.flatnonzero(moves), len(score) - 1)


def _losses(label: Floats, p: Floats) -> Floats:
    q = np.clip(p, EPSILON, 1 - EPSILON)
    return -(label * np.log(q) + (1 - label) * np.log1p(-q))


def _bin(p: Floats, bins: int) -> Members:
    return np.clip(np.ceil(p * bins).astype(np.int64) - 1, 0, bins - 1)


def _checked(label: npt.ArrayLike, score: npt.ArrayLike, probability: bool = False) -> tuple[Floats, Floats]:
    """Both as floats; DataError for no rows, other labels than 0 and 1, NaN, or a probability outside [0, 1]."""
    y, s = np.asarray(label, dtype=np.float64), np.asarray(score, dtype=np.float64)
    if y.ndim != 1 or y.shape != s.shape:
        raise DataError(f"label has shape {y.shape} and score {s.shape}: give one of each a row")
    if not y.size:
        raise DataError("there are no rows to measure: the window is empty")
    _refuse(~np.isin(y, (0.0, 1.0)), y, "label", "0 or 1; leave rows without a label out")
    _refuse(~np.isfinite(s), s, "score", "a finite number")
    if probability:
        _refuse((s < 0) | (s > 1), s, "probability", "in [0, 1]")
    return y, s


def _refuse(wrong: npt.NDArray[np.bool_], values: npt.NDArray[Any], name: str, rule: str) -> None:
    if wrong.any():
        at = int(np.argmax(wrong))
        raise DataError(f"{name} of row {at} is {values[at]} ({int(wrong.sum())} such rows): it must be {rule}")
