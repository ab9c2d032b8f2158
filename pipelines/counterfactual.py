"""What releases would have earned in the exploration slots of past days: each is asked again about what was logged.

A release's policy there is its first choice: of the titles that could have been drawn, the one that its ranker finds
most probable to be watched, as of the beginning of the day. The logged propensities need no replay; a replay of the
release that served finds them again where the features of that moment are those of the day's beginning.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.candidates.interactions import asked_on
from pipelines.core import days
from pipelines.core.contracts import Codes, Floats
from pipelines.core.errors import DataError, ReleaseError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.evaluation.exploration_slots import Slots, exploration_slots, first_choice
from pipelines.evaluation.logged import Logged, Target
from pipelines.evaluation.off_policy import Difference, Method, compare
from pipelines.evaluation.overlap import DEFAULT_RULES, SupportRules
from pipelines.judgement import member_rows
from pipelines.page import Pager, PageRequest
from pipelines.released import LoadedRelease
from pipelines.snapshot import MediaSnapshot, write
from pipelines.training_data import rows as labelled
from pipelines.training_data.sampled import SamplingConfig

ASKED, HOME = ["user_id", "request_id", "shown_at", "device", "surface"], "home"


@dataclass(frozen=True)
class Explored:
    """n matured exploration slots. reward: (n,) 1 where the title was watched. requests, days: n, the pages' own."""

    slots: Slots
    reward: Floats
    requests: Sequence[PageRequest]
    days: Sequence[date]


def explored(settings: Settings, first: date, last: date, *, known_by: datetime | None = None) -> Explored:
    """The exploration slots of the days ``first`` to ``last`` whose outcome was known before ``known_by`` (None = all).

    Raises:
        DataError: where those days hold none, or the log contradicts itself.
    """
    lake = Lake(settings.lake_path)
    found = labelled.read(lake, first, last, known_by=known_by, labels=None, sampling=SamplingConfig(), seed=0).frame
    outcome = dict(zip(found["impression_id"], found["watched"], strict=True))
    if not lake.days("impressions", first, last):
        raise DataError(f"no impression was logged from {first} to {last}: import them, or choose other days")
    impressions = lake.read("impressions", first, last)
    matured = pc.is_in(impressions["impression_id"], value_set=pa.array(list(outcome), type=pa.string()))
    drawn = impressions.filter(pc.and_(matured, pc.is_valid(impressions["action_set"])))
    if not drawn.num_rows:
        raise DataError(f"no slot explored from {first} to {last}: choose other days, or give releases slots")
    slots = exploration_slots(drawn)
    reward = np.array([outcome[one] for one in slots.ids.tolist()], dtype=np.float64)
    requests = [_request(row) for row in drawn.select(ASKED).to_pylist()]
    return Explored(slots, reward, requests, [days.of(one.at, lake.dataset.time_zone) for one in requests])


def answers(settings: Settings, releases: Sequence[LoadedRelease], of: Explored) -> list[Floats]:
    """For each release (n, width) probabilities of a watch of every action; NaN for titles that were not there yet."""
    found = [np.full(of.slots.actions.shape, np.nan) for _ in releases]
    for day in sorted(set(of.days)):
        places = [place for place, other in enumerate(of.days) if other == day]
        snapshot, own = _as_of(settings, day, sorted({of.requests[place].user_id for place in places}))
        pagers = [Pager(release, snapshot) for release in releases]
        for place in places:
            request, (there, rows) = of.requests[place], _held(snapshot, of.slots.actions[place])
            history = asked_on(snapshot.history(request.user_id), device=request.device)
            for pager, scores in zip(pagers, found, strict=True):
                features = pager.features(rows, request, own.get(request.user_id, {}), history)
                scores[place, there] = pager.release.ranker.probability(features)
    return found


def weigh(
    settings: Settings,
    challenger: LoadedRelease,
    champion: LoadedRelease,
    first: date,
    last: date,
    *,
    known_by: datetime | None = None,
    method: Method = "dr",
    rules: SupportRules = DEFAULT_RULES,
) -> Difference:
    """What the challenger's first choices would have earned beyond the champion's, in watches a slot.

    The model of "dr" is the champion's ranker.

    Raises:
        ReleaseError: where a release learnt from those days.
        DataError: as of ``explored``.
    """
    for release in (challenger, champion):
        if release.manifest.watermark >= first:
            raise ReleaseError(
                f"release {release.release_id} learnt from days through {release.manifest.watermark}, and the slots "
                f"begin on {first}: choose later days"
            )
    of = explored(settings, first, last, known_by=known_by)
    asked = answers(settings, [challenger, champion], of)
    logged, targets = policies(of, asked, model=asked[1])
    return compare(logged, targets[0], targets[1], method, rules=rules)


def policies(of: Explored, asked: Sequence[Floats], model: Floats) -> tuple[Logged, list[Target]]:
    """The log, and the first choices by each of the answers; with what ``model`` expects, 0 where it cannot say."""
    expected = np.nan_to_num(model)
    return of.slots.logged(of.reward, expected), [of.slots.target(first_choice(one), expected) for one in asked]


def _as_of(settings: Settings, day: date, members: list[str]) -> tuple[MediaSnapshot, dict[str, dict[str, object]]]:
    """The titles, and what the online store would have held of the members, as the day began."""
    at = days.start(day, Lake(settings.lake_path).dataset.time_zone)
    with tempfile.TemporaryDirectory(prefix="explored-") as folder:
        return MediaSnapshot.load(write(settings, at, Path(folder) / "snapshot")), member_rows(settings, members, at)


def _request(row: dict[str, Any]) -> PageRequest:
    surface = row["surface"] or HOME
    return PageRequest(row["user_id"], str(row["request_id"]), row["shown_at"], row["device"], surface=surface)


def _held(snapshot: MediaSnapshot, actions: npt.NDArray[np.object_]) -> tuple[npt.NDArray[np.bool_], Codes]:
    """Which of the actions the snapshot holds, and the rows of those."""
    media = actions.astype(str)
    rows = np.minimum(np.searchsorted(snapshot.ids, media), len(snapshot.ids) - 1)
    there = snapshot.ids[rows] == media
    return there, rows[there]
