"""Learning the blend and reporting its sources, on lists whose worth is known."""

from collections.abc import Sequence

import numpy as np
import pytest

from pipelines.candidates.blend import BlendConfig, blend
from pipelines.candidates.contribution import contributions, milliseconds, report
from pipelines.candidates.proposed import Proposed
from pipelines.candidates.weights import WEIGHTS, learn
from pipelines.core.contracts import Codes, Floats, History
from pipelines.metrics.ranking import recall

MEMBERS, SIZE, K, DEPTH = 40, 900, 150, 100


class Listed:
    """Proposes what it was given."""

    def __init__(self, lists: Codes) -> None:
        self.lists = lists

    def candidates(self, histories: Sequence[History], k: int) -> tuple[Codes, Floats]:
        return self.lists[: len(histories), :k], np.zeros_like(self.lists[: len(histories), :k], dtype=np.float32)


def lists(seed: int) -> Codes:
    """Random lists, some of them short."""
    rng = np.random.default_rng(seed)
    found = np.array([rng.permutation(SIZE)[:K] for _ in range(MEMBERS)], dtype=np.int32)
    found[::7, 60:] = -1
    return found


@pytest.fixture
def world() -> tuple[dict[str, Listed], list[list[int]]]:
    """``good`` names what was engaged with among its first, ``rare`` one media of every fourth member that good does
    not know, ``noise`` nothing but by chance."""
    good, rare, noise = lists(1), lists(2), lists(3)
    engaged = [[int(code) for code in row[5:45:10] if code >= 0] for row in good]
    for row in range(0, MEMBERS, 4):
        own = next(int(code) for code in rare[row] if code not in good[row])
        rare[row, 0] = own
        rare[row, 1:][rare[row, 1:] == own] = -1
        engaged[row].append(own)
    return {"good": Listed(good), "rare": Listed(rare), "noise": Listed(noise)}, engaged


def proposed(world: tuple[dict[str, Listed], list[list[int]]]) -> Proposed:
    generators, engaged = world
    return Proposed.of(generators, [History()] * MEMBERS, engaged, K)


@pytest.mark.parametrize("depth", [1, 10, 100])
@pytest.mark.parametrize("weights", [{}, {"good": 0.2, "noise": 0.6}])
def test_recall_without_sorting_is_that_of_the_sorted_blend(world, depth: int, weights: dict[str, float]) -> None:
    generators, engaged = world
    engaged = [[*own, SIZE + 1] if row % 3 else [] for row, own in enumerate(engaged)]
    config = BlendConfig(candidates=K, weights=weights, smoothings={"rare": 5.0})
    asked = Proposed.of(generators, [History()] * MEMBERS, engaged, K)
    fused = sum(asked.fused(name, config.worth(name, K)) for name in generators)
    codes = blend(generators, [History()] * MEMBERS, config, SIZE).codes
    wanted = [np.array(own, dtype=np.int64) for own in engaged]
    np.testing.assert_array_equal(asked.recall(np.asarray(fused), depth), recall(codes, wanted, depth))


def test_what_finds_more_weighs_more_and_nothing_is_turned_off(world) -> None:
    learned = learn(proposed(world), BlendConfig())
    assert learned.weights["noise"] < learned.weights["good"]
    assert min(learned.weights.values()) >= min(WEIGHTS) > 0
    assert learned.candidates == BlendConfig().candidates


def test_learning_finds_no_less_than_equal_weights(world) -> None:
    asked = proposed(world)
    before, after = (
        np.nanmean(asked.recall(np.asarray(sum(asked.fused(n, config.worth(n, K)) for n in asked.ranks)), DEPTH))
        for config in (BlendConfig(), learn(asked, BlendConfig()))
    )
    assert after >= before


def test_without_members_or_with_one_generator_weights_stay_equal(world) -> None:
    generators, engaged = world
    nobody = Proposed.of(generators, [], [], K)
    assert set(learn(nobody, BlendConfig()).weights.values()) == {1.0}
    alone = Proposed.of({"good": generators["good"]}, [History()] * MEMBERS, engaged, K)
    assert learn(alone, BlendConfig()).weights == {"good": 1.0}


def test_a_report_tells_a_source_that_nobody_can_replace_from_one_that_nobody_would_miss(world) -> None:
    config = BlendConfig(weights={"rare": 0.5, "noise": 0.1})
    whole, found = contributions(Proposed.of(world[0], [History()] * MEMBERS, world[1], 60), config, seed=7)
    assert found["rare"].unique.low > 0
    assert found["good"].own.value > found["noise"].own.value
    assert found["noise"].unique.high <= 0.01
    assert found["good"].own.low <= found["good"].own.value <= found["good"].own.high
    assert whole.value > found["good"].own.value
    shares = sum(one.share.value for one in found.values())
    assert 1 <= shares <= 3
    assert all(one.alone.value <= one.share.value for one in found.values())


def test_unique_recall_is_worked_by_hand() -> None:
    """Two members; of one, only b knows the engaged media; of the other, both do."""
    a, b = (Listed(np.array(own, dtype=np.int32)) for own in ([[0, 1], [0, 1]], [[2, 3], [1, 4]]))
    asked = Proposed.of({"a": a, "b": b}, [History()] * 2, [[2], [1]], 2)
    whole, found = contributions(asked, BlendConfig(candidates=4), seed=7)
    assert whole.value == 1.0
    assert (found["a"].own.value, found["b"].own.value) == (0.5, 1.0)
    assert (found["a"].unique.value, found["b"].unique.value) == (0.0, 0.5)
    # Candidates are 0 1 2 3 and 0 1 4: a proposed 2 of 4 and 2 of 3, of the latter one alone.
    assert found["a"].share.value == pytest.approx((2 / 4 + 2 / 3) / 2)
    assert found["a"].alone.value == pytest.approx((2 / 4 + 1 / 3) / 2)


def test_a_report_of_nobody_is_json_without_figures(world) -> None:
    told = report(Proposed.of(world[0], [], [], K), BlendConfig(), seed=7)
    assert told["members"] == 0
    assert told["blend"] == {"value": None, "low": None, "high": None}
    assert told["sources"]["good"]["unique"]["value"] is None


def test_cost_is_the_median_of_members_and_the_first_question_is_not_counted(world) -> None:
    clock = iter([0.0, 9.0, *(t for n in range(3) for t in (10.0 + n, 10.002 + n))])
    took = milliseconds({"good": world[0]["good"]}, [History()] * 3, 5, clock=lambda: next(clock))
    assert took == {"good": pytest.approx(2.0)}
