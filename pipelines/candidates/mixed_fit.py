"""How mixed effects are learnt: a ridge logistic regression on impressions, each family of effects with a spread of its
own, and how far members part from their kind.

Every column of a family is scaled by the family's standard deviation, so that one unit ridge is the prior of all. The
deviations are learnt by expectation and maximisation with a diagonal Laplace approximation (MacKay, Bayesian
Interpolation, 1992): a family that tells nothing shrinks to nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from scipy.special import expit

from pipelines.candidates.attributes import (
    OF_MEMBER,
    Vocabulary,
    chosen,
    of_media,
    of_member,
    vocabulary,
)
from pipelines.candidates.members import contexts
from pipelines.candidates.mixed_effects import FittedMixedEffects, MixedEffects
from pipelines.candidates.top import codes_of
from pipelines.core.contracts import DEVICE, Floats, History, Ids, Interactions, Shown

Places = npt.NDArray[np.int64]
POSITIONS = 30
"""Positions from here on are one."""
AGES = (1.0, 3.0, 7.0, 14.0, 30.0, 90.0)
"""Days on the platform between which new titles are told apart."""
START, LEAST, MOST, FREE = 0.3, 0.02, 3.0, 100.0
"""The standard deviation that every family of effects begins with, its bounds, and that of the intercept."""
STEPS, ENOUGH = 60, 1e-7
"""The most steps of a fit, and the share of the loss that is not worth another."""
TRIED, LATER = 1500, 0.15
"""Members on whose latest share of impressions the own effects are tried."""


@dataclass(frozen=True)
class Rows:
    """(n,) of the impressions: the place of the title, of the kind of member, of the member; and what came of them."""

    media: Places
    kind: Places
    member: Places
    engaged: Floats
    position: Places
    age: Places


def learn(interactions: Interactions, config: MixedEffects, *, seed: int) -> FittedMixedEffects:
    """Fit; where nothing was shown and nothing watched, worths are NaN and nobody is answered."""
    shown = _latest(interactions.shown or _drawn(interactions, config, seed), interactions.catalogue, config)
    words, groups = of_media(interactions.media_table) if interactions.media_table else ([], ())
    titles = vocabulary(words, groups, config.most_words)
    attributes = titles.fill(words) if words else np.zeros((len(interactions.catalogue), 0), np.float32)
    if not len(shown.users) or not shown.engaged.any():
        return _nothing(interactions.catalogue, attributes, titles)
    kinds, kind = _kinds(shown, interactions)
    members = vocabulary([of_member(k) for k in kinds], OF_MEMBER, config.most_words)
    rows = _rows(shown, interactions, kind)
    fixed, odds = _fixed(rows, kinds, attributes, titles, members, config)
    weight = np.bincount(rows.media, expit(odds), minlength=len(attributes))
    fitted = _with_habits(replace(fixed, catalogue=interactions.catalogue), weight / weight.sum())
    return replace(fitted, own=_own(fitted, rows, odds, kinds, interactions.catalogue, config, seed))


def _nothing(catalogue: Ids, attributes: Floats, titles: Vocabulary) -> FittedMixedEffects:
    d, nan = attributes.shape[1], np.full(len(catalogue), np.nan, dtype=np.float32)
    none = np.zeros((0, d), np.float32)
    zeros = np.zeros(d, np.float32)
    return FittedMixedEffects(
        catalogue, nan, attributes, titles, Vocabulary({}), none, np.zeros(2), zeros, np.eye(d), zeros, {}
    )


def _latest(shown: Shown, catalogue: Ids, config: MixedEffects) -> Shown:
    """The latest impressions of titles that are still in the catalogue."""
    held = np.flatnonzero(np.isin(shown.media.astype(str), catalogue.astype(str)))
    held = held[np.argsort(shown.at[held], kind="stable")][-config.most_rows :]
    return Shown(*(getattr(shown, name)[held] for name in Shown.__dataclass_fields__))


def _drawn(interactions: Interactions, config: MixedEffects, seed: int) -> Shown:
    """Each watch, and titles drawn uniformly for the same member and moment: where nobody logged what was shown."""
    rng, n = np.random.default_rng(seed), len(interactions.users)
    times = round(config.negatives)
    media = [interactions.media, rng.choice(interactions.catalogue, n * times)] if n else [interactions.media]
    device = interactions.device if interactions.device is not None else np.full(n, None, dtype=object)
    repeats = 1 + (times if n else 0)
    return Shown(
        users=np.tile(interactions.users, repeats),
        media=np.concatenate(media).astype(str),
        at=np.tile(interactions.at, repeats),
        engaged=np.r_[np.ones(n), np.zeros(n * times)].astype(np.float32),
        position=np.full(n * repeats, np.nan, dtype=np.float32),
        device=np.tile(device, repeats),
    )


def _kinds(shown: Shown, interactions: Interactions) -> tuple[list[Mapping[str, object]], Places]:
    """What is known of each member on each device, once each, and (n,) which of them an impression is of."""
    known = dict(contexts(interactions.member_table)) if interactions.member_table is not None else {}
    pairs = pd.MultiIndex.from_arrays([shown.users, pd.Series(shown.device, dtype=object)])
    place, distinct = pd.factorize(pairs)
    found: list[Mapping[str, object]] = []
    for user, device in distinct:
        said = {DEVICE: device} if isinstance(device, str) else {}
        found.append({**known.get(str(user), {}), **said})
    return found, np.asarray(place, dtype=np.int64)


def _rows(shown: Shown, interactions: Interactions, kind: Places) -> Rows:
    code = codes_of(interactions.catalogue)
    media = np.array([code[m] for m in shown.media.tolist()], dtype=np.int64)
    _, member = np.unique(shown.users, return_inverse=True)
    known = np.isfinite(shown.position)
    position = np.where(known, np.clip(np.nan_to_num(shown.position), 0, POSITIONS - 1), POSITIONS)
    age = np.full(len(media), len(AGES) + 1)
    if interactions.media_table is not None:
        came = interactions.media_table["platform_at"].cast(pa.timestamp("us")).to_numpy()[media]
        days = (shown.at - came) / np.timedelta64(1, "D")
        age = np.where(np.isnat(came), len(AGES) + 1, np.searchsorted(AGES, np.nan_to_num(days), side="right"))
    return Rows(media, kind, member, shown.engaged.astype(np.float64), position.astype(np.int64), age)


def _fixed(
    rows: Rows,
    kinds: Sequence[Mapping[str, object]],
    attributes: Floats,
    titles: Vocabulary,
    members: Vocabulary,
    config: MixedEffects,
) -> tuple[FittedMixedEffects, Floats]:
    """The worths and the effects of kinds, and (n,) the log odds of every row as fitted."""
    from scipy import sparse

    who = sparse.csr_matrix(members.fill([of_member(k) for k in kinds]))
    what = sparse.csr_matrix(attributes)
    alike = _likeness(kinds, titles)
    families: list[tuple[str, Any]] = [
        ("title", _one_hot(rows.media, len(attributes))),
        ("attributes", what[rows.media]),
        ("member", _one_hot(rows.member, int(rows.member.max()) + 1)),
        ("position", _one_hot(rows.position, POSITIONS + 1)),
        ("age", _one_hot(rows.age, len(AGES) + 2)),
        ("words", who[rows.kind]),
        *(
            (f"likeness {n}", sparse.csr_matrix(np.asarray(of[rows.kind].multiply(what[rows.media]).sum(axis=1))))
            for n, of in enumerate(alike)
        ),
    ]
    crossed = [(a, b) for a in members.spans for b in titles.spans if members.groups[a] and titles.groups[b]]
    for a, b in crossed:
        each = _crossed(who[:, members.spans[a]][rows.kind], what[:, titles.spans[b]][rows.media])
        families.append((f"{a} x {b}", each))
    effects, odds = _ridge([family for _, family in families], rows.engaged, config.rounds)
    by_name = dict(zip((name for name, _ in families), effects, strict=True))
    crosses = np.zeros((len(members), len(titles)), dtype=np.float32)
    for a, b in crossed:
        shape = (len(members.groups[a]), len(titles.groups[b]))
        crosses[members.spans[a], titles.spans[b]] = by_name[f"{a} x {b}"].reshape(shape)
    worth = (by_name["title"] + attributes @ by_name["attributes"]).astype(np.float32)
    likeness = np.array([by_name[f"likeness {n}"][0] for n in range(len(alike))])
    d = len(titles)
    none = np.zeros(d, np.float32)
    fitted = FittedMixedEffects(
        np.array([]), worth, attributes, titles, members, crosses, likeness, none, np.eye(d), none, {}
    )
    return fitted, odds


def _likeness(kinds: Sequence[Mapping[str, object]], titles: Vocabulary) -> list[Any]:
    """(kinds, d) twice: the columns of the member's language, and of the genres chosen at onboarding."""
    from scipy import sparse

    said = ((("original_language"), lambda k: of_member(k)["language"]), ("genres", chosen))
    found = []
    for group, words_of in said:
        pairs = [
            (row, titles.column[group, word])
            for row, known in enumerate(kinds)
            for word in words_of(known)
            if (group, word) in titles.column
        ]
        where = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        found.append(sparse.csr_matrix((np.ones(len(pairs)), where), shape=(len(kinds), len(titles))))
    return found


