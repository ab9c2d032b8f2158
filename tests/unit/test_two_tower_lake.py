"""The two towers on a lake: several processes that fit as one, and a machine without torch."""

import os
import re
import socket
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipelines.candidates import two_tower
from pipelines.candidates.scores import Checkpoints
from pipelines.candidates.two_tower import FittedTwoTower
from pipelines.core import dataset as datasets
from pipelines.core.contracts import History
from pipelines.core.dataset import Dataset
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.tables import MEDIA, WATCHES

# Ibis calls DuckDB by the old name of to_arrow_table.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

DAY = date(2026, 1, 8)
AS_OF = datetime(2026, 1, 10, tzinfo=UTC)
MEDIA_IDS = [f"m{n:02d}" for n in range(12)]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Even members watch even media and odd ones odd; u00 has not seen m00."""
    found = Lake(Settings(home=tmp_path / "home").lake_path)
    datasets.write(Dataset(name="small", source="tables"), found.root)
    begin = datetime(2026, 1, 8, tzinfo=UTC)
    shelf = [{"media_id": m, "available_at": begin - timedelta(days=30)} for m in MEDIA_IDS]
    found.publish("media", pa.Table.from_pylist(shelf, schema=MEDIA.schema()))
    pairs = [(u, m) for u in range(40) for m in range(12) if u % 2 == m % 2 and (u, m) != (0, 0)]
    watches = [
        {
            "watch_id": f"{u}-{m}",
            "user_id": f"u{u:02d}",
            "media_id": MEDIA_IDS[m],
            "started_at": begin + timedelta(hours=(5 * m + u) % 12),
            "available_at": begin + timedelta(hours=13),
            "completion": 0.95,
        }
        for u, m in pairs
    ]
    found.publish("watches", pa.Table.from_pylist(watches, schema=WATCHES.schema()), DAY)
    return found


def started(lake: Lake, into: Path, **environment: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "pipelines.candidates.tower_parallel", "--as-of", AS_OF.isoformat()]
    told = os.environ | {"OMP_NUM_THREADS": "1", "MARQUEE_HOME": str(lake.root.parent)} | environment
    root = Path(__file__).parents[2]
    return subprocess.Popen([*command, "--into", str(into)], cwd=root, env=told, stdout=subprocess.PIPE, text=True)


def test_two_processes_end_with_the_same_weights_as_good_as_those_of_one(lake: Lake, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training the towers needs the extra deep")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        joined = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    processes = [started(lake, tmp_path / "two", RANK=str(rank), **joined) for rank in (0, 1)]
    processes.append(started(lake, tmp_path / "one"))
    told = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    weights = [re.search(r"weights (\w+)$", line).group(1) for line in told]
    assert weights[0] == weights[1] != weights[2]
    one, two = (FittedTwoTower.load(tmp_path / name) for name in ("one", "two"))
    assert two.fingerprint() == weights[0]
    history = History(("m02", "m04", "m06", "m08", "m10"), (1.0,) * 5)
    for fitted in (one, two):
        assert MEDIA_IDS[fitted.candidates([history], 1)[0][0, 0]] == "m00"
    held, other = (fitted.scores([history], np.array([[0, 1]]))[0] for fitted in (one, two))
    np.testing.assert_allclose(held, other, atol=0.15)


def test_where_torch_is_missing_the_other_generators_are_fitted(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(two_tower, "find_spec", lambda name: None)
    held = Checkpoints(lake, [AS_OF.date()], tmp_path / "fits", 7, "UTC")
    assert "two_tower" not in held.generators(AS_OF.date())
    assert "popularity" in held.generators(AS_OF.date())
    assert "extra 'deep'" in caplog.text
    rows = pd.DataFrame({"user_id": ["u00"], "media_id": ["m00"], "event_timestamp": [AS_OF + timedelta(hours=9)]})
    scored = held.scored(rows.assign(day=AS_OF.date()))
    assert scored["retrieval_two_tower"].isna().all()
    assert scored["retrieval_popularity"].notna().all()
