import json
import subprocess
import sys
import textwrap
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipelines.core import days
from pipelines.core.dataset import Dataset
from pipelines.core.errors import DataError
from pipelines.core.lake import Lake
from pipelines.core.tables import MEDIA, PREFERENCES, TABLES, WATCHES, Table, empty
from pipelines.ingestion import quarantine, watermark
from pipelines.ingestion.job import EVENTS, export_events, ingest
from pipelines.ingestion.staging import FOLDER
from pipelines.sources import SOURCES

TINY = Dataset(name="tiny", source="tables", time_zone="Asia/Shanghai")
DAY = date(2026, 1, 3)
AT = days.start(DAY, TINY.time_zone) + timedelta(hours=8)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def watches(*given: dict) -> pa.Table:
    known = {"watch_id": "w", "user_id": "u", "media_id": "m", "started_at": AT, "available_at": AT}
    filled = [known | {"available_at": g.get("started_at", AT)} | g for g in given]
    return pa.table({c.name: pa.array([f.get(c.name) for f in filled], c.type) for c in WATCHES.columns})


def media(*ids: str) -> pa.Table:
    known = {"media_id": list(ids), "available_at": [AT] * len(ids)}
    nulls = [None] * len(ids)
    return pa.table({c.name: pa.array(known.get(c.name, nulls), c.type) for c in MEDIA.columns})


class Recorded:
    """An event store that holds what it is given."""

    def __init__(self, **tables: pa.Table) -> None:
        self.tables = tables

    def read(self, table: str, start: datetime, end: datetime) -> pa.Table:
        rows = self.tables.get(table, empty(TABLES[table]))
        time = rows[TABLES[table].moment]
        return rows.filter(pc.and_(pc.greater_equal(time, pa.scalar(start)), pc.less(time, pa.scalar(end))))

    def read_late(self, table: str, start: datetime, end: datetime) -> pa.Table:
        rows = self.tables.get(table, empty(TABLES[table]))
        late = pc.less(rows[TABLES[table].moment], pa.scalar(start))
        known = rows["available_at"]
        return rows.filter(
            pc.and_(late, pc.and_(pc.greater_equal(known, pa.scalar(start)), pc.less(known, pa.scalar(end))))
        )


def test_an_import_leaves_the_data_set_the_watermarks_and_no_staging(lake):
    seen = []
    batches = [(MEDIA, media("m")), (WATCHES, watches({}, {"watch_id": "x", "started_at": AT + timedelta(days=2)}))]

    report = ingest(lake, TINY, batches, on_progress=lambda table, rows: seen.append((table, rows)))

    assert lake.dataset == TINY
    assert lake.watermark("watches").through == date(2026, 1, 5)
    assert lake.watermark("media").through == date(2026, 1, 5)
    assert seen == [("media", 1), ("watches", 2)]
    assert [p.name for p in (lake.root / FOLDER).iterdir()] == [".lock"]
    assert json.loads(json.dumps(report.as_dict()))["tables"]["watches"] == {
        "rows_in": 2,
        "published": 2,
        "duplicates": 0,
        "quarantined": 0,
        "reasons": {},
    }


def test_another_data_set_is_refused_by_a_lake_that_holds_one(lake):
    ingest(lake, TINY, [(WATCHES, watches({}))])
    other = TINY.model_copy(update={"name": "other"})

    with pytest.raises(DataError, match=r"holds 'tiny'.*not 'other'.*set MARQUEE_HOME to another folder"):
        ingest(lake, other, [(WATCHES, watches({}))])
    with pytest.raises(DataError, match="time_zone 'Asia/Shanghai'"):
        ingest(lake, TINY.model_copy(update={"time_zone": "UTC"}), [(WATCHES, watches({}))])


def test_an_import_without_a_row_is_refused_and_leaves_the_lake_free(lake):
    with pytest.raises(DataError, match="data set 'tiny' has no rows"):
        ingest(lake, TINY, [(WATCHES, watches())])

    ingest(lake, TINY.model_copy(update={"name": "other"}), [(WATCHES, watches({}))])


def test_a_source_that_fails_half_way_publishes_nothing(lake):
    def broken():
        yield WATCHES, watches({})
        raise DataError("row 7 is torn")

    with pytest.raises(DataError, match="row 7 is torn"):
        ingest(lake, TINY, broken())

    assert not lake.exists("watches")
    assert [p.name for p in (lake.root / FOLDER).iterdir()] == [".lock"]


def test_a_killed_import_leaves_whole_days_only_and_is_completed_by_the_next(lake, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "dataset.yaml").write_text("name: tiny\nsource: tables\n")
    lines = [f"w{n},u,m,2026-01-{n % 9 + 1:02d}T10:00:00Z" for n in range(90)]
    (folder / "watches.csv").write_text("\n".join(["watch_id,user_id,media_id,started_at", *lines]))
    script = f"""
        import os, signal
        from pathlib import Path
        from pipelines.core.lake import Lake
        from pipelines.ingestion.job import ingest
        from pipelines.sources import SOURCES
        replace, left = os.replace, iter([True] * 4)  # dataset.yaml and three days
        def fatal(source, target):
            if not next(left, False):
                os.kill(os.getpid(), signal.SIGKILL)
            replace(source, target)
        os.replace = fatal
        source = SOURCES["tables"](Path({str(folder)!r}))
        ingest(Lake(Path({str(lake.root)!r})), source.dataset, source.batches())
    """

    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False, capture_output=True)

    assert killed.returncode == -9, killed.stderr.decode()
    assert len(lake.days("watches")) == 3
    assert [len(lake.read("watches", d, d)) for d in lake.days("watches")] == [10, 10, 10]
    assert lake.watermark("watches") is None
    source = SOURCES["tables"](folder)
    report = ingest(lake, source.dataset, source.batches()).tables["watches"]
    assert (report.published, report.duplicates) == (60, 30)
    assert len(set(lake.read("watches")["watch_id"].to_pylist())) == 90 == len(lake.read("watches"))
    assert [p.name for p in (lake.root / FOLDER).iterdir()] == [".lock"]
    assert not list(lake.root.rglob("*.tmp"))


