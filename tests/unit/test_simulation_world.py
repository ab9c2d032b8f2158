"""The world: what it writes, that it is the same every time, and the truth it can be asked for."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipelines.core import dataset
from pipelines.core.errors import DataError
from pipelines.core.tables import TABLES
from pipelines.simulation.behaviour import SURFACES
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.world import World, simulate

CONFIG = WorldConfig(seed=90_001, members=120, days=9)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small world; nobody may change it."""
    to = tmp_path_factory.mktemp("world")
    report = simulate(CONFIG, to)
    yield to
    assert World.load(to).fingerprint() == report.fingerprint


@pytest.fixture(scope="module")
def tables(folder: Path) -> dict[str, pa.Table]:
    return {name: pq.read_table(folder / f"{name}.parquet") for name in TABLES}


def test_every_canonical_table_is_written_with_its_schema_and_rows(tables: dict[str, pa.Table]) -> None:
    for name, table in tables.items():
        assert table.schema.equals(TABLES[name].schema()), name
        assert table.num_rows > 0, name


def test_values_are_within_what_the_schema_allows_and_keys_are_unique(tables: dict[str, pa.Table]) -> None:
    for name, table in tables.items():
        schema = TABLES[name]
        keys = table.select(list(schema.key)).to_pandas()
        assert not keys.duplicated().any(), name
        for column in schema.columns:
            assert column.nullable or table[column.name].null_count == 0, (name, column.name)
            if column.minimum is not None and table[column.name].null_count < table.num_rows:
                assert pc.min(table[column.name]).as_py() >= column.minimum, (name, column.name)
            if column.maximum is not None and table[column.name].null_count < table.num_rows:
                assert pc.max(table[column.name]).as_py() <= column.maximum, (name, column.name)


def test_every_column_of_media_is_filled_for_some_media(tables: dict[str, pa.Table]) -> None:
    media = tables["media"]
    assert [name for name in media.column_names if media[name].null_count == media.num_rows] == []
    episodes = media.filter(pc.equal(media["kind"], "episode"))
    films = media.filter(pc.equal(media["kind"], "film"))
    assert episodes["season_number"].null_count == 0
    assert films["season_number"].null_count == films.num_rows
    assert media.num_rows == CONFIG.media_count


def test_events_name_impressions_sessions_members_and_media_that_exist(tables: dict[str, pa.Table]) -> None:
    def within(child: str, column: str, parent: str, key: str) -> bool:
        known = pc.is_in(tables[child][column].drop_null(), value_set=tables[parent][key].combine_chunks())
        return bool(pc.all(known).as_py())

    for event in ("impressions", "watches", "searches", "sessions", "ratings", "dismissals"):
        assert within(event, "user_id", "users", "user_id"), event
    assert within("watches", "impression_id", "impressions", "impression_id")
    assert within("watches", "session_id", "sessions", "session_id")
    assert within("impressions", "media_id", "media", "media_id")
    assert 0 < tables["watches"]["impression_id"].null_count < tables["watches"].num_rows / 4


def test_nobody_is_served_before_joining_nor_shown_a_title_outside_its_time(tables: dict[str, pa.Table]) -> None:
    shown = tables["impressions"].select(["user_id", "media_id", "shown_at"]).to_pandas()
    joined = tables["users"].to_pandas().set_index("user_id")["joined_at"]
    came = tables["media"].to_pandas().set_index("media_id")["platform_at"]
    assert (shown["shown_at"] >= shown["user_id"].map(joined)).all()
    assert (shown["shown_at"] >= shown["media_id"].map(came)).all()
    left = tables["media"].to_pandas().set_index("media_id")["leaves_at"].dropna()
    shown["left"] = shown["media_id"].map(left)
    assert not (shown["shown_at"] >= shown["left"]).any()
    assert (left.dt.date <= CONFIG.start + timedelta(days=CONFIG.days)).any()
    assert joined.max().date() > CONFIG.start
    assert came.max().date() > CONFIG.start


def test_an_event_is_known_only_after_it_happened_and_some_watches_come_hours_late(tables: dict[str, pa.Table]) -> None:
    watches = tables["watches"].to_pandas()
    ended = watches["started_at"] + watches["watched_seconds"].astype("timedelta64[s]")
    delay = (watches["available_at"] - ended).dt.total_seconds()
    assert (delay > 0).all()
    assert 0 < (delay > 3600).mean() < 0.1
    for name in ("impressions", "searches", "sessions", "ratings"):
        time = TABLES[name].time
        assert pc.all(pc.less_equal(tables[name][time], tables[name]["available_at"])).as_py(), name


def test_completion_is_the_share_watched_and_every_page_watch_was_a_click(tables: dict[str, pa.Table]) -> None:
    watches, shown = tables["watches"].to_pandas(), tables["impressions"].to_pandas()
    np.testing.assert_allclose(watches["completion"], watches["watched_seconds"] / watches["total_seconds"])
    assert watches["completion"].between(0.0, 1.0, inclusive="right").all()
    clicked = set(shown.loc[shown["clicked"], "impression_id"])
    led = set(watches["impression_id"].dropna())
    assert led < clicked