def _one_hot(codes: Places, size: int) -> Any:
    from scipy import sparse

    return sparse.csr_matrix((np.ones(len(codes)), codes, np.arange(len(codes) + 1)), shape=(len(codes), size))


def _crossed(a: Any, b: Any) -> Any:
    """(n, p * q) the products of every column of (n, p) with every one of (n, q), row by row."""
    from scipy import sparse

    in_a, in_b = np.diff(a.indptr), np.diff(b.indptr)
    count = in_a * in_b
    row = np.repeat(np.arange(len(count)), count)
    within = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    left, right = a.indptr[row] + within // in_b[row], b.indptr[row] + within % in_b[row]
    column = a.indices[left] * b.shape[1] + b.indices[right]
    return sparse.csr_matrix((a.data[left] * b.data[right], (row, column)), shape=(len(count), a.shape[1] * b.shape[1]))


def _ridge(families: Sequence[Any], engaged: Floats, rounds: int) -> tuple[list[Floats], Floats]:
    """The effects of each family, and (n,) the fitted log odds; zeros where all impressions came out alike."""
    from scipy import sparse

    sizes = [family.shape[1] for family in families]
    rows = sparse.hstack([*families, np.ones((len(engaged), 1))]).tocsr()
    family = np.repeat(np.arange(len(families) + 1), [*sizes, 1])
    spread = np.append(np.full(len(families), START), FREE)
    found = np.zeros(rows.shape[1])
    if engaged.min() < engaged.max():
        squared = rows.multiply(rows).tocsr()
        for _ in range(rounds):
            found, known = _mode(rows, squared, engaged, spread[family] ** -2, found)
            determined = np.bincount(family, 1 - spread[family] ** -2 / known)
            variance = np.bincount(family, found**2) / np.maximum(determined, 1e-9)
            spread[:-1] = np.clip(np.sqrt(variance[:-1]), LEAST, MOST)
    return np.split(found[:-1], np.cumsum(sizes)[:-1]), rows @ found


