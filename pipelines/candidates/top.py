"""Picking the best k of a row of scores: exact, vectorised, ties broken by the lower code."""

from collections.abc import Sequence

import numpy as np

from pipelines.core.contracts import Codes, Floats, History, Ids


def codes_of(catalogue: Ids) -> dict[str, int]:
    """The code of each media id: its place in the catalogue."""
    return {media: code for code, media in enumerate(catalogue.tolist())}


def leave_out(scores: Floats, histories: Sequence[History], codes: dict[str, int]) -> None:
    """Set each member's own media to -inf, in place; scores is (len(histories), len(catalogue))."""
    for row, history in enumerate(histories):
        seen = [codes[media] for media in history.media if media in codes]
        scores[row, seen] = -np.inf


def best(scores: Floats, k: int) -> tuple[Codes, Floats]:
    """(n, k) codes and scores, best first; -1 and -inf where a row has fewer than k finite scores."""
    n, size = scores.shape
    take = min(k, size)
    # Two passes: argpartition finds the k best in linear time, and only those are sorted.
    part = np.argpartition(-scores, take - 1, axis=1)[:, :take] if take < size else np.tile(np.arange(size), (n, 1))
    values = np.take_along_axis(scores, part, axis=1)
    order = np.lexsort((part, -values), axis=1)
    codes = np.full((n, k), -1, dtype=np.int32)
    kept = np.full((n, k), -np.inf, dtype=np.float32)
    codes[:, :take] = np.take_along_axis(part, order, axis=1)
    kept[:, :take] = np.take_along_axis(values, order, axis=1)
    codes[~np.isfinite(kept)] = -1
    return codes, kept
