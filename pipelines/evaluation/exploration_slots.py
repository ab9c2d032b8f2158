"""Exploration slots as the lake holds them: what could have stood there, how probable it was, what did stand there.

An off-policy estimate of a release on them asks one question: of these titles, which would the release have put here?
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.core.draws import tempered
from pipelines.core.errors import DataError
from pipelines.evaluation.logged import Logged, Target
from pipelines.metrics.intervals import Floats

COLUMNS = ("impression_id", "user_id", "media_id", "propensity", "action_set", "action_propensities")
TOLERANCE = 1e-6
REMEDY = "the log is not what was drawn: leave the impression out"
Text = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Slots:
    """n impressions of exploration slots. ids, members: (n,). shown: (n,) the place of what was shown in its set.

    actions: (n, width) media ids, "" pads. propensities: (n, width), 0 pads.
    """

    ids: Text
    members: Text
    shown: npt.NDArray[np.int64]
    actions: Text
    propensities: Floats

    def __len__(self) -> int:
        return len(self.ids)

    def of_shown(self, values: npt.ArrayLike) -> Floats:
        """(n,) of (n, width) values, those of what was shown."""
        held = np.asarray(values, dtype=np.float64)
        if held.shape != self.actions.shape:
            raise DataError(f"values have shape {held.shape} for action sets of {self.actions.shape}: one an action")
        return np.asarray(held[np.arange(len(self)), self.shown])

    def taken(self, rows: npt.ArrayLike) -> "Slots":
        """Some of them, by place or by a mask."""
        return Slots(**{f.name: getattr(self, f.name)[np.asarray(rows)] for f in fields(self)})

    def scores(self, answers: Sequence[Mapping[str, float]]) -> Floats:
        """(n, width) what a release answered for each action: ``answers`` holds media id -> score for each slot in
        turn; NaN where it has none."""
        if len(answers) != len(self):
            raise DataError(f"{len(answers)} answers for {len(self)} slots: ask the release about every slot")
        asked = zip(answers, self.actions.tolist(), strict=True)
        found = [[answer.get(media, np.nan) for media in actions] for answer, actions in asked]
        return np.array(found, dtype=np.float64).reshape(self.actions.shape)

    def logged(self, reward: npt.ArrayLike, predicted: npt.ArrayLike | None = None) -> Logged:
        """The rows to estimate from. reward: (n,). predicted: (n, width) a model's expectation of every action."""
        drawn = self.of_shown(self.propensities)
        return Logged.of(reward, drawn, self.members, None if predicted is None else self.of_shown(predicted))

    def target(self, probabilities: npt.ArrayLike, predicted: npt.ArrayLike | None = None) -> Target:
        """A policy that puts each action here with (n, width) ``probabilities``; a row of 0 = it would put none of
        them. predicted: as in ``logged``."""
        chances, could = np.asarray(probabilities, dtype=np.float64), self.propensities > 0
        shown = self.of_shown(chances)
        support = np.where(could, chances, 0.0).sum(axis=1)
        if predicted is None:
            return Target.of(shown, support)
        expected = np.asarray(predicted, dtype=np.float64)
        self.of_shown(expected)
        return Target.of(shown, support, np.where(chances > 0, chances * expected, 0.0).sum(axis=1))


def exploration_slots(impressions: pa.Table) -> Slots:
    """Those of the impressions that were drawn from a logged action set, in their order.

    Raises:
        DataError: names an impression whose set, probabilities and title do not fit each other, or a missing column.
    """
    absent = [name for name in COLUMNS if name not in impressions.column_names]
    if absent:
        raise DataError(f"impressions have no column {absent[0]}: read them from the lake with {', '.join(COLUMNS)}")
    drawn = impressions.filter(pc.is_valid(impressions["action_set"])).select(list(COLUMNS)).combine_chunks()
    ids = _objects(drawn["impression_id"])
    sizes = pc.list_value_length(drawn["action_set"]).to_numpy(zero_copy_only=False).astype(np.int64)
    chances = pc.list_value_length(drawn["action_propensities"]).fill_null(-1)
    _refuse(ids, chances.to_numpy(zero_copy_only=False) != sizes, "has not one probability for each of its action set")
    actions = np.full((len(ids), int(sizes.max(initial=1))), "", dtype=object)
    propensities = np.zeros(actions.shape)
    place = np.arange(actions.shape[1]) < sizes[:, None]
    actions[place] = _objects(pc.list_flatten(drawn["action_set"]))
    flat = pc.list_flatten(drawn["action_propensities"])
    propensities[place] = flat.to_numpy(zero_copy_only=False).astype(np.float64)
    is_shown = (actions == _objects(drawn["media_id"])[:, None]) & place
    _refuse(ids, is_shown.sum(axis=1) != 1, "shows a title that is not once in its action set")
    slots = Slots(ids, _objects(drawn["user_id"]), is_shown.argmax(axis=1), actions, propensities)
    _check_chances(slots, drawn["propensity"].fill_null(np.nan).to_numpy())
    return slots


def first_choice(scores: npt.ArrayLike) -> Floats:
    """(n, width) probabilities of a release that puts its best title first: 1 for the highest score, the first of equal
    ones; a row of NaN gets 0 throughout."""
    held = np.asarray(scores, dtype=np.float64)
    known = np.where(np.isnan(held), -np.inf, held)
    chosen: Floats = np.zeros(held.shape)
    rows = np.flatnonzero(np.isfinite(known).any(axis=1)) if held.size else np.empty(0, dtype=np.int64)
    chosen[rows, known[rows].argmax(axis=1)] = 1.0
    return chosen


def own_draw(scores: npt.ArrayLike, *, temperature: float, uniform: float) -> Floats:
    """(n, width) probabilities of a release that explores here itself, by its own scores and settings."""
    return np.asarray(tempered(np.asarray(scores, dtype=np.float64), temperature, uniform))


def _check_chances(slots: Slots, propensity: Floats) -> None:
    total = slots.propensities.sum(axis=1)
    bad = ~(np.abs(total - 1) <= TOLERANCE) | ~(slots.propensities >= 0).all(axis=1)
    _refuse(slots.ids, bad, "has probabilities that are not 1 in all")
    apart = ~(np.abs(slots.of_shown(slots.propensities) - propensity) <= TOLERANCE)
    _refuse(slots.ids, apart, "has another propensity than its title has in the action set")


def _refuse(ids: Text, bad: npt.NDArray[np.bool_], what: str) -> None:
    if bad.any():
        raise DataError(f"impression {ids[int(np.argmax(bad))]} {what} ({int(bad.sum())} such): {REMEDY}")


def _objects(column: Any) -> Text:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=object)