def _mode(rows: Any, squared: Any, engaged: Floats, ridge: Floats, start: Floats) -> tuple[Floats, Floats]:
    """(p,) the mode of the posterior, and the diagonal of its precision. ridge: (p,) the precision of the prior.

    L-BFGS over effects in units of their posterior deviation, so that rare and common columns are alike to it.
    """
    from scipy.optimize import minimize

    def precision(odds: Floats) -> Floats:
        chance = expit(odds)
        return np.asarray(squared.T @ (chance * (1 - chance)) + ridge)

    unit = 1 / np.sqrt(precision(rows @ start))

    def loss(scaled: Floats) -> tuple[float, Floats]:
        effects = scaled * unit
        odds = rows @ effects
        slope = rows.T @ (expit(odds) - engaged) + ridge * effects
        value = np.logaddexp(0, odds).sum() - engaged @ odds + (ridge * effects**2).sum() / 2
        return float(value), slope * unit

    options = {"maxiter": STEPS, "ftol": ENOUGH}
    found = minimize(loss, start / unit, jac=True, method="L-BFGS-B", options=options).x * unit
    return found, precision(rows @ found)


def _with_habits(fitted: FittedMixedEffects, weight: Floats) -> FittedMixedEffects:
    """weight: (len(catalogue),) how much of all that is watched each title is expected to be."""
    mean = weight @ fitted.attributes
    around = fitted.attributes - mean
    spread, axes = np.linalg.eigh((around * weight[:, None]).T @ around)
    return replace(
        fitted,
        mean=mean.astype(np.float32),
        axes=axes.astype(np.float32),
        spread=np.maximum(spread, 0).astype(np.float32),
    )


