"""A world: simulate one into a folder, or load one again to ask for its truth.

The folder is what ``marquee import tables`` reads: a parquet file a table, dataset.yaml, and world.json, which holds
the config and the hash of every file.
"""

import hashlib
import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from pipelines.core import dataset as datasets
from pipelines.core.dataset import Dataset
from pipelines.core.errors import DataError
from pipelines.core.tables import TABLES
from pipelines.simulation import catalogue, members, truth
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.day import play
from pipelines.simulation.day_tables import day_tables
from pipelines.simulation.events import Names
from pipelines.simulation.media_table import media_table
from pipelines.simulation.members import DEVICES
from pipelines.simulation.policy import LoggingPolicy
from pipelines.simulation.truth import Truth, examination, main_device
from pipelines.simulation.user_tables import preferences_table, users_table
from pipelines.simulation.works import Ints, Reals

FILE = "world.json"
EVENTS = ("impressions", "watches", "searches", "sessions", "dismissals", "ratings")
Progress = Callable[[int, int], None]
"""Called with (days done, days in all)."""


@dataclass(frozen=True)
class WorldReport:
    """What was written: rows a table, and the hash of it all."""

    name: str
    folder: Path
    fingerprint: str
    rows: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"folder": str(self.folder)}


@dataclass(frozen=True)
class World:
    """A world and its truth. For tests and benchmarks; the product never sees it."""

    config: WorldConfig
    truth: Truth
    folder: Path | None = None

    @classmethod
    def load(cls, source: WorldConfig | Path) -> "World":
        """The world of a config, or of a folder (or world.json) that ``simulate`` wrote; DataError names the file."""
        if isinstance(source, WorldConfig):
            return cls(source, _truth(source))
        path = source if source.name == FILE else source / FILE
        config = _config(path)
        return cls(config, _truth(config), path.parent)

    def watch_probability(
        self,
        user_ids: npt.ArrayLike,
        media_ids: npt.ArrayLike,
        at: npt.ArrayLike,
        *,
        device: npt.ArrayLike | None = None,
        position: npt.ArrayLike | None = None,
    ) -> Reals:
        """(n,) P(completion > 0.8) for members, media and UTC moments that go together row by row.

        Without ``position`` it is the chance given that the member examines the title; with it (0 = first), the
        chance given that it is shown there, examination included. Without ``device`` it is the one the member holds
        most. What the member watched before does not enter. DataError names an id that this world does not have.
        """
        who, media = self.user_codes(user_ids), self.media_codes(media_ids)
        when = np.broadcast_to(np.asarray(at, dtype="datetime64[us]"), who.shape)
        held = main_device(self.truth.members, who) if device is None else _codes(device, DEVICES, "device")
        held = np.broadcast_to(held, who.shape)
        appeal = self.truth.appeal(who, media, when, held)
        return appeal if position is None else appeal * examination(np.asarray(position, dtype=np.int64), held)

    def showable(self, user_ids: npt.ArrayLike, at: np.datetime64) -> npt.NDArray[np.bool_]:
        """(n, media) which media are on the platform at that moment and may be shown where each member lives."""
        return self.truth.catalogue.showable(at, self.truth.members.country[self.user_codes(user_ids)])

    def user_codes(self, user_ids: npt.ArrayLike) -> Ints:
        return _numbers(user_ids, "u", self.truth.members.size, "member")

    def media_codes(self, media_ids: npt.ArrayLike) -> Ints:
        return _numbers(media_ids, "m", self.truth.catalogue.size, "media")

    def fingerprint(self) -> str:
        """The sha256 of the tables as they lie in the folder now, or as recorded where only world.json was kept."""
        if self.folder is None:
            raise DataError(f"{self.config.name} was loaded from a config and has no files: simulate it first")
        recorded = _stored(self.folder / FILE)
        files = [self.folder / name for name in recorded["files"]]
        return _fingerprint(files) if all(f.exists() for f in files) else str(recorded["fingerprint"])