def test_recorded_events_are_exported_by_day_and_repeating_it_adds_nothing(lake):
    ingest(lake, TINY, [(MEDIA, media("m"))])
    events = Recorded(watches=watches({}, {"watch_id": "x", "started_at": AT + timedelta(days=1)}))

    first = export_events(lake, events, DAY, DAY)
    again = export_events(lake, events, DAY, DAY)
    both = export_events(lake, events, DAY, DAY + timedelta(days=1))

    assert first.tables["watches"].published == 1
    assert (again.tables["watches"].published, again.tables["watches"].duplicates) == (0, 1)
    assert (both.tables["watches"].published, both.tables["watches"].duplicates) == (1, 1)
    assert lake.read("watches")["watch_id"].to_pylist() == ["w", "x"]


def test_what_a_member_chose_is_exported_once_beside_what_the_lake_holds(lake):
    at = {"chosen_at": [AT], "available_at": [AT]}
    schema = PREFERENCES.schema()
    before = pa.table({"user_id": ["u0"], "kind": ["genre"], "value": ["war"], **at}, schema)
    ingest(lake, TINY, [(MEDIA, media("m")), (PREFERENCES, before)])
    chosen = Recorded(preferences=pa.table({"user_id": ["u1"], "kind": ["genre"], "value": ["drama"], **at}, schema))

    assert export_events(lake, chosen, DAY, DAY).tables["preferences"].published == 1
    assert export_events(lake, chosen, DAY, DAY).tables["preferences"].duplicates == 1
    held = lake.read("preferences").select(["user_id", "value"]).to_pylist()
    assert held == [{"user_id": "u0", "value": "war"}, {"user_id": "u1", "value": "drama"}]


def test_an_event_that_is_told_days_later_comes_with_the_day_on_which_it_was_heard(lake):
    ingest(lake, TINY, [(MEDIA, media("m"))])
    late = Recorded(watches=watches({"available_at": AT + timedelta(days=3)}))

    for day, held in ((1, False), (2, False), (3, True), (4, True)):
        export_events(lake, late, DAY + timedelta(days=day), DAY + timedelta(days=day))
        assert lake.exists("watches") == held
    assert lake.days("watches") == [DAY]


def test_a_day_without_rows_is_complete_too(lake):
    ingest(lake, TINY, [(MEDIA, media("m"))])

    report = export_events(lake, Recorded(), DAY, DAY)

    assert report.tables == {}
    assert {t.name: lake.watermark(t.name).through for t in EVENTS} == {t.name: DAY for t in EVENTS}
    with pytest.raises(DataError, match="watches has no rows for 2026-01-03"):
        lake.read("watches", DAY, DAY)


def test_an_event_whose_clock_runs_ahead_of_the_platforms_is_set_aside(lake):
    ingest(lake, TINY, [(MEDIA, media("m"))])
    ahead = watches({"available_at": AT - timedelta(minutes=10)})

    report = export_events(lake, Recorded(watches=ahead), DAY, DAY)

    assert report.tables["watches"].reasons == {"available_at minus started_at in seconds below 0": 1}
    assert quarantine.read(lake, "watches")["watch_id"].to_pylist() == ["w"]


def test_an_export_needs_a_data_set_and_an_interval_that_goes_forward(lake):
    with pytest.raises(DataError, match="run `marquee import` first"):
        export_events(lake, Recorded(), DAY, DAY)
    ingest(lake, TINY, [(MEDIA, media("m"))])
    with pytest.raises(DataError, match="2026-01-03 to 2026-01-02 ends before it begins"):
        export_events(lake, Recorded(), DAY, DAY - timedelta(days=1))


def test_a_watermark_has_a_new_version_when_a_row_changed_and_only_then(lake):
    assert lake.watermark("watches") is None
    ingest(lake, TINY, [(WATCHES, watches({}))])
    first = lake.watermark("watches")

    assert first.through == DAY
    ingest(lake, TINY, [(WATCHES, watches({}))])
    assert lake.watermark("watches") == first
    ingest(lake, TINY, [(WATCHES, watches({}, {"watch_id": "late"}))])
    assert lake.watermark("watches").version == first.version + 1
    assert lake.watermark("watches").through == DAY


def test_a_watermark_never_moves_back(lake):
    watermark.advance(lake, "watches", DAY, changed=True)

    assert watermark.advance(lake, "watches", DAY - timedelta(days=3), changed=True).through == DAY


@pytest.mark.parametrize("table", EVENTS, ids=lambda t: t.name)
def test_every_event_happens_and_is_kept_by_day_but_for_what_members_chose(table: Table):
    assert table.moment is not None
    assert (table.time is None) == (table is PREFERENCES)


def test_quarantine_of_a_table_without_faults_is_nothing(lake):
    assert quarantine.read(lake, "watches") is None
