"""One retraining: plan the days, fit, judge on later days, seal. The retrain DAG and the backtest both come here."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from pipelines import counterfactual
from pipelines.adapters.feature_store import FeatureStore
from pipelines.adapters.model_registry import ModelRegistry
from pipelines.candidates import EFFECTS, scores
from pipelines.candidates import job as candidates
from pipelines.candidates.job import DAILY
from pipelines.candidates.scores import CheckpointConfig
from pipelines.core import days, release
from pipelines.core.contracts import RETRIEVAL, Floats
from pipelines.core.errors import DataError, ReleaseError
from pipelines.core.evidence import Evidence
from pipelines.core.lake import Lake
from pipelines.core.ledger import Draft, Entry
from pipelines.core.release import Manifest
from pipelines.core.settings import Settings
from pipelines.core.window import Window
from pipelines.features.catalogue import inputs
from pipelines.judgement import Judgement, exam, judge
from pipelines.metrics.drift import sketch
from pipelines.promotion import job as promotion
from pipelines.promotion import ledger, moves
from pipelines.promotion.job import PromotionResult
from pipelines.promotion.policy import read as read_policy
from pipelines.ranking import DEFAULT
from pipelines.ranking import job as ranking
from pipelines.released import load_release
from pipelines.rerank.diversity import DiversityConfig
from pipelines.rerank.exploration import ExplorationConfig
from pipelines.rerank.filters import FiltersConfig
from pipelines.rerank.ordering import OrderingConfig
from pipelines.rerank.ordering import learn as learn_ordering
from pipelines.training_data import job as training_data
from pipelines.training_data.drawn import drawn as drawn_impressions
from pipelines.training_data.integrity import require_green
from pipelines.training_data.splits import calibrating

TEST_SHARE = 0.15
"""The share of all days that a retraining tests on where nobody says how many; one day at least."""

REFERENCE = "monitoring/reference.json"
TRAINING_REPORT = "training_set.json"
"""The integrity report of what a release learnt from, sealed with it and stored with its run."""
TRAINED = "trained"
"""The watermark of the last retraining: the last day of its test."""

CHECKPOINTS = "checkpoints"
RELEASE, CHALLENGER, CHAMPION, FLOOR = "release", "challenger.npz", "champion.npz", "floor.npz"
OFF_POLICY = "off_policy.json"
ARRANGED = "arranged.json"
"""What the arrangement of pages learnt of a log: settings by their part."""
LEAST_RATE = 1e-4
MOST_ASKED = 2000
"""Members whose explored impressions decide the ordering."""
REPOSITORY = Path(__file__).resolve().parent.parent


def plan_window(lake: Lake, test_from: date, test_to: date | None = None) -> Window:
    """Split the days that hold events: all before ``test_from`` fit and calibrate, up to ``test_to`` test.

    Raises:
        DataError: naming the days that exist, when there are too few before or none from ``test_from`` on.
    """
    held = lake.days("impressions") or lake.days("watches")
    before, after = [d for d in held if d < test_from], [d for d in held if d >= test_from]
    if len(before) < 2 or not after or (test_to is not None and test_to < after[0]):
        span = f"{held[0]} to {held[-1]}" if held else "no day at all"
        raise DataError(
            f"a test from {test_from} to {test_to or 'the end'} leaves nothing to fit or to test on: "
            f"the lake holds {span}; choose days with two days of events before them"
        )
    last = after[-1] if test_to is None else min(test_to, after[-1])
    return Window(
        fit_from=before[0], calibrate_from=before[-calibrating(len(before))], test_from=test_from, test_to=last
    )


def plan(
    settings: Settings,
    through: str | None,
    test_days: int | None,
    *,
    force: bool = False,
    method: str = DEFAULT,
    options: Mapping[str, Any] = ranking.DEFAULTS,
) -> dict[str, Any] | None:
    """The window that tests on the last ``test_days`` days up to ``through`` (default: the last day with features).

    None when that day was tested by an earlier retraining already: nothing is new, unless ``force``.

    Raises:
        DataError: when features do not reach that day, too few days lie before the test, or the ranker or one of its
            settings is not known: before anything is computed.
    """
    ranking.configured(method, options)
    lake = Lake(settings.lake_path)
    reached, trained = lake.watermark("features"), lake.watermark(TRAINED)
    if reached is None:
        raise DataError("features has no watermark: run refresh_features first")
    last = days.parse(through) if through else reached.through
    if last > reached.through:
        raise DataError(f"features are complete through {reached.through}, not {last}: run refresh_features to {last}")
    if trained is not None and trained.through >= last and not force:
        return None
    held = [day for day in lake.days("impressions") or lake.days("watches") if day <= last]
    testing = test_days or max(1, round(TEST_SHARE * len(held)))
    return plan_window(lake, last - timedelta(days=testing - 1), last).model_dump(mode="json")


def staging(settings: Settings, window: Window) -> Path:
    """Where the release of this window is put together."""
    return settings.root / "staging" / f"{window.test_from}_{window.test_to}"


def build_training_set(
    settings: Settings,
    window: Window,
    *,
    seed: int,
    kept: Path | None = None,
    config: CheckpointConfig = DAILY,
    known_by: datetime | None = None,
) -> dict[str, Any]:
    """Publish the window's training set, each row scored by generators fitted before its day; return its report.

    ``kept`` holds fits of other windows of the same lake and seed, which are taken as they are: a fit is of its day.
    Test rows are labelled as known before ``known_by``; None = by everything in the lake.
    """
    folder = kept or staging(settings, window) / CHECKPOINTS
    if kept is None:
        shutil.rmtree(folder, ignore_errors=True)
    retrieval = candidates.checkpoints(settings, window, folder=folder, seed=seed, config=config)
    return training_data.build(settings, window, seed, known_by=known_by, retrieval=retrieval)


def fit_generators(settings: Settings, window: Window, *, seed: int, kept: Path | None = None) -> None:
    """Fit every generator into a fresh release folder, taking fits from ``kept``; DataError on a red training set."""
    require_green(training_data.report_of(settings, window))
    into = staging(settings, window) / RELEASE
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    folder = kept or staging(settings, window) / CHECKPOINTS
    candidates.fit(settings, window, into=into, seed=seed, folder=folder)


def ranker_inputs(settings: Settings, method: str | None = None) -> list[str]:
    """What a ranker reads: the features of the data set, the generators' scores, and what a method asks for beside."""
    beside = ranking.configured(method, {}).READS if method else ()
    return [*inputs(Lake(settings.lake_path).dataset), *scores.names(), *beside]


