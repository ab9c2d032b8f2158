"""What a release is worth on days it has not seen: its ranker row by row, its pages by full ranking."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.adapters.feature_store import FeatureStore
from pipelines.candidates.interactions import engaged_watches, histories
from pipelines.candidates.scores import FITTED_AT, Released
from pipelines.core import days
from pipelines.core.contracts import Codes, Floats, History
from pipelines.core.errors import DataError
from pipelines.core.evidence import Evidence
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.tables import USERS
from pipelines.core.window import Window
from pipelines.evaluation.evidence import Scored, gather
from pipelines.evaluation.offline import ListEvidence, evaluate_lists, evaluate_rows
from pipelines.evaluation.slices import Facts, label
from pipelines.metrics.intervals import Interval
from pipelines.metrics.propensity import Drawn
from pipelines.metrics.reliability import reliability
from pipelines.page import Pager, PageRequest, popular
from pipelines.ranking import job as ranking
from pipelines.ranking.calibration import fit as fit_calibration
from pipelines.released import LoadedRelease, load_release
from pipelines.snapshot import MediaSnapshot, write
from pipelines.training_data import drawn

DEPTH, PAGE = 100, 10
MOST_MEMBERS = 3000
POPULARITY_FEATURE = "media_engaged_rate"

Figures = dict[str, dict[str, Interval]]


@dataclass(frozen=True)
class Judgement:
    """The release's evidence and its popularity floor's, their figures, and how many members and rows they rest on."""

    evidence: Evidence
    floor: Evidence
    figures: Figures
    popularity: Figures
    counts: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """Every figure as {"value", "low", "high"}."""
        return {**_plain(self.figures), "popularity": _plain(self.popularity), "counts": self.counts}


def _plain(figures: Figures) -> dict[str, Any]:
    return {part: {name: value.as_dict() for name, value in held.items()} for part, held in figures.items()}


@dataclass(frozen=True)
class Exam:
    """What a judgement on some days asks: the training set's rows and the members who get a page. Made once, it serves
    every release that is judged on them."""

    rows: Any
    sitting: "Sitting"


def exam(settings: Settings, window: Window, *, seed: int, most_members: int = MOST_MEMBERS) -> Exam:
    """The exam of the test days of ``window``.

    At most ``most_members`` members get a page; where there are more, a seeded draw of them.
    """
    rows = Lake(settings.lake_path).read(f"training/{window.test_from}")
    return Exam(rows, sitting(settings, window, rows, seed=seed, most=most_members))


def judge(
    settings: Settings,
    folder: Path,
    window: Window,
    *,
    seed: int,
    asked: Exam | None = None,
    clock: Callable[[], float] = perf_counter,
) -> Judgement:
    """Score the release in ``folder`` and the popularity floor on the test days of ``window``.

    ``asked``: the exam of that window and seed, where it was made already. clock: seconds, to time each page; its
    figures stand in the evidence alone, so that a release's own figures are the same every time.
    """
    release, asked = load_release(folder), asked or exam(settings, window, seed=seed)
    rows = scored_by(settings, release, asked.rows)
    scored, floor_scored = score_rows(release, rows), score_rows_by_popularity(rows)
    answers = asked.sitting.answers(release, clock)
    lists, floor_lists = asked.sitting.scored(answers, seed)
    figures, popularity = row_figures(scored, seed), row_figures(floor_scored, seed)
    slices = label({*scored.user_id, *asked.sitting.members}, facts(Lake(settings.lake_path), asked.sitting, rows))
    whole = {**answers.figures(), "release.size_mb": size_mb(folder)}
    whole["ranker_all_impressions.ece"] = figures["ranker_all_impressions"]["ece"].value
    counts = {
        "rows": int((~scored.label.isna()).sum()),
        "rows_all_impressions": len(scored),
        "members": int(scored.user_id.nunique()),
        "page_members": len(lists["page"].members),
    }
    return Judgement(
        evidence_of(lists, scored, window, release.release_id, slices=slices, figures=whole),
        evidence_of(floor_lists, floor_scored, window, None),
        {**figures, **list_figures(lists)},
        {**popularity, **list_figures(floor_lists)},
        counts,
    )


def retrieval_of(settings: Settings, release: LoadedRelease) -> Released:
    """The scores of a release's own generators, as of the day after its watermark."""
    zone = release.manifest.time_zone
    fitted_at = days.start(release.manifest.watermark + timedelta(days=1), zone)
    return Released(Lake(settings.lake_path), release.generators, fitted_at)


