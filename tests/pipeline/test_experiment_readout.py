"""An experiment from what was shown and watched to the page and the command line: real files, a real event store."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from marquee.cli import app as command
from monitoring import experiments
from pipelines.adapters.event_store import EventStore
from pipelines.adapters.experiment_store import ExperimentStore
from pipelines.core import dataset as datasets
from pipelines.core.dataset import Dataset
from pipelines.core.errors import DataError, RequestError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.tables import IMPRESSIONS, WATCHES
from pipelines.experiments import job, lifecycle
from pipelines.experiments.assignment import assign
from pipelines.experiments.definition import Definition, parse

FIRST, DAYS, PRE = date(2026, 3, 1), 4, 7
START = datetime(2026, 3, 1, 6, tzinfo=UTC)
AT = datetime(2026, 3, 5, 2, 30, tzinfo=UTC)
MEMBERS = [f"u{n:04d}" for n in range(600)]
RELEASES = {"champion": "aaa", "challenger": "bbb"}
RAISED = {"champion": 1.0, "challenger": 1.4}


def described(**other: Any) -> Definition:
    variants = {name: {"release": release, "share": 1} for name, release in RELEASES.items()}
    about = {"name": "spring", "variants": variants, "control": "champion", "planned_end": "2026-03-10"}
    return parse(about | {"minimum_effect": 0.05, "start": START, "pre_days": PRE} | other)


def publish_days(lake: Lake, running: Definition) -> None:
    """Each member visits once a day; in the morning an impression leads to as many long watches as they like."""
    rng = np.random.default_rng(4)
    liking = rng.gamma(4, 0.25, len(MEMBERS))
    for day in (FIRST + timedelta(days=n) for n in range(-PRE, DAYS)):
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        shown, watched = [], []
        for user, likes in zip(MEMBERS, liking, strict=True):
            raised = RAISED[str(assign(user, running.assignment))] if day >= FIRST else 1.0
            about = {"user_id": user, "media_id": "m1", "available_at": noon, "session_id": f"{user}-{day}"}
            impression = about | {
                "impression_id": f"{user}-{day}",
                "shown_at": noon,
                "clicked": bool(rng.random() < 0.5),
            }
            shown.append(impression | {"policy": "ranked", "position": 0})
            watched += [
                about
                | {"watch_id": f"{user}-{day}-{n}", "impression_id": f"{user}-{day}", "started_at": noon}
                | {"watched_seconds": 600.0}
                for n in range(rng.poisson(likes * raised))
            ]
        lake.publish("impressions", pa.Table.from_pylist(shown, IMPRESSIONS.schema()), day)
        lake.publish("watches", pa.Table.from_pylist(watched, WATCHES.schema()), day)
    lake.advance("impressions", FIRST + timedelta(days=DAYS - 1))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Four days of an experiment whose challenger makes members watch two fifths more."""
    found = Settings(home=tmp_path_factory.mktemp("experiment"))
    datasets.write(Dataset(name="small", source="tables"), found.lake_path)
    publish_days(Lake(found.lake_path), described())
    registered = [SimpleNamespace(version=n, release_id=r) for n, r in enumerate(RELEASES.values(), start=1)]
    registry = SimpleNamespace(releases=lambda: registered, tags=lambda _: {})
    with EventStore(found.event_store_address) as events:
        events.migrate()
        store = ExperimentStore(events)
        kept = lifecycle.start(store, registry, described(), actor="ada <b>", reason="to see", at=START)
        with events.transaction() as connection:
            from pipelines.adapters.event_tables import EXPOSURES

            rows = [{"user_id": user, "variant": str(assign(user, kept.assignment))} for user in MEMBERS]
            same = {"experiment": "spring", "exposed_at": START + timedelta(hours=1)}
            connection.execute(EXPOSURES.insert(), [r | same | {"release_id": RELEASES[r["variant"]]} for r in rows])
    return found