def fit_ranker(
    settings: Settings,
    window: Window,
    *,
    seed: int,
    method: str = DEFAULT,
    options: Mapping[str, Any] = ranking.DEFAULTS,
    kept: Path | None = None,
) -> None:
    """Fit and calibrate the ranker into the release folder that holds the generators, and learn how pages are
    arranged by both; DataError on a red one.

    ``options``: settings of the method other than its own. ``kept``: where the fits of generators are, as for them.
    """
    require_green(training_data.report_of(settings, window))
    into = staging(settings, window) / RELEASE
    shutil.rmtree(into / ranking.FOLDER, ignore_errors=True)  # Or files of another method would be sealed with it.
    names = ranker_inputs(settings, method)
    expected = ranking.fit(settings, window, names=names, into=into, seed=seed, method=method, options=options)
    folder = kept or staging(settings, window) / CHECKPOINTS
    ordering = _ordering(settings, window, expected, release=into, folder=folder, seed=seed)
    diversity = DiversityConfig(rate=max(round(float(expected.mean()), 4), LEAST_RATE))
    learnt = {"ordering": ordering.model_dump(mode="json"), "diversity": diversity.model_dump(mode="json")}
    (into / ARRANGED).write_text(json.dumps(learnt), encoding="utf-8")


def _ordering(
    settings: Settings, window: Window, expected: Floats, *, release: Path, folder: Path, seed: int
) -> OrderingConfig:
    """Learnt from those impressions of the calibration days that a policy drew by chance and said how probably; the
    default where there are none. expected: of every row of those days, by the ranker."""
    lake = Lake(settings.lake_path)
    drawn = drawn_impressions(lake, window.calibrate_from, window.last_fitted)
    if drawn is None or drawn.empty:
        return OrderingConfig()
    read = ["impression_id", "user_id", "media_id", "event_timestamp", "device", "position", "watched", "split"]
    rows = lake.read(f"training/{window.test_from}", columns=[*read, RETRIEVAL + EFFECTS]).to_pandas()
    rows = rows[rows["split"] == "calibrate"].assign(expected=expected)
    drawn = rows.merge(drawn, on="impression_id")
    members = np.unique(drawn["user_id"].astype(str))
    if len(members) > MOST_ASKED:
        drawn = drawn[drawn["user_id"].isin(np.random.default_rng(seed).choice(members, MOST_ASKED, replace=False))]
    found = candidates.retrieved(settings, window, drawn, release=release, folder=folder, seed=seed)
    drawn, found = drawn[found > 0], found[found > 0]
    names = ("expected", RETRIEVAL + EFFECTS, "watched", "propensity", "position")
    expected, *others = (drawn[name].to_numpy(np.float64) for name in names)
    return learn_ordering(expected, found, *others)


