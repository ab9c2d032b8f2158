"""A row is told what was known at its moment, over random worlds, from the lake through a refresh and Feast.

Each property is a function that fails by an assertion; each planted fault below makes the property that it breaks fail.
docs/point-in-time.md says in words what is held here.
"""

import hashlib
import tempfile
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import worlds
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as exploring
from worlds import DAY, DAYS, MEDIA, MICROSECOND, USERS, Case, World, asked, known, opened, same, spliced, spread

from pipelines.adapters import feast_client
from pipelines.adapters.feature_store import FeatureStore
from pipelines.candidates import scores
from pipelines.core import days
from pipelines.core.lake import Lake
from pipelines.features import catalogue, events, job, publication, stream, versions, vocabulary
from pipelines.training_data import integrity

# ibis 12 reads results by a DuckDB call that DuckDB 2 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

STRANGERS = (*USERS, "nobody"), (*MEDIA, "nothing")


def hold(property_: Callable[[Case], None], examples: int) -> None:
    """Fail as the property does on the first of ``examples`` worlds that breaks it; the same worlds at every run."""
    failures: list[AssertionError] = []

    def once(case: Case) -> None:
        if failures:  # What failed names its rows: worlds need not be made again to be told.
            return
        try:
            property_(case)
        except AssertionError as failure:
            failures.append(failure)

    every = list(HealthCheck)
    search = exploring(max_examples=examples, derandomize=True, database=None, deadline=None, phases=[Phase.generate])
    exploring(search, suppress_health_check=every)(given(worlds.cases())(once))()
    if failures:
        raise failures[0]


def no_future(case: Case) -> None:
    """Two worlds that agree on what was known by t give equal rows at every moment up to t."""
    world = case.world
    moments = world.known()
    at = case.random.choice(
        [m for m in moments if world.day(1) <= m < world.day(4)] + [world.day(n) for n in (1, 2, 3)]
    )
    rows = asked(sorted({*spread([m for m in moments if m < at]), at}), *STRANGERS)
    with opened(world) as one, opened(spliced(world, case.other, at)) as two:
        same(one.historical(rows), two.historical(rows), f"differs by what became known after {at}")


def late_rows_wait(case: Case) -> None:
    """A snapshot of the past that was made later counts from when it was made, until a newer one stands."""
    world = case.world
    with opened(world) as store:
        lake, table = Lake(store.settings.lake_path), job.table_of("user_activity")
        rows = asked([world.day(n) + shift for n in range(1, DAYS) for shift in (-MICROSECOND, timedelta())])
        before = store.historical(rows)
        day, made = case.random.choice(lake.days(table)[:-1]), world.day(DAYS - 1)
        members = _backfill(lake.path(table, day), made)
        after = store.historical(rows)
        newer = _members(lake, table, day + DAY, days.of(made, world.zone))
    early = (rows["event_timestamp"] < made).to_numpy()
    same(before[early], after[early], f"differs by a row made at {made}")
    for row in after[~early].itertuples():
        assert (row.user_watches == BACKFILLED) == (row.user_id in members - newer), row.user_id


def _members(lake: Lake, table: str, first: date, last: date) -> set[str]:
    return {user for day in lake.days(table, first, last) for user in lake.read(table, day, day)["user_id"].to_pylist()}


BACKFILLED = 777.0


def _backfill(path: Path, made: datetime) -> set[str]:
    """Add to a file of snapshots its own rows with other values, made later; whose they are."""
    held = pq.read_table(path)
    told = held
    for name, value in (("user_watches", BACKFILLED), ("created_timestamp", made)):
        place = held.schema.get_field_index(name)
        values = pa.array([value] * held.num_rows, held.schema.field(place).type)
        told = told.set_column(place, held.schema.field(place), values)
    pq.write_table(pa.concat_tables([held, told]), path, coerce_timestamps="us")
    return set(held["user_id"].to_pylist())


def rows_in_are_rows_out(case: Case) -> None:
    """Whatever is asked, however often and in which order, each row has its own answer, nulls for what is unknown."""
    world = case.world
    moments = [world.day(-9), *spread(world.known(), 6), world.day(400)]
    once = asked(moments, *STRANGERS)
    picked = case.random.choices(range(len(once)), k=150)
    rows = once.iloc[picked].set_axis([n % 9 for n in picked]).assign(note=range(len(picked)))
    with opened(world) as store:
        whole, found = store.historical(once), store.historical(rows)
        nothing = store.historical(rows.iloc[:0])
    pd.testing.assert_frame_equal(found[rows.columns], rows)
    assert nothing.empty
    assert set(nothing.columns) == set(found.columns)
    same(whole.iloc[picked], found.drop(columns="note"), "depends on the rows beside it")
    _unknown_is_null(world, whole)


