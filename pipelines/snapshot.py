"""The media snapshot: every title with its features and texts, and what members watched and are, held in memory.

It is refreshed far more often than a release, has a version of its own, and is swapped whole:

    snapshots/<version>/media.parquet, histories.parquet, unheeded.parquet, titles.arrow, and the files of
                         pipelines.features.kept
    snapshots/CURRENT                    the version that serving should hold
"""

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.adapters.feature_store import FeatureStore
from pipelines.candidates.interactions import histories, media_table
from pipelines.candidates.members import TYPES, contexts
from pipelines.core.contracts import Features, History, Ids
from pipelines.core.errors import DataError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.features import kept
from pipelines.rerank.fatigue import NOBODY, Unheeded, unheeded

FOLDER, CURRENT = "snapshots", "CURRENT"
MEDIA, HISTORIES, UNHEEDED, TITLES = "media.parquet", "histories.parquet", "unheeded.parquet", "titles.arrow"
TEXTS = ("title", "genres", "rights_countries", "series_id", "creator")
WINDOW = ("platform_at", "leaves_at")
KEPT = 3

Moments = npt.NDArray[np.datetime64]


@dataclass(frozen=True)
class MediaSnapshot:
    """ids: (n,) sorted. features: media features by name, (n,) or (n, d). The lists follow the order of ids.

    opens, closes: (n,) datetime64 UTC, between which a title may be shown; NaT where there is no such bound.
    """

    version: str
    ids: Ids
    features: Features
    titles: list[str]
    genres: list[list[str]]
    rights: list[list[str] | None]
    opens: Moments
    closes: Moments
    groups: list[str | None]
    histories: Mapping[str, History]
    described: pa.Table | None = None
    """The columns of ``media`` in the order of ids, mapped from the disk; None in a snapshot that was made without."""
    unheeded: Unheeded = NOBODY
    """What members were recommended without success; nothing in a snapshot that was made before this was counted."""

    def history(self, user_id: str) -> History:
        """What the member had watched when the snapshot was made, and what was known of them; empty for a stranger."""
        return self.histories.get(user_id, History())

    @classmethod
    def load(cls, folder: Path) -> "MediaSnapshot":
        """DataError names a file that is missing."""
        try:
            media = pq.read_table(folder / MEDIA)
            members = pq.read_table(folder / HISTORIES)
        except FileNotFoundError as exc:
            raise DataError(f"snapshot {folder} is not whole ({exc}): run refresh_features") from exc
        texts = {name: media[f"text_{name}"].to_pylist() for name in TEXTS}
        names = [n for n in media.column_names if n != "media_id" and not n.startswith(("text_", "window_"))]
        opens, closes = (_moments(media[f"window_{name}"]) for name in WINDOW)
        ids = media["media_id"].to_numpy(zero_copy_only=False).astype(str)
        return cls(
            version=folder.name,
            ids=ids,
            features={name: as_array(media[name]) for name in names},
            titles=[title or f"Title {media_id}" for title, media_id in zip(texts["title"], ids.tolist(), strict=True)],
            genres=[genres or [] for genres in texts["genres"]],
            rights=texts["rights_countries"],
            opens=opens,
            closes=closes,
            groups=[s or c for s, c in zip(texts["series_id"], texts["creator"], strict=True)],
            histories={
                user: History(tuple(own), (1.0,) * len(own), known)
                for (user, known), own in zip(contexts(members), members["media"].to_pylist(), strict=True)
            },
            described=_mapped(folder / TITLES),
            unheeded=Unheeded(pq.read_table(folder / UNHEEDED)) if (folder / UNHEEDED).exists() else NOBODY,
        )


def as_array(column: pa.ChunkedArray) -> np.ndarray:
    """Numbers as (n,) float64 with NaN, strings as (n,) objects with None, lists of numbers as (n, longest) float32.

    Not float32: a moment in unix seconds would be off by up to a minute, and what is computed from it with it.
    """
    whole = column.combine_chunks()
    if pa.types.is_list(whole.type) or pa.types.is_large_list(whole.type):
        lengths = np.asarray(pc.fill_null(pc.list_value_length(whole), 0), dtype=np.int64)
        packed = np.zeros((len(whole), int(lengths.max(initial=0))), dtype=np.float32)
        packed[np.arange(packed.shape[1]) < lengths[:, None]] = np.asarray(pc.list_flatten(whole))
        return packed
    if pa.types.is_string(whole.type) or pa.types.is_large_string(whole.type):
        return np.asarray(whole.to_numpy(zero_copy_only=False), dtype=object)
    return np.asarray(pc.cast(whole, pa.float64()).to_numpy(zero_copy_only=False))


