"""Two releases weighed on the exploration slots of a day that one of them served, on a small world's lake."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from worlds import released

from pipelines import counterfactual, judgement, snapshot
from pipelines.core.errors import DataError, ReleaseError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.tables import IMPRESSIONS, WATCHES
from pipelines.counterfactual import Explored
from pipelines.evaluation.exploration_slots import own_draw
from pipelines.evaluation.off_policy import METHODS, compare, estimate
from pipelines.evaluation.overlap import SupportRules
from pipelines.page import EXPLORATION, Pager, PageRequest
from pipelines.released import LoadedRelease, load_release
from pipelines.rerank.exploration import ExplorationConfig
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.world import simulate
from pipelines.snapshot import MediaSnapshot

# Ibis calls DuckDB by the old name of to_arrow_table.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

FIRST, DAYS = date(2026, 1, 5), 8
SERVED = FIRST + timedelta(days=DAYS)
"""The day after those that were learnt from."""
AT = datetime(2026, 1, 13, 19, tzinfo=UTC)
PAGES = 8
"""How many each member asked for."""
FEW = SupportRules(least_effective=5, largest_share=0.5, least_uncommon=1)
"""Enough for a gain that is as large as this one."""
LIKED, OTHERS = 0.7, 0.1
"""The chance that a member watches what the release finds the likelier half of an action set, and the rest."""


@dataclass(frozen=True)
class Contrary:
    """A ranker that likes best what another one likes least."""

    other: Any

    @property
    def feature_names(self) -> tuple[str, ...]:
        return self.other.feature_names

    def encode(self, features: Any) -> Any:
        return self.other.encode(features)

    def probability(self, features: Any) -> Any:
        return 1 - self.other.probability(features)


@dataclass(frozen=True)
class Stage:
    settings: Settings
    release: LoadedRelease
    slots: int
    of: Explored
    asked: list[Any]
    """What the release answers, and what the one that turns its ranking round does."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    home = tmp_path_factory.mktemp("counterfactual")
    simulate(WorldConfig(seed=5, members=60, days=DAYS, media=70), home / "world")
    settings = Settings(home=home / "home")
    folder = released(settings, home / "world", FIRST + timedelta(days=DAYS - 2))
    release = load_release(folder)
    slots = serve(settings, release)
    of = counterfactual.explored(settings, SERVED, SERVED)
    return Stage(settings, release, slots, of, counterfactual.answers(settings, [release, opposed(release)], of))


def serve(settings: Settings, release: LoadedRelease) -> int:
    """Give every member pages as of the day's beginning, log them, and let them watch what is drawn from the likelier
    half more often than the rest."""
    begun = datetime.combine(SERVED, datetime.min.time(), tzinfo=UTC)
    held = MediaSnapshot.load(snapshot.write(settings, begun, settings.root / "staging" / "served"))
    members, pager = sorted(held.histories), Pager(release, held)
    own = judgement.member_rows(settings, members, begun)
    impressions, watches = [], []
    rng = np.random.default_rng(1)
    for number, user in enumerate(members * PAGES):
        request = PageRequest(user, f"r{number}", AT, "tv")
        page = pager.assemble(request, own.get(user, {}), held.history(user))
        for item in page.items:
            above = sum(p > item.propensity for p in item.action_propensities or ())
            watched = rng.random() < (LIKED if above < len(item.action_set or ()) / 2 else OTHERS)
            shown = {"impression_id": f"i{number}-{item.position}", "user_id": user, "media_id": item.media_id}
            impressions.append(shown | logged(item, request, page.release_id))
            if watched:
                played = {"watch_id": f"w{number}-{item.position}", "started_at": AT, "available_at": AT}
                length = {"watched_seconds": 3600.0, "total_seconds": 3600.0, "completion": 1.0}
                watches.append(shown | played | length)
    lake = Lake(settings.lake_path)
    for table, rows in ((IMPRESSIONS, impressions), (WATCHES, watches)):
        kept = [{name: row[name] for name in table.schema().names if name in row} for row in rows]
        lake.publish(table.name, pa.Table.from_pylist(kept, table.schema()), SERVED)
    return sum(row["policy"] == EXPLORATION for row in impressions)