def simulate(config: WorldConfig, to: Path, on_progress: Progress | None = None) -> WorldReport:
    """Write the world into ``to``. Memory grows with members, media and one day's events, not with days."""
    to.mkdir(parents=True, exist_ok=True)
    for name in (FILE, datasets.FILE):
        (to / name).unlink(missing_ok=True)
    true = _truth(config)
    media = media_table(config, true.catalogue)
    rows = _snapshots(config, true, media, to) | _events(true, media, to, on_progress or (lambda done, total: None))
    files = [to / f"{name}.parquet" for name in TABLES]
    fingerprint = _fingerprint(files)
    described = {"config": config.model_dump(mode="json"), "fingerprint": fingerprint, "files": [f.name for f in files]}
    datasets.write(Dataset(name=config.name, source="world", time_zone="UTC"), to)
    (to / FILE).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    return WorldReport(config.name, to, fingerprint, rows)


def _truth(config: WorldConfig) -> Truth:
    return truth.build(config, members.build(config), catalogue.build(config))


def _snapshots(config: WorldConfig, true: Truth, media: pa.Table, to: Path) -> dict[str, int]:
    tables = {
        "media": media,
        "users": users_table(config, true.members),
        "preferences": preferences_table(config, true.members),
    }
    for name, data in tables.items():
        pq.write_table(data, to / f"{name}.parquet", coerce_timestamps="us", compression="zstd")
    return {name: data.num_rows for name, data in tables.items()}


def _events(true: Truth, media: pa.Table, to: Path, on_progress: Progress) -> dict[str, int]:
    """Play the days one by one, a row group a day."""
    config, policy = true.config, LoggingPolicy(true.members, true.catalogue)
    names = Names(pa.array(true.members.ids()), media["media_id"].combine_chunks(), pa.array(DEVICES))
    queries, rows = _queries(media), dict.fromkeys(EVENTS, 0)
    with ExitStack() as stack:
        writers = {name: stack.enter_context(_writer(name, to)) for name in EVENTS}
        for done in range(config.days):
            log = play(true, policy, config.start + timedelta(days=done))
            for name, data in day_tables(true, names, queries, log).items():
                writers[name].write_table(data)
                rows[name] += data.num_rows
            on_progress(done + 1, config.days)
    return rows


def _writer(name: str, to: Path) -> pq.ParquetWriter:
    return pq.ParquetWriter(to / f"{name}.parquet", TABLES[name].schema(), coerce_timestamps="us", compression="zstd")


def _queries(media: pa.Table) -> npt.NDArray[np.object_]:
    """(media, 4) what may be typed to find each media: its title, lead actor, director or main genre."""
    columns = (
        [title.split(":")[0].lower() for title in media["title"].to_pylist()],
        [cast[0].lower() for cast in media["actors"].to_pylist()],
        [name.lower() for name in media["director"].to_pylist()],
        [genres[0] for genres in media["genres"].to_pylist()],
    )
    return np.array(columns, dtype=object).T


def _fingerprint(files: list[Path]) -> str:
    total = hashlib.sha256()
    for file in sorted(files):
        with file.open("rb") as data:
            total.update(f"{file.name}\0{hashlib.file_digest(data, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def _stored(path: Path) -> dict[str, Any]:
    try:
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise DataError(f"{path} is missing: make the world first (marquee world --to {path.parent})") from exc
    except json.JSONDecodeError as exc:
        raise DataError(f"{path} is not JSON ({exc}): make the world again") from exc
    return stored


def _config(path: Path) -> WorldConfig:
    try:
        return WorldConfig.model_validate(_stored(path).get("config"))
    except ValidationError as exc:
        raise DataError(f"{path} does not describe a world: {exc}") from exc


def _numbers(ids: npt.ArrayLike, prefix: str, size: int, what: str) -> Ints:
    """Codes of ids, which carry their code in their name."""
    text = np.asarray(ids, dtype=str)
    distinct, inverse = np.unique(text, return_inverse=True)
    for name in distinct.tolist():
        if not (name[:1] == prefix and name[1:].isdecimal() and int(name[1:]) < size):
            raise DataError(f"{what} {name!r} is not of this world: its {size} ids begin with {prefix}")
    codes: Ints = np.array([int(name[1:]) for name in distinct.tolist()], dtype=np.int64)[inverse]
    return codes


def _codes(values: npt.ArrayLike, known: tuple[str, ...], what: str) -> Ints:
    text = np.asarray(values, dtype=str)
    unknown = set(np.unique(text).tolist()) - set(known)
    if unknown:
        raise DataError(f"{what} {sorted(unknown)[0]!r} is unknown: write one of {', '.join(known)}")
    codes: Ints = np.searchsorted(np.array(sorted(known)), text)
    order: Ints = np.array([known.index(name) for name in sorted(known)])
    return order[codes]