def _unknown_is_null(world: World, found: pd.DataFrame) -> None:
    """Nobody and nothing, and everyone before anything of theirs became known, have no stored feature at all."""
    for entity, key in (("user", "user_id"), ("media", "media_id")):
        names = [f.name for f in catalogue.STORED if f.entity == entity]
        rows = [row for held in world.rows.values() for row in held if key in row]
        for own, mine in found.groupby(key):
            first = min((known(row) for row in rows if row[key] == own), default=world.day(500))
            too_early = mine.loc[mine["event_timestamp"] < first, names]
            assert too_early.isna().all(axis=None), f"{own} has features before {first}: {too_early.notna().any()}"


def order_does_not_matter(case: Case) -> None:
    """Rows and files in another order give the same answers, and a second refresh the same files."""
    world = case.world
    rows = asked(spread(world.known()))
    with opened(world) as one, opened(world, lambda held: case.random.sample(held, len(held))) as two:
        before, files = one.historical(rows), contents(one)
        same(before, two.historical(rows), "depends on the order of the lake")
        job.refresh(one.settings, world.first, world.first + (DAYS - 1) * DAY)
        assert contents(one) == files, "a second refresh changed the snapshots"
        same(before, one.historical(rows), "changed with a second refresh")


def contents(store: FeatureStore) -> dict[str, str]:
    root = store.settings.lake_path / "features"
    return {str(f.relative_to(root)): hashlib.sha256(f.read_bytes()).hexdigest() for f in root.rglob("*.parquet")}


def seen_from_the_moment(case: Case) -> None:
    """What a member did lately is seen right after the microsecond of its being known, daily totals the next day."""
    world = case.world
    watches = world.rows["watches"]
    edges = [known(w) + shift for w in watches for shift in (-MICROSECOND, timedelta(), MICROSECOND)]
    starts = [days.start(days.of(known(w), world.zone) + DAY, world.zone) for w in watches]
    end = world.day(DAYS)
    moments = sorted({m for m in (*edges, *starts, *(s - MICROSECOND for s in starts)) if world.day(0) < m < end})
    rows = asked(moments, media=MEDIA[:1])
    with opened(world) as store:
        found = store.historical(rows)
    for row in found.itertuples():
        at = row.event_timestamp
        mine = [w for w in watches if w["user_id"] == row.user_id]
        lately = sorted((w for w in mine if known(w) < at), key=lambda w: (w["started_at"], w["watch_id"]))
        told = [] if row.user_recent_media is None else list(row.user_recent_media)
        assert told == [w["media_id"] for w in lately][-20:], f"{row.user_id} at {at}"
        today = days.of(at, world.zone)
        total = sum(days.of(known(w), world.zone) < today for w in mine)
        assert (0.0 if pd.isna(row.user_watches) else row.user_watches) == total, f"{row.user_id} on {today}"


def fits_are_older_than_the_day(case: Case) -> None:
    """Scores of generators change with nothing of the row's day or later, and a training set of them is green."""
    world = case.world
    at = case.random.choice(world.known() + [world.day(n) for n in range(1, DAYS)])
    moments = spread([m for m in world.known() if m <= at])
    rows = asked([*moments, at], *STRANGERS)
    rows = rows.assign(day=[days.of(m, world.zone) for m in rows["event_timestamp"]])
    one, two = (_scored(held, rows) for held in (world, spliced(world, case.other, at)))
    same(one, two, f"differs by what became known after {at}")
    starts = pd.Series([days.start(day, world.zone) for day in rows["day"]])
    assert (one[scores.FITTED_AT].isna() | (one[scores.FITTED_AT] <= starts)).all()
    report = integrity.check_rows(_weighed(one), len(one), scores.names(), integrity.IntegrityPolicy())
    late = next(check for check in report if "later" in check.name)
    assert not late.reasons, late.reasons


def _scored(world: World, rows: pd.DataFrame) -> pd.DataFrame:
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(worlds.publish(world, Path(folder)).lake_path)
        fits = [world.first + n * DAY for n in range(DAYS)]
        found = scores.Checkpoints(lake, fits, Path(folder) / "fits", 7, world.zone).scored(rows)
    return pd.concat([rows, found], axis=1)


def _weighed(scored: pd.DataFrame) -> pd.DataFrame:
    return scored.assign(impression_id=range(len(scored)), weight=1.0, split="fit")


EXAMPLES = {
    no_future: 3,
    late_rows_wait: 2,
    rows_in_are_rows_out: 3,
    order_does_not_matter: 2,
    seen_from_the_moment: 3,
    fits_are_older_than_the_day: 3,
}


@pytest.mark.parametrize("property_", EXAMPLES, ids=lambda one: one.__name__)
def test_what_a_row_is_told_was_known_at_its_moment(property_):
    hold(property_, EXAMPLES[property_])


Patch = pytest.MonkeyPatch


def availability_is_ignored(patch: Patch) -> None:
    patch.setattr(events, "usable_day", lambda at, available_at, zone: events.day_of(at, zone))