def _own(
    fitted: FittedMixedEffects,
    rows: Rows,
    odds: Floats,
    kinds: Sequence[Mapping[str, object]],
    catalogue: Ids,
    config: MixedEffects,
    seed: int,
) -> dict[str, float]:
    """Which spreads of own effects make the latest impressions of members the likeliest, from their watches before."""
    groups = [group for group, words in fitted.titles.groups.items() if words]
    cut = round((1 - LATER) * len(rows.media))
    later = np.unique(rows.member[cut:])
    if len(later) > TRIED:
        later = np.random.default_rng(seed).choice(later, TRIED, replace=False)
    chosen_rows = np.isin(rows.member, later)
    before = np.flatnonzero(chosen_rows & (np.arange(len(cut_mask := rows.media)) < cut) & (rows.engaged > 0))
    after = np.flatnonzero(chosen_rows & (np.arange(len(cut_mask)) >= cut))
    watched: dict[int, list[str]] = {}
    for member, media in zip(rows.member[before].tolist(), rows.media[before].tolist(), strict=True):
        watched.setdefault(member, []).append(str(catalogue[media]))
    of_kind = {int(m): int(k) for m, k in zip(rows.member[after], rows.kind[after], strict=True)}
    asked = [m for m in of_kind if m in watched]
    if not asked:
        return {}
    place = {m: n for n, m in enumerate(asked)}
    held = np.array([place.get(m, -1) for m in rows.member[after].tolist()])
    after, held = after[held >= 0], held[held >= 0]
    histories = [_history(watched[m], kinds[of_kind[m]]) for m in asked]
    known = (fitted.of_kinds(histories), *fitted.watched(histories))

    def likelihood(own: Mapping[str, float]) -> float:
        alone = replace(fitted, own=own).alone(*known)[held]
        moved = odds[after] + (alone * fitted.attributes[rows.media[after]]).sum(axis=1)
        return float((rows.engaged[after] * moved - np.logaddexp(0, moved)).mean())

    found = max((dict.fromkeys(groups, own) for own in config.own_effects), key=likelihood)
    for group in groups:
        found = max(({**found, group: own} for own in config.own_effects), key=likelihood)
    return found


def _history(media: Sequence[str], known: Mapping[str, object]) -> History:
    recent = tuple(dict.fromkeys(reversed(media)))[:100][::-1]
    return History(recent, (1.0,) * len(recent), known)
