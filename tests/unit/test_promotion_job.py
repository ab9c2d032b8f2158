"""The release step on a real, embedded MLflow: what is registered, which alias moves, what the ledger holds."""

import dataclasses
import json
import shutil
from datetime import UTC, date, datetime

import numpy as np
import pytest

from pipelines.adapters.model_registry import MODEL, ModelRegistry
from pipelines.core import release as releases
from pipelines.core.errors import MoveRefused, ReleaseError
from pipelines.core.evidence import Evidence, rows
from pipelines.core.settings import Settings
from pipelines.promotion import gains, job, ledger, moves
from pipelines.promotion.policy import Floor, Guardrail, Policy

pytestmark = [
    # MLflow 3.17 maps its tables with a loader strategy that SQLAlchemy 2.1 deprecates.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
    # MLflow keeps one engine a database file for the life of the process.
    pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning"),
]
AT = datetime(2022, 5, 3, 6, tzinfo=UTC)
POLICY = Policy(
    primary="page.ndcg@10",
    floors=(Floor(metric="page.ndcg@10"),),
    guardrails=(Guardrail(metric="ranker.log_loss", margin=0.02),),
    resamples=200,
    row_resamples=50,
)


@pytest.fixture
def settings(tmp_path, tmp_path_factory):
    settings = Settings(home=tmp_path / "home")
    template = tmp_path_factory.getbasetemp() / "mlflow-template.db"  # MLflow takes seconds to create its tables
    if template.exists():
        (settings.root / "mlflow").mkdir(parents=True)
        shutil.copy(template, settings.root / "mlflow" / "mlflow.db")
    else:
        ModelRegistry(settings).champion()
        shutil.copy(settings.root / "mlflow" / "mlflow.db", template)
    return settings


@pytest.fixture
def stage(tmp_path):
    def stage(seed):
        folder = tmp_path / f"staged-{seed}"
        folder.mkdir()
        (folder / "model.txt").write_text(f"model {seed}")
        releases.write(
            folder,
            generators=("popularity",),
            ranker="gbdt",
            feature_service="ranking",
            feature_fingerprint="f",
            dataset="tiny <b>world</b>",
            time_zone="UTC",
            watermark=date(2022, 4, 28),
            trained_from=date(2022, 4, 1),
            seed=seed,
            settings={},
            metrics={},
            git_commit="c",
            lock_hash="l",
        )
        return folder

    return stage


def scored(lift, **changes):
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 300)
    evidence = Evidence(
        date(2022, 4, 29),
        date(2022, 5, 2),
        date(2022, 4, 28),
        np.array([f"u{i}" for i in range(100)]),
        {"page.ndcg@10": rng.random(100) / 2 + lift},
        {"ranker": rows(np.arange(300), rng.integers(0, 100, 300), label, 0.3 + 0.4 * label)},
    )
    return dataclasses.replace(evidence, **changes)


def run(settings, folder, lift, champion_lift=None, **options):
    champion = None if champion_lift is None else scored(champion_lift)
    options = {"at": AT, "actor": "ada", "policy": POLICY, **options}
    return job.release(settings, folder, scored(lift), scored(0.0), champion, **options)


def test_the_first_release_above_popularity_becomes_champion(settings, stage):
    result = run(settings, stage(1), 0.1)
    registry = ModelRegistry(settings)
    assert result.champion
    assert registry.champion() == registry.alias("challenger") == (result.version, result.release_id)
    assert registry.tags(result.version)["verdict"] == "promote"
    judged, promoted = ledger.read(settings)
    assert [(e.event, e.actor, e.at, e.release_id, e.version) for e in (judged, promoted)] == [
        (event, "ada", AT, result.release_id, result.version) for event in ("judged", "promoted")
    ]
    assert (judged.facts["verdict"], judged.facts["before"], promoted.facts["before"]) == ("promote", None, None)


def test_better_equal_and_worse_challengers_move_the_champion_only_when_better(settings, stage):
    registry, first = ModelRegistry(settings), run(settings, stage(1), 0.1)
    equal, worse = run(settings, stage(2), 0.1, 0.1), run(settings, stage(3), 0.05, 0.1)
    assert [equal.verdict.verdict, worse.verdict.verdict] == ["inconclusive", "reject"]
    assert registry.champion() == (first.version, first.release_id)
    assert registry.alias("challenger").release_id == worse.release_id
    better = run(settings, stage(4), 0.2, 0.1)
    assert registry.champion() == (better.version, better.release_id)
    judged = [e for e in ledger.read(settings) if e.event == "judged"]
    assert [e.facts["before"] for e in judged] == [None, *[first.release_id] * 3]


def test_a_release_step_that_runs_again_changes_nothing(settings, stage):
    folder, registry = stage(1), ModelRegistry(settings)
    first = run(settings, folder, 0.1)
    again = run(settings, folder, 0.1)
    assert (again.version, again.champion, again.verdict.reasons) == (
        first.version,
        True,
        ("it is the champion already",),
    )
    rejected = [run(settings, folder, 0.0, 0.1) for folder in [stage(2)] for _ in range(2)]
    assert rejected[0] == rejected[1]
    assert len(registry.releases()) == 2
    assert [e.event for e in ledger.read(settings)] == ["judged", "promoted", "judged"]