def snapshots_are_published_a_day_early(patch: Patch) -> None:
    stamped = publication._stamped
    patch.setattr(publication, "_stamped", lambda rows, day, zone: stamped(rows, day - DAY, zone))


def snapshots_are_published_a_day_late(patch: Patch) -> None:
    stamped = publication._stamped
    patch.setattr(publication, "_stamped", lambda rows, day, zone: stamped(rows, day + DAY, zone))


def the_stream_goes_by_event_time(patch: Patch) -> None:
    patch.setattr(stream, "_known", lambda at, available_at: events.micros(at))


def the_stream_is_a_microsecond_late(patch: Patch, shift: int = 1) -> None:
    real = stream._known
    patch.setattr(stream, "_known", lambda at, available_at: real(at, available_at) + shift)


def the_stream_shows_the_very_moment(patch: Patch) -> None:
    the_stream_is_a_microsecond_late(patch, shift=-1)


def ratings_count_with_their_watch(patch: Patch) -> None:
    real = events.with_engaged
    patch.setattr(events, "with_engaged", lambda w, *rest: real(w, *rest).mutate(judged_at=w.available_at))


def what_members_and_titles_were_is_forgotten(patch: Patch) -> None:
    patch.setattr(versions, "of_days", lambda current, before, key, zone: current)


def creation_time_is_ignored(patch: Patch) -> None:
    feast = feast_client.import_feast().FeatureStore
    real = feast.get_historical_features
    patch.setattr(feast, "get_historical_features", lambda *given, filter_by_created_timestamp, **m: real(*given, **m))


def unknown_members_are_dropped(patch: Patch) -> None:
    _answer(patch, lambda ask, rows: ask(rows)[lambda found: found["user_id"].isin(USERS)])


def repeated_questions_are_answered_once(patch: Patch) -> None:
    _answer(patch, lambda ask, rows: ask(rows.drop_duplicates(worlds.QUESTION)))


def answers_come_in_order_of_time(patch: Patch) -> None:
    _answer(patch, lambda ask, rows: ask(rows.sort_values("event_timestamp")).set_axis(rows.index))


def absent_features_are_zero(patch: Patch) -> None:
    _answer(patch, lambda ask, rows: ask(rows).fillna({"user_watches": 0.0, "media_watches": 0.0}))


def _answer(patch: Patch, given: Callable[..., pd.DataFrame]) -> None:
    real = FeatureStore.historical
    patch.setattr(FeatureStore, "historical", lambda store, rows: given(partial(real, store), rows))


def codes_follow_the_order_of_the_file(patch: Patch) -> None:
    def grow(lake: Lake, name: str, values: Any) -> tuple[str, ...]:
        listed = lake.read("media", columns=["genres"])["genres"].to_pylist()
        return real(lake, name, [g for own in listed for g in own] if name == vocabulary.GENRES else values)

    real = vocabulary.grow
    patch.setattr(vocabulary, "grow", grow)


def a_refresh_adds_to_what_is_there(patch: Patch) -> None:
    def publish(lake: Lake, table: str, rows: pa.Table, day: Any = None) -> Path:
        path = lake.path(table, day)
        held = [pq.read_table(path)] if table.startswith("features/") and path.exists() else []
        return real(lake, table, pa.concat_tables([*held, rows]), day)

    real = Lake.publish
    patch.setattr(Lake, "publish", publish)


def generators_have_seen_the_row_s_day(patch: Patch) -> None:
    real = scores.Checkpoints.scored
    later = lambda held, rows: real(held, rows.assign(day=[day + DAY for day in rows["day"]]))  # noqa: E731
    patch.setattr(scores.Checkpoints, "scored", later)


FAULTS = (
    (no_future, availability_is_ignored),
    (no_future, snapshots_are_published_a_day_early),
    (no_future, the_stream_goes_by_event_time),
    (no_future, ratings_count_with_their_watch),
    (no_future, what_members_and_titles_were_is_forgotten),
    (late_rows_wait, creation_time_is_ignored),
    (rows_in_are_rows_out, unknown_members_are_dropped),
    (rows_in_are_rows_out, repeated_questions_are_answered_once),
    (rows_in_are_rows_out, answers_come_in_order_of_time),
    (rows_in_are_rows_out, absent_features_are_zero),
    (order_does_not_matter, codes_follow_the_order_of_the_file),
    (order_does_not_matter, a_refresh_adds_to_what_is_there),
    (seen_from_the_moment, snapshots_are_published_a_day_late),
    (seen_from_the_moment, the_stream_is_a_microsecond_late),
    (seen_from_the_moment, the_stream_shows_the_very_moment),
    (fits_are_older_than_the_day, generators_have_seen_the_row_s_day),
)


@pytest.mark.parametrize(("property_", "fault"), FAULTS, ids=lambda one: one.__name__)
def test_a_planted_fault_is_found(property_, fault, monkeypatch):
    fault(monkeypatch)
    with pytest.raises(AssertionError):
        hold(property_, 2 * EXAMPLES[property_])