def scored_by(settings: Settings, release: LoadedRelease, rows: Any) -> Any:
    """The rows, those of the test scored by the generators of this very release, with which it would have served."""
    test = np.flatnonzero(np.asarray(pc.equal(rows["split"], "test")))
    asked = rows.take(test).select(["user_id", "media_id", "event_timestamp", "device"]).to_pandas()
    found = retrieval_of(settings, release).scored(asked).drop(columns=FITTED_AT)
    for name, values in found.items():
        whole = np.full(rows.num_rows, np.nan, dtype=np.float32)
        if name in rows.column_names:
            whole = rows[name].to_numpy().astype(np.float32)
            rows = rows.drop_columns([name])
        whole[test] = values
        rows = rows.append_column(str(name), pa.array(whole))
    return rows


def score_rows(release: LoadedRelease, rows: Any) -> pd.DataFrame:
    """The test rows with the release's calibrated ``probability``."""
    test = rows.filter(pc.field("split") == "test")
    if not test.num_rows:
        raise DataError("the test days hold no matured impression: choose other days")
    probability = release.ranker.probability(ranking.columns(test, list(release.ranker.feature_names)))
    return _scored(test, probability)


def score_rows_by_popularity(rows: Any) -> pd.DataFrame:
    """The test rows scored by how often members engage with the media at all, calibrated like the ranker."""
    later, test = (rows.filter(pc.field("split") == split) for split in ("calibrate", "test"))
    rate = [np.nan_to_num(ranking.columns(part, [POPULARITY_FEATURE])[POPULARITY_FEATURE]) for part in (later, test)]
    watched = later["watched"].to_numpy(zero_copy_only=False).astype(np.float64)
    return _scored(test, fit_calibration(rate[0], watched, rate=1.0)(rate[1]))


def _scored(test: Any, probability: Floats) -> pd.DataFrame:
    kept = test.select(["impression_id", "user_id", "label", "watched"]).to_pandas()
    return pd.DataFrame(kept.assign(probability=probability))


def row_figures(scored: pd.DataFrame, seed: int) -> Figures:
    """``ranker``: on labelled rows (T1). ``ranker_all_impressions``: on every matured one, the middle = not watched."""
    labelled = scored[~scored.label.isna()]
    every = evaluate_rows(scored.watched, scored.probability, scored.user_id, seed)
    return {
        "ranker": evaluate_rows(labelled.label, labelled.probability, labelled.user_id, seed),
        "ranker_all_impressions": {name: every[name] for name in ("log_loss", "ece")},
    }


def list_figures(lists: Mapping[str, ListEvidence]) -> Figures:
    """``candidates``: recall@100. ``page``: ndcg, map, mar and f1 at 10."""
    page = {name: value for name, value in lists["page"].intervals.items() if name.endswith(f"@{PAGE}")}
    recall = f"recall@{DEPTH}"
    return {"candidates": {recall: lists["candidates"].intervals[recall]}, "page": page}


@dataclass(frozen=True)
class Answers:
    """What a release answered each member: media ids by part; the seconds each page took; titles that there are."""

    found: Mapping[str, list[list[str]]]
    seconds: Floats
    titles: int

    def figures(self) -> dict[str, float]:
        """How much of the catalogue stands on anybody's page; how long a page took, but for the first, which loads."""
        shown = {media for page in self.found["page"] for media in page}
        timed = self.seconds[1:] if len(self.seconds) > 1 else self.seconds
        median, slow = (np.quantile(timed, [0.5, 0.99]) * 1000).tolist()
        return {f"page.coverage@{PAGE}": len(shown) / self.titles, "page.p50_ms": median, "page.p99_ms": slow}