def _moments(column: pa.ChunkedArray) -> Moments:
    return np.asarray(column.cast(pa.timestamp("us")).to_numpy(), dtype="datetime64[us]")


def _mapped(file: Path) -> pa.Table | None:
    """The table stays on the disk, also after its file is removed."""
    return pa.ipc.open_file(pa.memory_map(str(file))).read_all() if file.exists() else None


def build(settings: Settings, at: datetime) -> tuple[pa.Table, pa.Table, pa.Table]:
    """(media, histories, titles) as known at ``at``: features from the same Feast views that training joins."""
    lake = Lake(settings.lake_path)
    described = media_table(lake, at)
    rows = FeatureStore(settings).media_rows(described["media_id"].to_pylist(), at)
    rows = rows.drop(columns=[c for c in rows.columns if c.startswith("event_timestamp")])
    titles = lake.read("media", columns=["media_id", *TEXTS, *WINDOW])
    places = pc.index_in(pa.array(rows.media_id, type=pa.string()), value_set=titles["media_id"].combine_chunks())
    media = pa.Table.from_pandas(rows, preserve_index=False)
    for kind, names in (("text", TEXTS), ("window", WINDOW)):
        for name in names:
            media = media.append_column(f"{kind}_{name}", titles[name].take(places))
    members = histories(lake, at)
    lists = pa.array([list(history.media) for history in members.values()], type=pa.list_(pa.string()))
    known = {
        name: pa.array([history.context.get(name) for history in members.values()], type=type_)
        for name, type_ in TYPES.items()
    }
    return media, pa.table({"user_id": pa.array(list(members), type=pa.string()), "media": lists, **known}), described


def write(settings: Settings, at: datetime, folder: Path) -> Path:
    """Write the snapshot as of ``at`` into a fresh folder."""
    media, members, described = build(settings, at)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    pq.write_table(media, folder / MEDIA)
    pq.write_table(members, folder / HISTORIES)
    with pa.ipc.new_file(folder / TITLES, described.schema) as file:
        file.write_table(described)
    pq.write_table(unheeded(Lake(settings.lake_path), at), folder / UNHEEDED, compression="zstd")
    return folder


def publish(settings: Settings, at: datetime) -> str:
    """Make the snapshot as of ``at`` the current one; returns its version. Equal content is the same version."""
    root = settings.root / FOLDER
    staged = write(settings, at, root / f".staged-{os.getpid()}")
    kept.write(Lake(settings.lake_path), at, staged)
    files = (MEDIA, HISTORIES, UNHEEDED, TITLES, *kept.FILES)
    content = b"".join((staged / name).read_bytes() for name in files)
    version = f"{at.astimezone(UTC):%Y%m%dT%H%M}-{hashlib.sha256(content).hexdigest()[:8]}"
    if (root / version).exists():
        shutil.rmtree(staged)
    else:
        staged.rename(root / version)
    pointer = root / f".{CURRENT}-{os.getpid()}"
    pointer.write_text(version, encoding="utf-8")
    os.replace(pointer, root / CURRENT)
    for old in sorted(p for p in root.iterdir() if p.is_dir() and p.name[0] != "." and p.name != version)[: -KEPT + 1]:
        shutil.rmtree(old, ignore_errors=True)
    return version


def current(settings: Settings) -> Path | None:
    """The folder of the current snapshot, or None before the first."""
    pointer = settings.root / FOLDER / CURRENT
    return settings.root / FOLDER / pointer.read_text(encoding="utf-8").strip() if pointer.exists() else None


def moment(version: str) -> datetime:
    """As of when a version was made, to the minute, as days begin; DataError where it is no version."""
    try:
        return datetime.strptime(version.split("-")[0], "%Y%m%dT%H%M").replace(tzinfo=UTC)
    except ValueError as exc:
        raise DataError(f"snapshot version {version!r} names no moment: it begins like 20260301T0000") from exc