def logged(item: Any, request: PageRequest, release_id: str) -> dict[str, Any]:
    return {
        "request_id": request.request_id,
        "shown_at": request.at,
        "available_at": request.at,
        "surface": request.surface,
        "position": item.position,
        "policy": item.policy,
        "propensity": item.propensity,
        "action_set": list(item.action_set) if item.action_set else None,
        "action_propensities": list(item.action_propensities) if item.action_propensities else None,
        "release_id": release_id,
        "device": request.device,
    }


def opposed(release: LoadedRelease) -> LoadedRelease:
    return replace(release, ranker=Contrary(release.ranker))


def test_every_exploration_slot_of_the_day_is_found_with_its_outcome(stage):
    assert len(stage.of.slots) == stage.slots > 300
    assert set(stage.of.days) == {SERVED}
    assert OTHERS < stage.of.reward.mean() < LIKED


def test_the_release_that_served_answers_again_what_it_drew_by(stage):
    config = ExplorationConfig()
    drawn = own_draw(stage.asked[0], temperature=config.temperature, uniform=config.uniform)
    np.testing.assert_allclose(drawn, stage.of.slots.propensities, atol=1e-6)
    replayed = estimate(stage.of.slots.logged(stage.of.reward), stage.of.slots.target(drawn))
    assert replayed.value.value == pytest.approx(stage.of.reward.mean(), abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_a_release_that_turns_the_ranking_round_is_found_worse_by_what_it_is(stage, method):
    logged, (served, turned) = counterfactual.policies(stage.of, stage.asked, stage.asked[0])
    found = compare(logged, turned, served, method, rules=FEW)
    assert found.verdict == "worse", found.describe()
    assert found.gain.low < OTHERS - LIKED < found.gain.high
    assert found.challenger.overlap.support == found.champion.overlap.support == 1.0


def test_a_release_weighed_against_itself_gains_nothing(stage):
    found = counterfactual.weigh(stage.settings, stage.release, stage.release, SERVED, SERVED)
    assert found.gain.value == 0.0
    assert found.verdict == "inconclusive"


def test_a_title_that_was_not_there_yet_has_no_answer(stage):
    one = stage.of.slots.taken([0])
    unknown = replace(one, actions=np.where(one.actions == one.actions[0, 0], "new", one.actions))
    of = Explored(unknown, stage.of.reward[:1], stage.of.requests[:1], stage.of.days[:1])
    (again,) = counterfactual.answers(stage.settings, [stage.release], of)
    assert np.isnan(again[0, 0])
    np.testing.assert_allclose(again[0, 1:], stage.asked[0][0, 1:])


def test_a_release_that_learnt_from_the_window_is_refused(stage):
    learnt = replace(stage.release, manifest=stage.release.manifest.model_copy(update={"watermark": SERVED}))
    for sides in ((learnt, stage.release), (stage.release, learnt)):
        with pytest.raises(ReleaseError, match=f"learnt from days through {SERVED}"):
            counterfactual.weigh(stage.settings, *sides, SERVED, SERVED)


def test_days_without_exploration_or_without_a_log_are_refused(stage):
    with pytest.raises(DataError, match="no slot explored from 2026-01-05 to 2026-01-06"):
        counterfactual.explored(stage.settings, FIRST, FIRST + timedelta(days=1))
    with pytest.raises(DataError, match="have no day from 2027-01-01"):
        counterfactual.explored(stage.settings, date(2027, 1, 1), date(2027, 1, 2))


def test_what_has_not_matured_is_left_out(stage):
    with pytest.raises(DataError, match="no slot explored"):
        counterfactual.explored(stage.settings, SERVED, SERVED, known_by=AT + timedelta(minutes=1))
