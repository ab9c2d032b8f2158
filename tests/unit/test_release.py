"""A release is whole or refused: what was missing, added or changed is named."""

from datetime import date

import pytest

from pipelines.core import release
from pipelines.core.errors import ReleaseError


def seal(folder, **changes):
    (folder / "ranker").mkdir(parents=True, exist_ok=True)
    (folder / "ranker" / "model.txt").write_text("trees")
    (folder / "ranker" / "calibration.json").write_text("{}")
    content = {
        "generators": ("popularity",),
        "ranker": "gbdt",
        "feature_service": "ranking",
        "feature_fingerprint": "f",
        "dataset": "tiny",
        "time_zone": "UTC",
        "watermark": date(2022, 4, 28),
        "trained_from": date(2022, 4, 1),
        "seed": 7,
        "settings": {},
        "metrics": {},
        "git_commit": "c",
        "lock_hash": "l",
    }
    return release.write(folder, **{**content, **changes})


def test_a_whole_release_verifies_to_its_manifest(tmp_path):
    manifest = seal(tmp_path)
    assert release.verify(tmp_path) == manifest
    assert sorted(manifest.files) == ["ranker/calibration.json", "ranker/model.txt"]


def test_equal_content_has_an_equal_id_and_any_difference_another(tmp_path):
    first = seal(tmp_path / "a").release_id
    assert seal(tmp_path / "b").release_id == first
    assert seal(tmp_path / "c", seed=8).release_id != first


def test_a_changed_a_missing_and_an_added_file_are_each_named(tmp_path):
    manifest = seal(tmp_path)
    (tmp_path / "ranker" / "model.txt").write_text("other trees")
    (tmp_path / "ranker" / "calibration.json").unlink()
    (tmp_path / "extra.npz").write_text("x")
    with pytest.raises(ReleaseError) as raised:
        release.verify(tmp_path)
    assert str(raised.value) == (
        f"release {manifest.release_id} is not whole: ranker/calibration.json is missing, extra.npz was added, "
        "ranker/model.txt was changed; take it from the registry again"
    )


def test_a_folder_without_a_manifest_is_no_release(tmp_path):
    with pytest.raises(ReleaseError, match=r"holds no manifest\.json: it is not a release"):
        release.verify(tmp_path)


@pytest.mark.parametrize("content", [b"{", b"{}", b"\xff\xfe"])
def test_a_corrupt_manifest_is_refused(tmp_path, content):
    seal(tmp_path)
    (tmp_path / release.MANIFEST).write_bytes(content)
    with pytest.raises(ReleaseError, match=r"manifest\.json cannot be read"):
        release.verify(tmp_path)