@pytest.mark.parametrize("before", ["challenger", "champion"])
def test_a_step_killed_before_an_alias_moved_is_finished_by_the_next(settings, stage, monkeypatch, before):
    folder, move = stage(1), ModelRegistry.set_alias

    def killed(registry, alias, version):
        if alias == before:
            raise KeyboardInterrupt
        move(registry, alias, version)

    with monkeypatch.context() as patch:
        patch.setattr(ModelRegistry, "set_alias", killed)
        with pytest.raises(KeyboardInterrupt):
            run(settings, folder, 0.1)
    assert ModelRegistry(settings).champion() is None
    result = run(settings, folder, 0.1)
    assert ModelRegistry(settings).champion() == (result.version, result.release_id)
    assert [e.event for e in ledger.read(settings)] == ["judged", "promoted"]


def test_card_verdict_and_evidence_lie_beside_the_release(settings, stage, tmp_path):
    result = run(settings, stage(1), 0.1)
    client = ModelRegistry(settings)._client
    version = client.get_model_version(MODEL, str(result.version))
    beside = tmp_path / "beside"
    beside.mkdir()
    client.download_artifacts(version.run_id, "evidence", str(beside))
    page = (beside / "evidence" / "model_card.html").read_text()
    assert f"<h1>Release {result.release_id}: promote</h1>" in page
    assert "tiny &lt;b&gt;world&lt;/b&gt;" in page
    assert version.description.startswith(f"# Release {result.release_id}: promote")
    assert json.loads((beside / "evidence" / "verdict.json").read_text()) == result.verdict.as_dict()
    assert ModelRegistry(settings).tags(result.version)["reasons"].startswith("better than the floor: page.ndcg@10")
    assert client.get_run(version.run_id).data.tags["window"] == "2022-04-29 to 2022-05-02"
    assert client.get_run(version.run_id).data.metrics["gain.floor.page.ndcg_at_10.value"] == pytest.approx(0.1)
    again = Evidence.load(beside / "evidence" / "evidence.npz")
    np.testing.assert_array_equal(again.metrics["page.ndcg@10"], scored(0.1).metrics["page.ndcg@10"])


def test_a_changed_folder_is_never_registered(settings, stage):
    folder = stage(1)
    (folder / "model.txt").write_text("another model")
    with pytest.raises(ReleaseError, match=r"model\.txt was changed"):
        run(settings, folder, 0.1)
    assert ModelRegistry(settings).releases() == []
    assert ledger.read(settings) == []


def test_a_champion_that_was_not_scored_is_not_replaced(settings, stage):
    first, folder = run(settings, stage(1), 0.1), stage(2)
    with pytest.raises(ReleaseError, match=f"champion {first.release_id} stands and was not scored"):
        run(settings, folder, 0.3)
    outdated = scored(0.1, release_id="0123456789ab")
    with pytest.raises(ReleaseError, match=f"is of 0123456789ab and {first.release_id} is champion now"):
        job.release(settings, folder, scored(0.3), scored(0.0), outdated, at=AT, actor="ada", policy=POLICY)
    with pytest.raises(ReleaseError, match="the evidence is of 0123456789ab, not of"):
        job.release(settings, folder, outdated, scored(0.0), None, at=AT, actor="ada", policy=POLICY)


def test_a_person_can_force_the_alias_and_the_ledger_says_so(settings, stage):
    run(settings, stage(1), 0.1)
    forced = run(settings, stage(2), 0.05, 0.1, force_alias="champion", actor="grace")
    assert forced.verdict.verdict == "reject"
    assert forced.champion
    assert ModelRegistry(settings).champion().release_id == forced.release_id
    judged, approved, promoted = ledger.read(settings)[-3:]
    assert (judged.actor, judged.facts["verdict"], judged.facts["forced"]) == ("grace", "reject", "champion")
    assert (approved.event, approved.facts["reason"]) == ("approved", "the alias was forced")
    assert promoted.event == "promoted"


def test_a_release_that_is_held_waits_for_a_person(settings, stage):
    held = run(settings, stage(1), 0.1, hold=True)
    assert (held.verdict.verdict, held.champion, ModelRegistry(settings).champion()) == ("promote", False, None)
    with pytest.raises(MoveRefused, match="the gate said promote, and a person's approval is asked for"):
        moves.promote(settings, held.release_id, at=AT, actor="ada")
    moves.approve(settings, held.release_id, at=AT, actor="grace", reason="the pages look right")
    moves.promote(settings, held.release_id, at=AT, actor="ada")
    assert ModelRegistry(settings).champion() == moves.champion(settings) == (held.version, held.release_id)
    assert ledger.verify(settings).anchors == 1


def test_what_exploration_slots_say_is_kept_beside_the_verdict_and_decides_nothing(settings, stage):
    run(settings, stage(1), 0.1)
    told = {"verdict": "worse", "reasons": [], "value": -0.2, "low": -0.3, "high": -0.1, "told": "dr gain -0.2: worse"}
    result = run(settings, stage(2), 0.4, 0.1, off_policy=told)
    assert result.champion
    judged = [e for e in ledger.read(settings) if e.event == "judged"][-1]
    assert judged.facts["off_policy"] == told
    (gain,) = [g for g in gains.promotions(ledger.read(settings), POLICY.primaries) if g.off_policy]
    assert (gain.release_id, gain.off_policy.low) == (result.release_id, -0.3)