def seal(
    settings: Settings, window: Window, *, seed: int, folder: Path, metrics: Mapping[str, Any] | None = None
) -> Manifest:
    """Write the monitoring reference and the manifest over whatever was fitted into ``folder``."""
    lake = Lake(settings.lake_path)
    names = ranker_inputs(settings)
    rows = lake.read(f"training/{window.test_from}", columns=[*names, "split", "label", "sampling_rate"]).to_pandas()
    fit = rows[rows.split == "fit"]
    # Each negative that was kept stands for those that were thinned out, or thinning would look like drift.
    stands_for = np.where(fit.label == 0, 1 / fit.sampling_rate, 1.0)
    reference = folder / REFERENCE
    reference.parent.mkdir(exist_ok=True)
    reference.write_text(json.dumps(sketch(fit[names], stands_for)), encoding="utf-8")
    told = json.dumps(training_data.report_of(settings, window), indent=2)
    (folder / TRAINING_REPORT).write_text(told, encoding="utf-8")
    return release.write(
        folder,
        generators=tuple(sorted(candidates.load(folder))),
        ranker=ranking.method_of(folder),
        feature_service="ranking",
        feature_fingerprint=FeatureStore(settings).fingerprint(),
        dataset=lake.dataset.name,
        time_zone=lake.dataset.time_zone,
        watermark=window.last_fitted,
        trained_from=window.fit_from,
        seed=seed,
        settings={
            "blend": candidates.load_blend(folder).model_dump(mode="json"),
            **json.loads((folder / ARRANGED).read_text(encoding="utf-8")),
            "filters": FiltersConfig().model_dump(mode="json"),
            "exploration": ExplorationConfig().model_dump(mode="json"),
            "window": window.model_dump(mode="json"),
        },
        metrics=dict(metrics or {}),
        git_commit=git_commit(),
        lock_hash=release.digest(REPOSITORY / "constraints.txt"),
    )


def git_commit() -> str:
    """The commit of this code: MARQUEE_GIT_COMMIT where an image was built without git, else what git says."""
    named = os.environ.get("MARQUEE_GIT_COMMIT")
    if named:
        return named
    asked = subprocess.run(["git", "rev-parse", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return asked.stdout.strip() or "unknown"


def judge_challenger(settings: Settings, window: Window, *, seed: int, at: datetime, actor: str) -> Judgement:
    """Judge the staged release and the champion on the same days, and seal the release with its figures.

    The ledger keeps, signed by the trainer, who made it of what.
    """
    folder = staging(settings, window)
    seal(settings, window, seed=seed, folder=folder / RELEASE)
    asked = exam(settings, window, seed=seed)
    judgement = judge(settings, folder / RELEASE, window, seed=seed, asked=asked)
    manifest = seal(settings, window, seed=seed, folder=folder / RELEASE, metrics=judgement.as_dict())
    replace(judgement.evidence, release_id=manifest.release_id).save(folder / CHALLENGER)
    judgement.floor.save(folder / FLOOR)
    _note_trained(settings, manifest, at=at, actor=actor)
    for stale in (CHAMPION, OFF_POLICY):
        (folder / stale).unlink(missing_ok=True)
    champion = moves.champion(settings)
    if champion is not None and champion.release_id != manifest.release_id:
        held = ModelRegistry(settings).download(champion.version, settings.root / "releases")
        judge(settings, held, window, seed=seed, asked=asked).evidence.save(folder / CHAMPION)
        told = weighed(settings, folder / RELEASE, held, window)
        (folder / OFF_POLICY).write_text(json.dumps(told), encoding="utf-8")
    return judgement


def weighed(settings: Settings, challenger: Path, champion: Path, window: Window) -> dict[str, Any]:
    """What the challenger would have earned beyond the champion in the window's exploration slots, or why none can say.

    It decides nothing: the slots are few. Concordance sets it beside what followed.
    """
    sides = load_release(challenger), load_release(champion)
    try:
        found = counterfactual.weigh(settings, *sides, window.test_from, window.test_to)
    except (DataError, ReleaseError) as exc:
        return {"verdict": "inconclusive", "reasons": [str(exc)]}
    gain = found.gain.as_dict() if np.isfinite([found.gain.low, found.gain.high]).all() else {}
    return {"verdict": found.verdict, "reasons": list(found.reasons), **gain, "told": found.describe()}


def _note_trained(settings: Settings, manifest: Manifest, *, at: datetime, actor: str) -> None:
    """Add to the ledger who trained the release; nothing where it is there already."""
    told = {"dataset", "trained_from", "watermark", "ranker", "generators", "seed", "git_commit", "lock_hash"}
    facts = manifest.model_dump(mode="json", include=told)
    draft = Draft(event="trained", at=at, actor=actor, release_id=manifest.release_id, facts=facts)

    def wanted(entries: list[Entry]) -> Draft | None:
        known = any((e.event, e.release_id) == ("trained", manifest.release_id) for e in entries)
        return None if known else draft

    ledger.append(settings, "trainer", wanted)


def promote(settings: Settings, window: Window, *, at: datetime, actor: str) -> PromotionResult:
    """Register the staged release, let the gate decide, and note how far training has come.

    Where the policy wants every release approved, a promote verdict waits for that.
    """
    folder, policy = staging(settings, window), read_policy()
    beside = folder / OFF_POLICY
    champion = Evidence.load(folder / CHAMPION) if (folder / CHAMPION).exists() else None
    result = promotion.release(
        settings,
        folder / RELEASE,
        Evidence.load(folder / CHALLENGER),
        Evidence.load(folder / FLOOR),
        champion,
        at=at,
        actor=actor,
        policy=policy,
        hold=policy.approval == "always",
        off_policy=json.loads(beside.read_text(encoding="utf-8")) if beside.exists() else None,
    )
    Lake(settings.lake_path).advance(TRAINED, window.test_to)
    return result
