"""What can be known of a world lies between knowing nothing of a member's own likings and knowing everything."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipelines.core.errors import DataError
from pipelines.simulation import knowable
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.exam import true_matrix
from pipelines.simulation.world import World, simulate

CONFIG = WorldConfig(seed=90_007, members=120, days=42, media=90)
AT = np.datetime64("2026-02-09T12:00:00", "us")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder: Path = tmp_path_factory.mktemp("knowable")
    simulate(CONFIG, folder)
    return World.load(folder)


def test_who_learns_from_the_log_is_between_who_does_not_and_the_oracle(world: World) -> None:
    who = np.arange(world.truth.members.size)
    chance = true_matrix(world, who, AT)

    def worth(score: np.ndarray) -> float:
        return float(np.take_along_axis(chance, np.argsort(-score, axis=1)[:, :10], axis=1).sum())

    blind, taught, oracle = (worth(score) for score in (knowable.shared(world, who, AT), _learnt(world), chance))
    assert blind < taught < oracle


def test_before_anything_was_shown_nothing_is_learnt_and_strangers_of_one_kind_are_alike(world: World) -> None:
    who = np.arange(20)
    before = np.datetime64("2026-01-01T12:00:00", "us")
    people = knowable.learnt(world, who, before) - knowable.shared(world, who, before)
    assert ((people >= 0) & (people < 1.2)).all()  # Favourite actors and directors, whom ``learnt`` knows.
    assert (np.abs(people) < 1e-9).mean() > 0.5


def test_outcomes_after_the_moment_change_nothing_and_those_before_do(world: World, tmp_path: Path) -> None:
    assert world.folder is not None
    watches = pq.read_table(world.folder / "watches.parquet")
    started = watches["started_at"].to_numpy().astype("datetime64[us]")
    members = np.arange(30)
    found = {"all": knowable.learnt(world, members, AT)}
    for name, kept in (("before", started < AT), ("after", started >= AT)):
        shutil.copytree(world.folder, tmp_path / name)
        pq.write_table(watches.filter(kept), tmp_path / name / "watches.parquet")
        found[name] = knowable.learnt(World.load(tmp_path / name), members, AT)
    assert np.array_equal(found["before"], found["all"])
    assert not np.array_equal(found["after"], found["all"])


def test_a_world_without_a_log_says_where_one_comes_from() -> None:
    with pytest.raises(DataError, match="load it from the folder that simulate wrote"):
        knowable.learnt(World.load(CONFIG), np.arange(2), AT)


def _learnt(world: World) -> np.ndarray:
    return knowable.learnt(world, np.arange(world.truth.members.size), AT)
