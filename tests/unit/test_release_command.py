"""`marquee release verify`: a set that is whole is described, one whose members disagree is refused."""

import json
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from marquee.cli import app
from pipelines.adapters import model_registry
from pipelines.candidates.popularity import FittedPopularity
from pipelines.core import release
from pipelines.promotion import moves
from pipelines.ranking import job as ranking
from pipelines.ranking.logistic import Logistic


def make(folder: Path, **changes: Any) -> str:
    popularity = folder / "generators" / "popularity"
    popularity.mkdir(parents=True)
    FittedPopularity(np.array(["m1", "m2"]), np.array([2, 1], dtype=np.float32)).save(popularity)
    rate = np.linspace(0, 1, 60)
    label = (rate > 0.5).astype(np.float64)
    fitted = Logistic().fit({"rate": rate}, label, np.ones(60), np.arange(60).astype(str), seed=1)
    ranking.save(fitted, "logistic", folder)
    told = {"generators": ("popularity",), "ranker": "logistic", "feature_service": "ranking", "dataset": "tiny"}
    told |= {"feature_fingerprint": "f", "time_zone": "UTC", "watermark": date(2026, 2, 1), "seed": 1, "settings": {}}
    told |= {"trained_from": date(2026, 1, 1), "metrics": {}, "git_commit": "c", "lock_hash": "l"}
    return release.write(folder, **(told | changes)).release_id


def verify(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["release", "verify", *arguments])


def test_a_whole_folder_is_described(tmp_path: Path) -> None:
    name = make(tmp_path / "r")
    said = verify(str(tmp_path / "r"))
    assert said.exit_code == 0
    assert f"release {name} is whole" in said.stdout
    told = json.loads(verify(str(tmp_path / "r"), "--json").stdout)
    assert (told["release_id"], told["ranker"]) == (name, "logistic")
    assert set(told["members"]) == {"generators/popularity", "ranker"}


def test_a_file_that_was_changed_is_named(tmp_path: Path) -> None:
    make(tmp_path / "r")
    with (tmp_path / "r" / "ranker" / "method.json").open("a") as file:
        file.write(" ")
    said = verify(str(tmp_path / "r"))
    assert said.exit_code == 1
    assert "ranker/method.json was changed" in said.stderr


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ranker": "gbdt"}, "names the ranker gbdt: it holds logistic"),
        ({"generators": ("als", "popularity")}, "names generators ('als', 'popularity'): it holds others"),
    ],
)
def test_members_that_disagree_with_the_manifest_are_refused(tmp_path: Path, changes: Any, said: str) -> None:
    make(tmp_path / "r", **changes)
    answer = verify(str(tmp_path / "r"))
    assert answer.exit_code == 1
    assert said in answer.stderr


def test_a_release_is_taken_from_the_registry_by_its_id_and_the_champion_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = make(tmp_path / "r")
    held = SimpleNamespace(version=4, release_id=name)

    class Registry:
        def __init__(self, _: object) -> None: ...

        def version_of(self, release_id: str) -> int | None:
            return 4 if release_id == name else None

        def releases(self) -> list[Any]:
            return [held]

        def download(self, version: int, _: Path) -> Path:
            assert version == 4
            return tmp_path / "r"

    monkeypatch.setattr(model_registry, "ModelRegistry", Registry)
    monkeypatch.setattr(moves, "champion", lambda _: held)
    assert [f"release {name} is whole" in verify(*asked).stdout for asked in ((name,), ())] == [True, True]
    said = verify("r9")
    assert said.exit_code == 2
    assert f"r9 is neither a folder nor a registered release: the newest are {name}" in said.stderr
    monkeypatch.setattr(moves, "champion", lambda _: None)
    assert "no release is champion" in verify().stderr