@pytest.fixture
def at_home(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv("MARQUEE_HOME", str(settings.root))
    return settings


def test_the_look_counts_exposed_members_and_finds_what_is_there(settings: Settings) -> None:
    found = job.look(settings, "spring", None)
    assert (found.period.first, found.period.last, found.readout.day, found.readout.days) == (
        FIRST,
        FIRST + timedelta(days=DAYS - 1),
        DAYS,
        10,
    )
    assert sum(found.readout.members.values()) == len(MEMBERS)
    assert found.readout.verdict == "ship"
    by_metric = {effect.metric: effect for effect in found.readout.effects}
    assert by_metric["videos_watched"].interval.low < 0.4 < by_metric["videos_watched"].interval.high
    assert by_metric["videos_watched"].lift.saved > 0.3
    assert by_metric["sessions"].lift.value == pytest.approx(0.0, abs=1e-9)
    assert by_metric["session_minutes"].lift.treated > by_metric["session_minutes"].lift.control > 5


def test_an_earlier_day_is_read_as_it_stood_then(settings: Settings) -> None:
    early = job.look(settings, "spring", "2026-03-01").readout
    assert early.day == 1
    videos = next(e for e in early.effects if e.metric == "videos_watched").interval
    later = next(e for e in job.look(settings, "spring", None).readout.effects if e.metric == "videos_watched").interval
    assert videos.high - videos.low > later.high - later.low


def test_the_page_needs_no_script_and_says_what_was_decided_and_what_is_not_seen(settings: Settings) -> None:
    told = experiments.read(settings, "spring", None, at=AT)
    page = Path(told["page"]).read_text(encoding="utf-8")
    assert Path(told["page"]) == settings.root / "reports" / "experiments" / "spring" / "2026-03-04.html"
    assert "Ship: challenger did better" in page
    assert "a click that leaves at once" in page
    assert "ada &lt;b&gt;" in page
    assert "<script" not in page
    assert "<svg" in page
    assert json.loads(Path(told["page"]).with_suffix(".json").read_text(encoding="utf-8"))["verdict"] == "ship"
    lifts = {e["release"]: e["interval"] for e in told["effects"] if e["metric"] == told["primary"]}
    assert {release: lift.as_dict() for release, lift in experiments.readouts(settings).items()} == lifts


def test_the_night_reads_what_runs_and_brings_the_days_it_needs(settings: Settings) -> None:
    due = job.due(settings, None, None, at=AT)
    assert due == {"experiments": ["spring"], "first": "2026-03-03", "last": "2026-03-04"}
    assert [one["verdict"] for one in experiments.read_all(settings, due, at=AT)] == ["ship"]
    assert job.due(settings, None, None, at=START) is None
    long_after = job.due(settings, "spring", None, at=AT + timedelta(days=300))
    assert long_after is not None
    assert long_after["last"] == "2026-03-10"


def test_a_day_that_the_lake_does_not_reach_or_before_the_start_is_refused(settings: Settings) -> None:
    with pytest.raises(DataError, match="complete through 2026-03-04, not 2026-03-06"):
        job.look(settings, "spring", "2026-03-06")
    with pytest.raises(RequestError, match="began on 2026-03-01, after 2026-02-27"):
        job.look(settings, "spring", "2026-02-27")
    with pytest.raises(RequestError, match="there is no experiment 'summer': spring"):
        job.look(settings, "summer", None)


def test_a_plan_is_made_of_the_days_that_are_there(settings: Settings) -> None:
    found = job.plan(settings, described(pre_days=4), (7,))
    assert found.horizons[0].members == len(MEMBERS)
    assert found.horizons[0].saved > 0.2
    with pytest.raises(DataError, match="holds 11 days of impressions: 7 to plan on and 7 before them"):
        job.plan(settings, described())


def test_the_command_reads_and_lists_as_json(at_home: Settings) -> None:
    done = CliRunner().invoke(command, ["experiment", "read", "spring", "--through", "2026-03-03", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["through"] == "2026-03-03"
    listed = CliRunner().invoke(command, ["experiment", "list", "--json"])
    assert json.loads(listed.stdout)["experiments"][0]["started"]["reason"] == "to see"
    shown = CliRunner().invoke(command, ["experiment", "list"])
    assert "runs through 2026-03-10" in shown.stdout


def test_the_command_plans_by_a_file_and_says_what_is_wrong_with_one(at_home: Settings, tmp_path: Path) -> None:
    file = tmp_path / "summer.yaml"
    file.write_text(json.dumps(described(name="summer", pre_days=4).model_dump(mode="json")), encoding="utf-8")
    done = CliRunner().invoke(command, ["experiment", "plan", str(file), "--days", "7"])
    assert done.exit_code == 0, done.output
    assert "members needed" in done.stdout
    file.write_text("name: summer", encoding="utf-8")
    refused = CliRunner().invoke(command, ["experiment", "plan", str(file)])
    assert refused.exit_code == 2
    assert "variants: Field required" in refused.stderr


def test_members_lost_from_one_variant_refuse_the_readout_and_fail_the_command(
    at_home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ExperimentStore.exposures

    def lossy(self: ExperimentStore, experiment: str, before: datetime) -> Any:
        rows = whole(self, experiment, before)
        return [row for row in rows if row[1] == "champion" or int(row[0][1:]) % 3]

    monkeypatch.setattr(ExperimentStore, "exposures", lossy)
    done = CliRunner().invoke(command, ["experiment", "read", "spring"])
    assert done.exit_code == 1
    assert "refused" in done.stdout
    page = (at_home.root / "reports" / "experiments" / "spring" / "2026-03-04.html").read_text(encoding="utf-8")
    assert "Refused: these members do not make an experiment" in page
    assert "What members did" not in page


def test_before_anybody_is_exposed_the_readout_says_so(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExperimentStore, "exposures", lambda *_: [])
    with pytest.raises(DataError, match="has exposed nobody by day 4"):
        job.look(settings, "spring", None)


def test_a_member_counts_only_from_the_first_exposure(settings: Settings) -> None:
    lake = Lake(settings.lake_path)
    period = job.look(settings, "spring", None).period
    since = pd.Series({"u0001": pd.Timestamp("2026-03-03", tz="UTC")})
    rows = job.outcomes.read(lake, period, since, described())
    assert set(zip(rows["user_id"], rows["day"], strict=True)) == {("u0001", 3), ("u0001", 4)}
