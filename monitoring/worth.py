"""What promotions were worth: the gain that the gate saw beside what members did afterwards, as concordance is made of.

Before and after are other days: season, drift and taste move between them and are in the difference. An experiment's
readout is free of that and comes first where there is one; the page's gain compares both releases on the same days and
members, on what members watched of what the new champion showed them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from monitoring.online_metrics import MINUTES
from pipelines import judgement
from pipelines.adapters.model_registry import ModelRegistry
from pipelines.core.errors import DataError, ReleaseError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.window import Window
from pipelines.metrics.intervals import Floats, Interval, bootstrap_statistic, ratio
from pipelines.promotion.comparison import paired_gain
from pipelines.promotion.gains import EXPERIMENT, PAGE, Gain, Line, promotions, worth
from pipelines.promotion.policy import Policy
from pipelines.released import LoadedRelease, load_release

ONLINE = ("engagement rate", "videos watched a session", "session minutes")
"""M1 to M3, of days that the new champion served less days that the one before it served."""
MEASURES = (EXPERIMENT, PAGE, *ONLINE)
SPAN = 14
"""Days looked at on each side of a change, at the most: nearer days differ less for other reasons."""
MOST_PAGES = 300
_SHOWN = ["impression_id", "user_id", "session_id", "clicked", "release_id"]
_WATCHED = ["impression_id", "watched_seconds"]


@dataclass(frozen=True)
class Concordance:
    """Every promotion with what followed, oldest first; ``unmeasured``: by release, why its pages have no figure."""

    gains: Sequence[Gain]
    unmeasured: Mapping[str, str]

    def as_dict(self) -> dict[str, Any]:
        """For JSON, with what a gate gain was worth in each measure."""
        return {
            "gains": [gain.as_dict() for gain in self.gains],
            "worth": {measure: worth(self.gains, measure).as_dict() for measure in MEASURES},
            "unmeasured": dict(self.unmeasured),
        }


def collect(
    settings: Settings,
    entries: Iterable[Line],
    policy: Policy,
    *,
    readouts: Mapping[str, Interval] | None = None,
    pages: bool = True,
    seed: int = 7,
) -> Concordance:
    """The promotions of the ledger's lines and what became of each.

    ``readouts``: release id -> its gain over the champion of an experiment, in the primary metric's unit or the
    experiment's own. ``pages``: score both releases on the days that followed, which takes some seconds a promotion.
    """
    gains = promotions(entries, policy.primaries)
    unmeasured: dict[str, str] = {}
    found = []
    for place, gain in enumerate(gains):
        readout = (readouts or {}).get(gain.release_id)
        realised = {EXPERIMENT: readout} if readout else {}
        if gain.before:
            realised |= before_and_after(Lake(settings.lake_path), gain.before, gain.release_id, seed=seed)
        if pages:
            until = gains[place + 1].release_id if place + 1 < len(gains) else None
            try:
                realised[PAGE] = page_gain(settings, gain, until, policy, seed=seed)
            except (DataError, ReleaseError) as exc:
                unmeasured[gain.release_id] = str(exc)
        found.append(replace(gain, realised=realised))
    return Concordance(found, unmeasured)


def page_gain(settings: Settings, gain: Gain, until: str | None, policy: Policy, *, seed: int) -> Interval:
    """The gain's metric of the page on the days after the promotion's test, the new champion's less the other's.

    ``until``: the release promoted next, whose test ends where this one's days end. Paired by member.

    Raises:
        DataError: there are no days with features after the test, or the metric is not one of the page.
        ReleaseError: a release is not in the registry any more.
    """
    part, _, metric = gain.metric.partition(".")
    if part != "page":
        raise DataError(f"the metric {gain.metric} is not of the page: its gain is not measured again")
    release = _fetch(settings, gain.release_id)
    window = _following(settings, release, _fetch(settings, until) if until else None)
    rows = Lake(settings.lake_path).read(
        f"training/{_window(release).test_from}", columns=["split", "device", "surface"]
    )
    sitting = judgement.sitting(settings, window, rows, seed=seed, most=MOST_PAGES)
    ours, floor = sitting.lists(release, seed)
    theirs = sitting.lists(_fetch(settings, gain.before), seed)[0] if gain.before else floor
    if metric not in ours["page"].values:
        raise DataError(f"the log from {window.test_from} does not say how probable what it showed was: no {metric}")
    mine, other = (side["page"].values[metric] for side in (ours, theirs))
    return paired_gain(gain.metric, mine, other, policy, seed)


def _following(settings: Settings, release: LoadedRelease, after: LoadedRelease | None) -> Window:
    """The days after the release's test, up to the end of the next one's, of the features, or SPAN days."""
    window = _window(release)
    first = window.test_to + timedelta(days=1)
    reached = Lake(settings.lake_path).watermark("features")
    ends = [first + timedelta(days=SPAN - 1), reached.through if reached else window.test_to]
    last = min([*ends, _window(after).test_to] if after else ends)
    if last < first:
        raise DataError(
            f"no day with features follows the test of {release.release_id}, which ended on {window.test_to}"
        )
    return window.model_copy(update={"test_from": first, "test_to": last})


def _window(release: LoadedRelease) -> Window:
    return Window(**release.manifest.settings["window"])


def _fetch(settings: Settings, release_id: str) -> LoadedRelease:
    """A release from the registry; ReleaseError where it is not there."""
    registry = ModelRegistry(settings)
    version = registry.version_of(release_id)
    if version is None:
        raise ReleaseError(f"release {release_id} is not registered: its pages cannot be made again")
    folder: Path = registry.download(version, settings.root / "releases")
    return load_release(folder)


def before_and_after(lake: Lake, before: str, after: str, *, seed: int) -> dict[str, Interval]:
    """M1 to M3 a session on the days that ``after`` served less those of ``before``, by a bootstrap over members.

    At most SPAN days on each side of the first day of ``after``. Nothing where one of them served no session.
    """
    shown, watched = _rows(lake, {before, after})
    begun = shown.loc[shown["release_id"] == after, "day"].min()
    if shown.empty or begun != begun:
        return {}
    distance = (pd.to_datetime(shown["day"]) - pd.Timestamp(begun)).dt.days
    near = {before: (distance >= -SPAN) & (distance < 0), after: (distance >= 0) & (distance < SPAN)}
    sums = {side: _sums(shown[days & (shown["release_id"] == side)], watched) for side, days in near.items()}
    if any(side["sessions"].sum() == 0 for side in sums.values()):
        return {}
    members = sorted(set(sums[before].index) | set(sums[after].index))
    old, new = (sums[side].reindex(members, fill_value=0.0) for side in (before, after))
    return {name: _change(new, old, name, seed) for name in ONLINE}


def _change(new: pd.DataFrame, old: pd.DataFrame, name: str, seed: int) -> Interval:
    after, before = (ratio(side[name].to_numpy(), side["sessions"].to_numpy()) for side in (new, old))

    def change(counts: Floats) -> Floats:
        return after(counts) - before(counts)

    return bootstrap_statistic(len(new), change, seed)


def _sums(shown: pd.DataFrame, watched: pd.DataFrame) -> pd.DataFrame:
    """A line a member: sessions, and the sums whose ratio to them each metric is."""
    held = shown.dropna(subset="session_id")
    seen = held.merge(watched, on="impression_id")
    grouped, clicks = held.groupby("user_id"), held[held["clicked"].eq(True)].groupby("user_id")
    seconds = seen.groupby("user_id")["watched_seconds"]
    columns = {
        "sessions": grouped["session_id"].nunique(),
        ONLINE[0]: clicks["session_id"].nunique(),
        ONLINE[1]: seconds.agg(lambda own: np.sum(own > MINUTES * 60)),
        ONLINE[2]: seconds.sum() / 60,
    }
    return pd.DataFrame(columns).fillna(0.0).astype(float)


def _rows(lake: Lake, releases: set[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What those releases showed, with its day, and the watches that it led to."""
    shown = []
    for day in lake.days("impressions"):
        rows = lake.read("impressions", day, day, _SHOWN).to_pandas()
        shown.append(rows[rows["release_id"].isin(releases)].assign(day=day))
    frame = pd.concat(shown, ignore_index=True) if shown else pd.DataFrame(columns=[*_SHOWN, "day"])
    if frame.empty or not lake.days("watches"):
        return frame, pd.DataFrame(columns=_WATCHED)
    first = frame["day"].min()
    watched = lake.read("watches", first, None, _WATCHED).to_pandas().dropna(subset="impression_id")
    return frame, watched[watched["impression_id"].isin(frame["impression_id"])]