@dataclass(frozen=True)
class Sitting:
    """The members who get a page on the test days, in order, and what a page of any release needs of them."""

    at: datetime
    snapshot: MediaSnapshot
    members: Sequence[str]
    known: Mapping[str, History]
    truth: Sequence[set[str]]
    """What each engaged with on the test days that was new to them."""
    rows_of: Mapping[str, Mapping[str, object]]
    usual: Mapping[str, Any]
    slots: pd.DataFrame | None = None
    """What they were shown on the test days by a draw, where most was: see ``training_data.drawn.slots``."""

    def answers(self, release: LoadedRelease, clock: Callable[[], float] = perf_counter) -> Answers:
        """What the release and popularity answer each member."""
        pager, seconds = Pager(release, self.snapshot), []
        found: dict[str, list[list[str]]] = {"candidates": [], "page": [], "floor": []}
        for user in self.members:
            request = PageRequest(user, f"judge-{user}", self.at, k=PAGE, **self.usual)
            own, began = self.rows_of.get(user, {}), clock()
            page, blended = pager.assemble_with_candidates(request, own, self.known[user])
            seconds.append(clock() - began)
            found["page"].append([item.media_id for item in page.items])
            found["candidates"].append(blended[:DEPTH])
            found["floor"].append(popular(pager, self.known[user], DEPTH))
        return Answers(found, np.array(seconds), len(self.snapshot.ids))

    def lists(self, release: LoadedRelease, seed: int) -> tuple[dict[str, ListEvidence], dict[str, ListEvidence]]:
        """(release, popularity) candidates and pages of the members, scored."""
        return self.scored(self.answers(release), seed)

    def scored(self, answers: Answers, seed: int) -> tuple[dict[str, ListEvidence], dict[str, ListEvidence]]:
        """(release, popularity) what the candidates and pages were worth."""
        found = answers.found
        popular_pages = [ids[:PAGE] for ids in found["floor"]]
        return self._both(found["candidates"], found["page"], seed), self._both(found["floor"], popular_pages, seed)

    def _both(self, asked: list[list[str]], pages: list[list[str]], seed: int) -> dict[str, ListEvidence]:
        return {"candidates": _lists(asked, self, seed), "page": _lists(pages, self, seed, self.slots)}


def sitting(settings: Settings, window: Window, rows: Any, *, seed: int, most: int) -> Sitting:
    """At most ``most`` members with a history who engaged with something new on the test days, by a seeded draw.

    Raises:
        DataError: where there is none.
    """
    lake = Lake(settings.lake_path)
    at = days.start(window.test_from, lake.dataset.time_zone)
    known, wanted = histories(lake, at), relevant(lake, window)
    warm = {user for user in wanted if user in known and known[user].media}
    members = sorted(user for user in warm if wanted[user] - set(known[user].media))
    if not members:
        raise DataError(f"no member with a history engaged with anything new from {window.test_from}: widen the test")
    if len(members) > most:
        members = sorted(np.random.default_rng(seed).choice(members, most, replace=False).tolist())
    folder = settings.root / "staging" / f"snapshot-{window.test_from}"
    snapshot = MediaSnapshot.load(write(settings, at, folder))
    shutil.rmtree(folder)
    truth = [wanted[user] - set(known[user].media) for user in members]
    rows_of, slots = member_rows(settings, members, at), drawn.slots(lake, window.test_from, window.test_to, members)
    return Sitting(at, snapshot, members, known, truth, rows_of, _usual_request(rows), slots)


def judge_lists(
    settings: Settings, release: LoadedRelease, window: Window, rows: Any, *, seed: int, most: int
) -> tuple[dict[str, ListEvidence], dict[str, ListEvidence]]:
    """(release, popularity) candidates and pages of members with a history, by full ranking of the catalogue."""
    return sitting(settings, window, rows, seed=seed, most=most).lists(release, seed)


def facts(lake: Lake, seated: Sitting, rows: Any) -> Facts:
    """What members can be told apart by; rows: the training set, whose test rows say on which device they were met."""
    test = rows.filter(pc.field("split") == "test").select(["user_id", "device"]).to_pandas().dropna()
    counts = test.groupby(["user_id", "device"]).size().sort_values(kind="stable")
    devices = {str(user): str(device) for user, device in counts.index}  # The last of a member is the commonest.
    joined = _joined(lake) if lake.exists(USERS.name) else {}
    shelf = seated.snapshot
    ratings = shelf.features.get("media_maturity_rating", np.full(len(shelf.ids), None))
    titles = list(zip(shelf.ids.tolist(), shelf.genres, ratings.tolist(), strict=True))
    genres = {media: genres[0] for media, genres, _ in titles if genres}
    rated = {media: str(rating) for media, _, rating in titles if rating is not None}
    return Facts(seated.at, seated.known, joined, devices, genres, rated)


