"""What a world is held to: the figures that say it is neither too easy nor hopeless. For tests and benchmarks."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from pipelines.core.errors import DataError
from pipelines.simulation.behaviour import WATCHED
from pipelines.simulation.members import DEVICES
from pipelines.simulation.truth import examination, main_device
from pipelines.simulation.works import Ints, Reals
from pipelines.simulation.world import World

PAGE = 10
MOST_MEMBERS = 500


@dataclass(frozen=True)
class Exam:
    """popularity: worth of its page against the oracle's; unseen: the same with finished titles left out of both."""

    auc: float
    positives: float
    popularity: float
    popularity_unseen: float
    gini: float
    median_history: float
    drift: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


@dataclass(frozen=True)
class Log:
    """Codes and moments of what was logged."""

    who: Ints
    media: Ints
    at: npt.NDArray[np.datetime64]
    device: Ints
    position: Ints
    watched: npt.NDArray[np.bool_]
    watcher: Ints
    watched_media: Ints
    watched_at: npt.NDArray[np.datetime64]
    finished: npt.NDArray[np.bool_]


def examine(folder: Path) -> Exam:
    """Measure a simulated world; pages are those of the evening three quarters through its days."""
    world = World.load(folder)
    log = read_log(world, folder)
    chance = world.truth.appeal(log.who, log.media, log.at, log.device) * examination(log.position, log.device)
    everything, unseen = page_worth(world, log)
    history = np.bincount(log.watcher, minlength=world.truth.members.size)
    return Exam(
        auc=auc(log.watched, chance),
        positives=float(log.watched.mean()),
        popularity=everything,
        popularity_unseen=unseen,
        gini=gini(np.bincount(log.media, minlength=world.truth.catalogue.size)),
        median_history=float(np.median(history)),
        drift=drift(world, 8.0),
    )


def page_worth(world: World, log: Log) -> tuple[float, float]:
    """Expected watches of the ten most watched media over those of the oracle's ten, of what may be shown, and unseen.

    The oracle orders by the true probability; both are judged by it, all slots examined.
    """
    evening = np.timedelta64(world.config.days * 3 // 4 * 24 + 19, "h")
    at = np.datetime64(world.config.start, "us") + evening
    who = np.flatnonzero(world.truth.members.joined_at < at)[:MOST_MEMBERS]
    before = log.watched_at < at
    count = np.bincount(log.watched_media[before], minlength=world.truth.catalogue.size)
    allowed = world.truth.catalogue.showable(at, world.truth.members.country[who])
    chance = true_matrix(world, who, at)
    seen = np.zeros((world.truth.members.size, world.truth.catalogue.size), dtype=bool)
    done = before & log.finished
    seen[log.watcher[done], log.watched_media[done]] = True
    popular = np.broadcast_to(count, chance.shape)
    worth = [_worth(popular, chance, a) / _worth(chance, chance, a) for a in (allowed, allowed & ~seen[who])]
    return worth[0], worth[1]


def true_matrix(world: World, who: Ints, at: np.datetime64) -> Reals:
    """(n, media) true P(watch | examined) at a moment, on each member's usual device."""
    size = world.truth.catalogue.size
    rows, media = np.repeat(who, size), np.tile(np.arange(size), len(who))
    held = main_device(world.truth.members, rows)
    return world.truth.appeal(rows, media, np.full(len(rows), at), held).reshape(len(who), size)


def drift(world: World, weeks: float) -> float:
    """Mean correlation of a member's taste as the world begins with the same member's some weeks later."""
    who = np.arange(world.truth.members.size)
    first, later = (world.truth.members.taste(who, np.full(len(who), w)) for w in (0.0, weeks))
    return float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(first, later, strict=True)]))


def auc(label: npt.NDArray[np.bool_], score: Reals) -> float:
    """The chance that a watched impression scores above another (continuous scores; ties do not matter here)."""
    ranks = np.argsort(np.argsort(score)) + 1.0
    positive = int(label.sum())
    above = ranks[label].sum() - positive * (positive + 1) / 2
    return float(above / (positive * (len(label) - positive)))


def gini(counts: Ints) -> float:
    """0 when every media is shown alike, near 1 when one has everything."""
    ordered = np.sort(counts)
    size = len(ordered)
    return float((2 * np.arange(1, size + 1) - size - 1) @ ordered / (size * ordered.sum()))


def _worth(score: npt.NDArray[np.generic], chance: Reals, allowed: npt.NDArray[np.bool_]) -> float:
    page = np.argsort(-np.where(allowed, score, -1.0), axis=1, kind="stable")[:, :PAGE]
    kept = np.where(allowed, chance, 0.0)
    return float(np.take_along_axis(kept, page, axis=1).sum(axis=1).mean())


def read_log(world: World, folder: Path) -> Log:
    """What a simulated world's folder holds; DataError where nothing was shown or nothing watched."""
    shown = pq.read_table(folder / "impressions.parquet")
    watches = pq.read_table(folder / "watches.parquet")
    if not shown.num_rows or not watches.num_rows:
        raise DataError(f"{folder} holds no impressions or no watches: simulate more members or days")
    finished = watches["completion"].to_numpy() > WATCHED
    good = watches.filter(finished)["impression_id"].to_pylist()
    held = np.array([DEVICES.index(d) for d in shown["device"].to_pylist()])
    return Log(
        who=world.user_codes(shown["user_id"].to_pylist()),
        media=world.media_codes(shown["media_id"].to_pylist()),
        at=shown["shown_at"].to_numpy().astype("datetime64[us]"),
        device=held,
        position=shown["position"].to_numpy(),
        watched=np.isin(shown["impression_id"].to_pylist(), [i for i in good if i]),
        watcher=world.user_codes(watches["user_id"].to_pylist()),
        watched_media=world.media_codes(watches["media_id"].to_pylist()),
        watched_at=watches["started_at"].to_numpy().astype("datetime64[us]"),
        finished=finished,
    )
