"""What each group of features is worth: a ranker with all of them, and one without each group, on the same rows.

The import, the features, the training set and the generators are made once; only the ranker is fitted anew. Every
difference is paired: the same test rows and the same members' pages under both rankers, resampled by member. One trial
leaves nothing out and changes the seed: what it shows is chance, and a group must show more.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Any

from pipelines import backtest, judgement, retraining
from pipelines.backtest import Say
from pipelines.candidates import scores
from pipelines.core.dataset import Dataset
from pipelines.core.errors import DataError
from pipelines.core.evidence import Evidence
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.window import Window
from pipelines.features.catalogue import features, inputs
from pipelines.features.requirements import REQUIREMENTS, answered
from pipelines.judgement import Sitting
from pipelines.metrics.intervals import Interval
from pipelines.promotion import policy as policies
from pipelines.promotion.comparison import compare, figure
from pipelines.ranking import job as ranking
from pipelines.ranking.unpacking import unpack
from pipelines.released import LoadedRelease, load_release

ALL, SEED, RETRIEVAL, OTHER = "everything", "another seed", "retrieval", "other"
WORDS, DENSE = "X6", "X7"
"""The requirements that are two forms of the same: words and people as they are, and what dense forms make of them."""
AUC, LOG_LOSS, NDCG = "ranker.auc", "ranker.log_loss", "page.ndcg@10"
METRICS = (AUC, LOG_LOSS, NDCG)
PACKED = frozenset({"histogram", "codes", "embedding", "sequence"})
LEAST = 0.001
"""An AUC that a group must be able to add, or it does not pay: less is not worth keeping a source alive for."""

PAYS, DOES_NOT, CANNOT_TELL = "pays", "does not pay", "cannot tell"


@dataclass(frozen=True)
class Trial:
    """A ranker to fit: the group left out, the features that are, and the trial that it is held against."""

    group: str
    meaning: str
    left_out: frozenset[str]
    against: str = ALL
    added: Mapping[str, str] = field(default_factory=dict)
    """Packed features, which no ranker reads as they are, by name and kind: given to it as columns."""


@dataclass(frozen=True)
class Outcome:
    """A trial's figures, and what its group adds to each: above 0 = better with it. None for the first of all, and no
    page where packed features are added: a page has none as columns."""

    trial: Trial
    read: int
    figures: Mapping[str, float]
    gains: Mapping[str, Interval]
    verdict: str

    def as_dict(self) -> dict[str, Any]:
        return {
            "group": self.trial.group,
            "meaning": self.trial.meaning,
            "against": self.trial.against if self.gains else None,
            "left_out": sorted(self.trial.left_out),
            "added": sorted(self.trial.added),
            "features_read": self.read,
            "figures": dict(self.figures),
            "gains": {metric: gain.as_dict() for metric, gain in self.gains.items()},
            "verdict": self.verdict,
        }


def groups(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    """The features that a ranker reads by requirement, those of none under ``other``, the generators' scores apart.

    A feature that answers two requirements stands in both groups; a group may be empty.
    """
    read, of = set(inputs(dataset)), features(dataset)
    found = {name: tuple(f.name for f in of if f.name in read and name in answered(f)) for name in REQUIREMENTS}
    found[OTHER] = tuple(f.name for f in of if f.name in read and not answered(f))
    return found | {RETRIEVAL: tuple(scores.names())}


def packed(dataset: Dataset) -> dict[str, dict[str, str]]:
    """The packed features by requirement, each with its kind."""
    of = [f for f in features(dataset) if f.kind in PACKED]
    return {name: {f.name: f.kind for f in of if name in answered(f)} for name in REQUIREMENTS}


def trials(grouped: Mapping[str, Sequence[str]], packs: Mapping[str, Mapping[str, str]]) -> list[Trial]:
    """One that leaves nothing out, the same with another seed, one a group, dense forms where words are out too, and
    one a group of packed features with those added."""
    about = {name: of.about for name, of in REQUIREMENTS.items()}
    named = {**about, OTHER: "beyond what was asked by name", RETRIEVAL: "what the generators think of a title"}
    found = [Trial(ALL, "all features", frozenset()), Trial(SEED, "what chance alone changes", frozenset())]
    found += [Trial(group, named[group], frozenset(names)) for group, names in grouped.items() if names]
    words, dense = (frozenset(grouped.get(group, ())) for group in (WORDS, DENSE))
    if words and dense:
        found.append(Trial(f"{DENSE} in place of {WORDS}", "dense forms, words left out", words | dense, WORDS))
    for group, added in packs.items():
        if added:
            found.append(Trial(f"{group} packed", "its packed features added as columns", frozenset(), added=added))
    return found


def run(
    source: str,
    path: Path,
    *,
    settings: Settings,
    test_from: date,
    test_to: date | None = None,
    seed: int = 7,
    method: str = "gbdt",
    only: Sequence[str] = (),
    say: Say = lambda step: None,
    clock: Callable[[], float] = perf_counter,
) -> dict[str, Any]:
    """Train on everything before ``test_from`` with all features and without each group; score the days from it on.

    ``only``: the groups to try; all where none is named. ``settings.home`` must be empty. Returns the window, the
    counts, and an outcome a trial, all JSON.

    Raises:
        DataError: as a backtest does, and for a group that there is not.
    """
    unknown = sorted(set(only) - {*REQUIREMENTS, OTHER, RETRIEVAL})
    if unknown:
        raise DataError(f"no group {', '.join(unknown)}: choose from {', '.join((*REQUIREMENTS, OTHER, RETRIEVAL))}")
    window, _ = backtest.prepare(source, path, settings=settings, test_from=test_from, test_to=test_to, say=say)
    folder, _ = backtest.train(settings, window, seed=seed, say=say, method=method)
    bench = _bench(settings, folder, window, method=method, seed=seed)
    dataset = Lake(settings.lake_path).dataset
    wanted = set(only) or {*REQUIREMENTS, OTHER, RETRIEVAL}
    grouped = {name: names for name, names in groups(dataset).items() if name in wanted}
    packs = {name: kinds for name, kinds in packed(dataset).items() if name in wanted}
    outcomes = _outcomes(bench, trials(grouped, packs), say, clock)
    return {
        "dataset": dataset.name,
        "window": window.model_dump(mode="json"),
        "seed": seed,
        "method": method,
        "least": LEAST,
        "members": len(bench.sitting.members),
        "rows": outcomes[0][1],
        "outcomes": [outcome.as_dict() for outcome, _ in outcomes],
    }


@dataclass(frozen=True)
class Bench:
    """What every trial shares: the rows, the generators, the members who get a page."""

    rows: Any
    release: LoadedRelease
    sitting: Sitting
    window: Window
    names: Sequence[str]
    method: str
    seed: int

    def judged(self, trial: Trial) -> tuple[Evidence, int]:
        """The evidence of a ranker without what the trial leaves out and with what it adds, and how much it reads."""
        rows, added = unpack(self.rows, trial.added)
        read = [name for name in (*self.names, *added) if name not in trial.left_out]
        seed = self.seed + 1 if trial.group == SEED else self.seed
        release = replace(self.release, ranker=ranking.train(rows, read, seed=seed, method=self.method))
        lists = {} if trial.added else self.sitting.lists(release, self.seed)[0]
        return judgement.evidence_of(lists, judgement.score_rows(release, rows), self.window, None), len(read)


def _bench(settings: Settings, folder: Path, window: Window, *, method: str, seed: int) -> Bench:
    release = load_release(folder)
    table = Lake(settings.lake_path).read(f"training/{window.test_from}")
    rows = judgement.scored_by(settings, release, table)
    members = judgement.sitting(settings, window, rows, seed=seed, most=judgement.MOST_MEMBERS)
    return Bench(rows, release, members, window, retraining.ranker_inputs(settings, method), method, seed)


def _outcomes(bench: Bench, asked: Sequence[Trial], say: Say, clock: Callable[[], float]) -> list[tuple[Outcome, int]]:
    """An outcome a trial, in order, each with how many labelled rows it rests on."""
    evidence: dict[str, Evidence] = {}
    found: list[tuple[Outcome, int]] = []
    chance = 0.0
    for number, trial in enumerate(asked, start=1):
        began = clock()
        say(f"[{number}/{len(asked)}] {'without' if trial.left_out else 'with'} {trial.group}")
        mine, read = bench.judged(trial)
        evidence[trial.group] = mine
        other = evidence[trial.against]
        with_it, without = (mine, other) if trial.added else (other, mine)
        gains = gained(with_it, without, bench.seed) if number > 1 else {}
        if trial.group == SEED:
            chance = abs(gains[AUC].value)
        verdict = "" if trial.group in (ALL, SEED) else verdict_of(gains[AUC], chance)
        figures = {metric: figure(metric, mine)[0] for metric in _held(mine)}
        found.append((Outcome(trial, read, figures, gains, verdict), len(mine.rows["ranker"].ids)))
        if number == 1:
            took = clock() - began
            say(f"{len(asked) - 1} more fits, about {took * (len(asked) - 1) / 60:.1f} minutes at {took:.0f} s each")
    return found


def _held(evidence: Evidence) -> list[str]:
    """The METRICS that the evidence has."""
    return [metric for metric in METRICS if metric != NDCG or NDCG in evidence.metrics]


def gained(with_it: Evidence, without: Evidence, seed: int) -> dict[str, Interval]:
    """What the group adds to each metric that both have, paired: above 0 = better with it, also where lower figures
    are better."""
    policy = policies.read()
    shared = [metric for metric in _held(with_it) if metric in _held(without)]
    return {metric: compare(metric, "champion", with_it, without, 0.0, policy, seed).gain for metric in shared}


def verdict_of(gain: Interval, chance: float, least: float = LEAST) -> str:
    """In words: it pays where the whole interval lies above what chance changes, and does not where it ends below
    ``least``, or below chance where that is more; else this test cannot tell."""
    if gain.low > chance:
        return PAYS
    return DOES_NOT if gain.high < max(least, chance) else CANNOT_TELL
