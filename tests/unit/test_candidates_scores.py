"""Scores of generators as features: the history of a row's moment, and no generator that had seen the row's day."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipelines.candidates import known, scores
from pipelines.candidates.interactions import HISTORY_LENGTH, histories
from pipelines.candidates.scores import CheckpointConfig, Checkpoints, Released, checkpoint_days
from pipelines.core import dataset as datasets
from pipelines.core import days
from pipelines.core.contracts import History
from pipelines.core.dataset import Dataset
from pipelines.core.lake import Lake
from pipelines.core.tables import MEDIA, WATCHES

# Ibis calls DuckDB by the old name of to_arrow_table.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

FIRST = date(2022, 4, 1)
MEDIA_IDS = [f"m{n}" for n in range(8)]


def at(day: int, hour: float = 12.0) -> datetime:
    """That hour of April ``day``."""
    return datetime(2022, 4, 1, tzinfo=UTC) + timedelta(days=day - 1, hours=hour)


def watch(user: str, media: str, started: datetime, known_at: datetime | None = None) -> dict:
    keys = {"watch_id": f"{user}-{media}-{started}", "user_id": user, "media_id": media, "started_at": started}
    return keys | {"available_at": known_at or started, "completion": 0.95}


def lake_of(folder: Path, watches: list[dict]) -> Lake:
    lake = Lake(folder)
    datasets.write(Dataset(name="small", source="tables"), folder)
    shelf = [{"media_id": m, "available_at": at(1, 0) - timedelta(days=30)} for m in MEDIA_IDS]
    lake.publish("media", pa.Table.from_pylist(shelf, schema=MEDIA.schema()))
    for day in sorted({w["started_at"].date() for w in watches}):
        rows = [w for w in watches if w["started_at"].date() == day]
        lake.publish("watches", pa.Table.from_pylist(rows, schema=WATCHES.schema()), day)
    return lake


def rows_of(*asked: tuple[str, str, datetime]) -> pd.DataFrame:
    rows = pd.DataFrame(asked, columns=["user_id", "media_id", "event_timestamp"])
    return rows.assign(event_timestamp=pd.to_datetime(rows["event_timestamp"], utc=True)).assign(
        day=[moment.date() for *_, moment in asked]
    )


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """u0 watches m0, m1, m0 again, and m2, which becomes known two days late; u1 watches m3 on every day."""
    late = watch("u0", "m2", at(2, 9), known_at=at(4, 9))
    own = [watch("u0", "m0", at(1)), watch("u0", "m1", at(2)), watch("u0", "m0", at(3)), late]
    return lake_of(tmp_path / "lake", own + [watch("u1", "m3", at(day, 8)) for day in range(1, 7)])


def test_a_row_has_the_history_that_was_known_at_its_moment(lake: Lake) -> None:
    moments = [at(1), at(1, 12.5), at(2, 12.5), at(3, 12.5), at(4, 8.9), at(4, 9.1)]
    found = known.from_lake(lake, rows_of(*(("u0", "m5", moment) for moment in moments)))
    told = [found.histories[place].media for place in found.place.tolist()]
    assert told == [(), ("m0",), ("m0", "m1"), ("m1", "m0"), ("m1", "m0"), ("m2", "m1", "m0")]


def test_the_histories_of_rows_are_those_that_pages_are_made_with(lake: Lake) -> None:
    for day in range(1, 7):
        moment = at(day, 10)
        found = known.from_lake(lake, rows_of(("u0", "m5", moment), ("u1", "m5", moment), ("nobody", "m5", moment)))
        served = histories(lake, moment)
        assert [found.histories[p] for p in found.place.tolist()] == [
            served.get(u, History()) for u in ("u0", "u1", "nobody")
        ]


def test_a_long_history_ends_with_the_latest_watches(tmp_path: Path) -> None:
    many = [watch("u0", f"x{n}", at(1, n / 60)) for n in range(HISTORY_LENGTH + 20)]
    found = known.from_lake(lake_of(tmp_path / "lake", many), rows_of(("u0", "m1", at(3))))
    assert found.histories[found.place[0]].media == tuple(f"x{n}" for n in range(20, HISTORY_LENGTH + 20))


def test_no_rows_have_no_histories(lake: Lake) -> None:
    assert len(known.from_lake(lake, rows_of()).place) == 0


def test_checkpoints_lie_evenly_and_at_the_two_days_on_which_a_release_is_made() -> None:
    chosen = checkpoint_days(FIRST, date(2022, 4, 21), date(2022, 4, 24), CheckpointConfig(most=5))
    assert [day.day for day in chosen] == [1, 5, 9, 13, 17, 21, 24]
    daily = checkpoint_days(FIRST, date(2022, 4, 4), date(2022, 4, 5), CheckpointConfig())
    assert [day.day for day in daily] == [1, 2, 3, 4, 5]


def checkpoints(lake: Lake, folder: Path, fits: list[date] | None = None) -> Checkpoints:
    fits = fits or [FIRST + timedelta(days=n) for n in range(6)]
    return Checkpoints(lake, fits, folder, 7, "UTC")


EVERY_DAY = rows_of(*(("u0", media, at(day, 20)) for day in range(1, 9) for media in ("m0", "m3")))


def test_a_row_is_scored_by_generators_fitted_before_its_day(lake: Lake, tmp_path: Path) -> None:
    found = checkpoints(lake, tmp_path / "fits").scored(EVERY_DAY)
    starts = [pd.Timestamp(days.start(day, "UTC")) for day in EVERY_DAY["day"]]
    assert (found[scores.FITTED_AT] <= pd.Series(starts)).all()
    assert found[scores.FITTED_AT].max() == pd.Timestamp(at(6, 0))
    assert found["retrieval_popularity"].iloc[:2].isna().all(), "nothing was known before the first day"
    assert found["retrieval_popularity"].iloc[2:].notna().all()


def altered(lake: Lake, folder: Path, day: date) -> Lake:
    """The same lake, where on that day and after it everyone watches m7."""
    held = pd.concat(
        [
            lake.read("watches").to_pandas(),
            pd.DataFrame([watch(f"z{n}", "m7", days.start(day, "UTC")) for n in range(9)]),
        ]
    )
    return lake_of(folder, held.where(held.notna(), None).to_dict("records"))


def test_what_happens_from_a_day_on_changes_no_score_of_that_day(lake: Lake, tmp_path: Path) -> None:
    day = date(2022, 4, 4)
    before = checkpoints(lake, tmp_path / "one").scored(EVERY_DAY)
    after = checkpoints(altered(lake, tmp_path / "other", day), tmp_path / "two").scored(EVERY_DAY)
    same = (EVERY_DAY["day"] <= day).to_numpy()
    pd.testing.assert_frame_equal(before[same], after[same])
    assert not before[~same].equals(after[~same])


class Leaking(Checkpoints):
    """Scores a row by the generators of the next morning, which have seen what the row's day brought."""

    def _fit_of(self, of_rows: pd.Series) -> np.ndarray:
        return super()._fit_of(of_rows.map(lambda day: day + timedelta(days=1)))