def _joined(lake: Lake) -> dict[str, datetime]:
    """When each member joined, where that is known."""
    users = lake.read(USERS.name, columns=["user_id", "joined_at"]).to_pandas().dropna()
    return {str(user): at.to_pydatetime() for user, at in zip(users.user_id, users.joined_at, strict=True)}


def size_mb(folder: Path) -> float:
    """What the files of a release weigh, in megabytes."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def relevant(lake: Lake, window: Window) -> dict[str, set[str]]:
    """What each member engaged with on the test days."""
    zone = lake.dataset.time_zone
    begin = days.start(window.test_from, zone)
    end = days.start(window.test_to + timedelta(days=1), zone)
    rows = engaged_watches(lake, end).to_pandas()
    return {str(user): set(own.media_id) for user, own in rows[rows["at"] >= begin].groupby("user_id")}


def _usual_request(rows: Any) -> dict[str, Any]:
    """The commonest device and surface of the fitted rows: what a page is asked with when nothing better is known."""
    fitted = rows.filter(pc.field("split") == "fit").select(["device", "surface"]).to_pandas()
    usual = {name: fitted[name].dropna().mode() for name in ("device", "surface")}
    return {name: values.iloc[0] for name, values in usual.items() if len(values)}


def member_rows(settings: Settings, members: Sequence[str], at: datetime) -> dict[str, dict[str, object]]:
    """Each member's features as the online store would have held them at ``at``."""
    rows = FeatureStore(settings).member_rows(members, at)
    return {str(row.pop("user_id")): {str(k): v for k, v in row.items()} for row in rows.to_dict("records")}


def _lists(found: Sequence[list[str]], of: Sitting, seed: int, slots: pd.DataFrame | None = None) -> ListEvidence:
    shown = set() if slots is None else set(slots["media_id"])
    code = {media: place for place, media in enumerate(sorted({m for one in (*found, *of.truth) for m in one} | shown))}
    ranked: Codes = np.full((len(found), DEPTH), -1, dtype=np.int64)
    for row, own in enumerate(found):
        ranked[row, : len(own)] = [code[media] for media in own]
    wanted = [np.array(sorted(code[media] for media in own), dtype=np.int64) for own in of.truth]
    told = None if slots is None else _coded(slots, code, of)
    return evaluate_lists(ranked, wanted, PAGE, seed, members=np.array(of.members), depth=DEPTH, drawn=told)


def _coded(slots: pd.DataFrame, code: Mapping[str, int], of: Sitting) -> Drawn:
    place = {user: row for row, user in enumerate(of.members)}
    return Drawn(
        slots["user_id"].map(place).to_numpy(np.int64),
        slots["media_id"].map(code).to_numpy(np.int64),
        slots["watched"].to_numpy(np.float64),
        slots["propensity"].to_numpy(np.float64),
        len(of.snapshot.ids),
    )


def evidence_of(
    lists: Mapping[str, ListEvidence],
    scored: pd.DataFrame,
    window: Window,
    release_id: str | None,
    *,
    slices: Mapping[str, Mapping[str, str]] | None = None,
    figures: Mapping[str, float] | None = None,
) -> Evidence:
    """What a comparison needs: the lists' figures a member, the labelled rows with their probabilities, and beside
    them the words by which members are told apart and figures of the whole."""
    labelled = scored[~scored.label.isna()]
    ranker = Scored(labelled.impression_id, labelled.user_id, labelled.label, labelled.probability)
    return gather(
        lists,
        {"ranker": ranker},
        test_from=window.test_from,
        test_to=window.test_to,
        fitted_through=window.last_fitted,
        release_id=release_id,
        slices=slices,
        figures=figures,
        reliability=reliability(scored.watched, scored.probability),
    )
