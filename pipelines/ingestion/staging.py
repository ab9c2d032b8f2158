"""A private folder in the lake for one import. What a killed import left behind goes when the next one begins."""

import fcntl
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.core.lake import Lake
from pipelines.core.tables import TABLES

FOLDER = "_staging"


@contextmanager
def staging(lake: Lake) -> Iterator[Path]:
    """An empty folder, removed at the end. Imports into one lake wait for one another."""
    root = lake.root / FOLDER
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _clean(lake)
        folder = root / uuid.uuid4().hex
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _clean(lake: Lake) -> None:
    for left in (lake.root / FOLDER).iterdir():
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
    for table in TABLES:
        for torn in (lake.root / table).rglob(".data.parquet.*.tmp"):
            torn.unlink(missing_ok=True)