def test_logged_propensities_are_those_of_the_policy(tables: dict[str, pa.Table]) -> None:
    """On a random page of n choosable titles the slots have 1/n, 1/(n-1), ...: the inverse falls by 1 a slot."""
    shown = tables["impressions"].to_pandas()
    assert shown["propensity"].between(0, 1, inclusive="right").all()
    random = shown[shown["policy"] == "random"].sort_values(["request_id", "position"])
    steps = (1 / random["propensity"]).groupby(random["request_id"]).diff().dropna()
    assert len(steps) > 20
    np.testing.assert_allclose(steps, -1.0, atol=1e-6)


def test_a_page_shows_no_title_twice_and_counts_its_positions_from_zero(tables: dict[str, pa.Table]) -> None:
    pages = tables["impressions"].to_pandas().groupby("request_id")
    assert (pages["media_id"].nunique() == pages.size()).all()
    assert (pages["position"].max() + 1 == pages.size()).all()
    assert pages.size().between(10, 12).all()


def test_a_page_is_asked_for_in_one_place_and_there_are_several_of_these(tables: dict[str, pa.Table]) -> None:
    shown = tables["impressions"].select(["request_id", "surface"]).to_pandas()
    assert (shown.groupby("request_id")["surface"].nunique() == 1).all()
    assert set(shown["surface"]) == set(SURFACES)


def test_the_same_seed_gives_byte_equal_tables_and_another_gives_another_world(folder: Path, tmp_path: Path) -> None:
    again = simulate(CONFIG, tmp_path / "again")
    other = simulate(CONFIG.model_copy(update={"seed": 90_002}), tmp_path / "other")
    assert again.fingerprint == World.load(folder).fingerprint() != other.fingerprint
    for name in TABLES:
        assert (tmp_path / "again" / f"{name}.parquet").read_bytes() == (folder / f"{name}.parquet").read_bytes()


def test_the_folder_describes_itself_and_is_loaded_back(folder: Path) -> None:
    described = dataset.read(folder)
    assert (described.name, described.source, described.time_zone) == ("world-90001-normal", "world", "UTC")
    assert World.load(folder).config == World.load(folder / "world.json").config == CONFIG


def test_progress_and_row_counts_are_reported(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    report = simulate(CONFIG.model_copy(update={"days": 2}), tmp_path, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
    assert report.rows["impressions"] == pq.read_metadata(tmp_path / "impressions.parquet").num_rows
    assert json.loads(json.dumps(report.as_dict()))["fingerprint"] == report.fingerprint


def test_the_truth_is_the_same_from_the_config_and_from_the_folder(folder: Path) -> None:
    asked = (["u0000003", "u0000004"], ["m000010", "m000011"], np.datetime64("2026-01-07T20:00"))
    first = World.load(CONFIG).watch_probability(*asked)
    np.testing.assert_array_equal(first, World.load(folder).watch_probability(*asked))
    assert ((first > 0) & (first < 1)).all()


def test_a_lower_position_is_examined_less_and_nothing_else_changes() -> None:
    world = World.load(CONFIG)
    users, media = ["u0000003"] * 12, ["m000010"] * 12
    at = np.datetime64("2026-01-07T20:00")
    here = world.watch_probability(users, media, at, device=["phone"] * 12, position=np.arange(12))
    examined = world.watch_probability(users, media, at, device=["phone"] * 12)
    np.testing.assert_allclose(here / examined, 0.95 * np.exp(-0.12 * np.arange(12)))


def test_tastes_turn_with_the_weeks() -> None:
    world = World.load(CONFIG)
    users, media = np.repeat("u0000003", 200), [f"m{n:06d}" for n in range(200)]
    january, march = (np.datetime64(day) for day in ("2026-01-07T20:00", "2026-03-04T20:00"))
    known = world.truth.catalogue.platform_at[:200] < np.datetime64("2025-10-01")
    first, later = (world.watch_probability(users, media, at)[known] for at in (january, march))
    assert 0.2 < np.corrcoef(np.log(first), np.log(later))[0, 1] < 0.999


@pytest.mark.parametrize(
    ("users", "media", "said"),
    [
        (["u9999999"], ["m000001"], "member 'u9999999' is not of this world"),
        (["u0000001"], ["x1"], "media 'x1' is not of this world"),
    ],
)
def test_an_unknown_id_is_named(users: list[str], media: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        World.load(CONFIG).watch_probability(users, media, np.datetime64("2026-01-07"))


def test_an_unknown_device_is_named() -> None:
    with pytest.raises(DataError, match="device 'fridge' is unknown: write one of tv, phone"):
        World.load(CONFIG).watch_probability(["u0000001"], ["m000001"], np.datetime64("2026-01-07"), device=["fridge"])


def test_a_folder_without_a_world_or_with_a_broken_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"world.json is missing: make the world first"):
        World.load(tmp_path)
    (tmp_path / "world.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="is not JSON"):
        World.load(tmp_path)
    (tmp_path / "world.json").write_text('{"config": {"seed": -1}}', encoding="utf-8")
    with pytest.raises(DataError, match="does not describe a world"):
        World.load(tmp_path)


def test_a_world_that_was_never_written_has_no_fingerprint() -> None:
    with pytest.raises(DataError, match="has no files: simulate it first"):
        World.load(CONFIG).fingerprint()