def test_a_planted_leak_is_found_by_both(lake: Lake, tmp_path: Path) -> None:
    day = date(2022, 4, 4)
    fits = [FIRST + timedelta(days=n) for n in range(9)]
    leaking = Leaking(lake, fits, tmp_path / "one", 7, "UTC").scored(EVERY_DAY)
    starts = pd.Series([pd.Timestamp(days.start(d, "UTC")) for d in EVERY_DAY["day"]])
    assert (leaking[scores.FITTED_AT] > starts).any()
    other = Leaking(altered(lake, tmp_path / "other", day), fits, tmp_path / "two", 7, "UTC").scored(EVERY_DAY)
    same = (EVERY_DAY["day"] <= day).to_numpy()
    assert not leaking[same].equals(other[same])


def test_a_second_question_is_answered_from_the_fits_that_were_kept(lake: Lake, tmp_path: Path) -> None:
    first = checkpoints(lake, tmp_path / "fits").scored(EVERY_DAY)
    again = checkpoints(Lake(lake.root), tmp_path / "fits")
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "fits").rglob("*.npz")}
    pd.testing.assert_frame_equal(first, again.scored(EVERY_DAY))
    assert written == {path: path.stat().st_mtime_ns for path in (tmp_path / "fits").rglob("*.npz")}


def test_a_release_scores_with_its_own_generators_row_by_row(lake: Lake, tmp_path: Path) -> None:
    generators = checkpoints(lake, tmp_path / "fits").generators(date(2022, 4, 5))
    rows = rows_of(("u0", "m3", at(5)), ("nobody", "m3", at(5)), ("u0", "unknown", at(5)), ("u0", "m1", at(6)))
    found = Released(lake, generators, at(5, 0)).scored(rows)
    assert (found[scores.FITTED_AT] == pd.Timestamp(at(5, 0))).all()
    assert found["retrieval_popularity"].notna().tolist() == [True, True, False, True]
    for row in range(len(rows)):
        alone = Released(lake, generators, at(5, 0)).scored(rows.iloc[[row]])
        pd.testing.assert_frame_equal(found.iloc[[row]], alone)
