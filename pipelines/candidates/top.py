"""Picking the best k of scores: exact, of equal scores the lower code first."""

from collections.abc import Iterable, Sequence

import numpy as np

from pipelines.core.contracts import Codes, Floats, History, Ids

SAMPLED = 8
"""Of so many scores one is looked at to guess the k-th best; a wrong guess costs time and nothing else."""

TABLE = 1 << 17
"""Codes below it are told apart by a table of all codes, which is quicker than sorting while it fits the cache."""


def codes_of(catalogue: Ids) -> dict[str, int]:
    """The code of each media id: its place in the catalogue."""
    return {media: code for code, media in enumerate(catalogue.tolist())}


def own_codes(histories: Sequence[History], codes: dict[str, int]) -> list[Codes]:
    """The codes of each member's own media, those outside the catalogue left out."""
    return [np.array([codes[m] for m in history.media if m in codes], dtype=np.int64) for history in histories]


def best(scores: Floats, k: int) -> tuple[Codes, Floats]:
    """(n, k) codes and scores, best first; -1 and -inf where a row has fewer than k scores above -inf."""
    return in_rows((_with_scores(best_places(row, k), row) for row in scores), len(scores), k)


def best_sums(codes: Codes, values: Floats, k: int, own: Codes, size: int) -> tuple[Codes, Floats]:
    """One member's (at most k,) best codes, ``own`` left out, by the sum of the values given for each code.

    codes, values: of one length, a code as often as something speaks for it; size: of the catalogue. This is what a
    sparse neighbourhood adds up to, at the cost of what is named and not of the catalogue.
    """
    named, place = distinct(np.concatenate([codes, own]), size)
    total = np.bincount(place[: len(codes)], weights=values, minlength=len(named)).astype(np.float32)
    total[place[len(codes) :]] = -np.inf
    found = best_places(total, k)
    return named[found], total[found]


def distinct(codes: Codes, size: int) -> tuple[Codes, Codes]:
    """The distinct ones of codes below ``size``, ascending, and where each of the given stands among them."""
    if size > TABLE:
        named, place = np.unique(codes, return_inverse=True)
        return named, place
    held = np.zeros(size, dtype=np.bool_)
    held[codes] = True
    named = np.flatnonzero(held)
    place_of = np.empty(size, dtype=np.int64)
    place_of[named] = np.arange(len(named))
    return named, place_of[codes]


def best_places(scores: Floats, k: int) -> Codes:
    """Places of the k best of (m,) scores, best first, of equal ones the lower first; fewer where fewer are above -inf.

    NaN counts as -inf.
    """
    held = _contenders(scores, k)
    return held[_descending(scores[held])[:k]]


def in_rows(found: Iterable[tuple[Codes, Floats]], n: int, k: int) -> tuple[Codes, Floats]:
    """(n, k) codes and scores of n members' own, each at most k long; -1 and -inf pad."""
    codes = np.full((n, k), -1, dtype=np.int32)
    scores = np.full((n, k), -np.inf, dtype=np.float32)
    for row, (own, values) in enumerate(found):
        codes[row, : len(own)] = own
        scores[row, : len(own)] = values
    return codes, scores


def _with_scores(places: Codes, scores: Floats) -> tuple[Codes, Floats]:
    return places, scores[places]


def _descending(scores: Floats) -> Codes:
    """The stable order of scores, the greatest first; none of them NaN.

    The bits of float32, read as integers, are in order when those of negative numbers are turned round: with the place
    behind them they are one key each, which sorts twice as fast as a stable argsort.
    """
    if scores.dtype != np.float32:
        return np.asarray(np.argsort(-scores, kind="stable"))
    bits = (scores + np.float32(0)).view(np.int32)  # + 0 makes 0 of -0, which is equal to it.
    ascending = np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits).astype(np.int64)
    keys = (~ascending << 32) | np.arange(len(scores))
    keys.sort()
    return np.asarray(keys & 0xFFFFFFFF)


def _contenders(scores: Floats, k: int) -> Codes:
    """Places, ascending, among which are the k best; all that are above -inf where those are at most k."""
    depth = int(k / SAMPLED + 3 * (k / SAMPLED) ** 0.5) + 1
    if 2 * depth < len(scores) // SAMPLED:
        sample = -scores[::SAMPLED]
        sample.partition(depth)
        if sample[depth] < np.inf:
            found = np.flatnonzero(scores >= -sample[depth])
            if len(found) >= k:
                return found
    above = np.flatnonzero(scores > -np.inf)
    if len(above) <= k:
        return above
    turned = -scores[above]
    return np.asarray(above[turned <= np.partition(turned, k - 1)[k - 1]])
