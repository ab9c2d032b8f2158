"""Ratings in past time: what is learnt from and what is scored, beside floors, on a tiny world and on MovieLens."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from marquee import evaluation_pages
from pipelines import explicit
from pipelines.core.errors import DataError
from pipelines.core.settings import Settings
from pipelines.explicit import BIASES, FACTORS, MEAN
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.world import simulate

TEST_FROM = date(2026, 1, 19)
MOVIELENS = Path(__file__).resolve().parents[3] / "shared" / "data" / "ml-latest-small"


def run(source: str, path: Path, home: Path, **options: Any) -> dict[str, Any]:
    answer = explicit.run(source, path, settings=Settings(home=home), **{"test_from": TEST_FROM} | options)
    return json.loads(json.dumps(answer, allow_nan=False))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rated") / "world"
    simulate(WorldConfig(seed=6, members=200, days=21), folder)
    return folder


@pytest.fixture(scope="module")
def found(world: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run("tables", world, tmp_path_factory.mktemp("ratings") / "home")


def test_the_model_stands_beside_its_floors_with_intervals(found):
    assert list(found["models"]) == [MEAN, BIASES, FACTORS]
    for parts in found["models"].values():
        for name in ("rmse", "mae"):
            figure = parts["all"][name]
            assert 0 < figure["low"] <= figure["value"] <= figure["high"] < 4
    apart = found["models"][MEAN]["all"]["rmse"]["value"] - found["models"][BIASES]["all"]["rmse"]["value"]
    assert found["gains"][f"{BIASES} against {MEAN}"]["value"] == pytest.approx(apart)


def test_every_rating_is_learnt_from_scored_or_came_too_late_to_be_known(found, world):
    given = pd.read_parquet(world / "ratings.parquet")
    assert found["counts"]["scored"] == int((given.rated_at >= datetime(2026, 1, 19, tzinfo=UTC)).sum())
    assert found["feedback"]["ratings"] == len(given)
    assert found["feedback"]["impressions"] > 50 * len(given)


def test_tenths_of_titles_and_members_make_up_all_ratings_most_rated_first(found):
    for tenths in found["missing"].values():
        shares = [of["share"] for of in tenths]
        assert sum(shares) == pytest.approx(1)
        assert len(shares) == 10
        assert shares[0] == max(shares) > 2 * shares[-1]


def test_it_prints_every_model_and_every_tenth(found, capsys):
    evaluation_pages.ratings("world", found)
    printed = capsys.readouterr().out
    for parts in found["models"].values():
        assert f"{parts['all']['rmse']['value']:.4f}" in printed
    assert f"{found['missing']['media_id'][-1]['share']:.1%}" in printed
    assert f"{found['share_known']:.1%}" in printed


def rated(*rows: tuple[str, str, int, int, float]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["user_id", "media_id", "rated_at", "available_at", "rating"])
    for name in ("rated_at", "available_at"):
        frame[name] = pd.to_datetime([datetime(2026, 1, day, tzinfo=UTC) for day in frame[name]])
    return frame


def test_a_rating_that_became_known_after_the_day_is_not_learnt_from_and_the_later_of_two_is():
    rows = rated(("a", "x", 1, 1, 2.0), ("a", "x", 3, 3, 4.0), ("b", "x", 3, 9, 1.0), ("c", "x", 6, 6, 5.0))
    before, later = explicit._split(rows, datetime(2026, 1, 5, tzinfo=UTC), date(2026, 1, 7), "UTC")
    assert before[["user_id", "rating"]].to_numpy().tolist() == [["a", 4.0]]
    assert later["user_id"].tolist() == ["c"]


def test_days_without_ratings_are_refused_with_those_there_are(world, tmp_path):
    with pytest.raises(DataError, match=r"leaves 0 ratings to learn from .* holds 2026-01-0\d to 2026-01-2\d"):
        run("tables", world, tmp_path / "home", test_from=date(2026, 1, 5))


def test_a_data_set_without_ratings_says_so(tmp_path):
    folder = tmp_path / "world"
    simulate(WorldConfig(seed=6, members=20, days=1), folder)
    (folder / "ratings.parquet").unlink()
    with pytest.raises(DataError, match="has no ratings: its members only watch"):
        run("tables", folder, tmp_path / "home")


@pytest.mark.data
def test_on_real_ratings_biases_beat_the_mean_and_what_is_rated_is_what_is_liked(tmp_path):
    if not MOVIELENS.is_dir():
        pytest.skip(f"{MOVIELENS} is not here: it holds the real data for developers and CI")
    found = run("movielens", MOVIELENS, tmp_path / "home", test_from=date(2017, 1, 1))
    assert found["gains"][f"{BIASES} against {MEAN}"]["low"] > 0
    assert found["models"][FACTORS]["all"]["rmse"]["value"] < 1.15
    most, rest = found["missing"]["media_id"][0], found["missing"]["media_id"][4]
    assert most["mean"]["low"] > rest["mean"]["high"]
