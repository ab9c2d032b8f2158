"""Evidence: gathered over all members, saved without code, refused when it is not whole."""

from datetime import date

import numpy as np
import pytest

from pipelines.core.errors import DataError, ReleaseError
from pipelines.core.evidence import Evidence
from pipelines.evaluation.evidence import Scored, gather
from pipelines.evaluation.offline import evaluate_lists

DAYS = {"test_from": date(2022, 4, 29), "test_to": date(2022, 5, 2), "fitted_through": date(2022, 4, 28)}


@pytest.fixture
def evidence():
    ranked, relevant = np.array([[1, 2], [3, 4]]), [np.array([1]), np.array([9])]
    lists = evaluate_lists(ranked, relevant, 2, seed=0, members=["u7", "u2"])
    rows = Scored(["i1", "i2", "i3"], ["u7", "u9", "u7"], [1, 0, 0], [0.8, 0.1, 0.3])
    return gather({"page": lists}, {"ranker": rows}, **DAYS, release_id="abc")


def test_members_of_lists_and_rows_are_joined(evidence):
    assert evidence.members.tolist() == ["u2", "u7", "u9"]
    np.testing.assert_array_equal(evidence.metrics["page.ndcg@2"], [0.0, 1.0, np.nan])
    assert evidence.members[evidence.rows["ranker"].member].tolist() == ["u7", "u9", "u7"]


def test_evidence_comes_back_as_it_was_saved(evidence, tmp_path):
    again = Evidence.load(evidence.save(tmp_path / "evidence.npz"))
    assert (again.test_from, again.test_to, again.fitted_through) == tuple(DAYS.values())
    assert again.release_id == "abc"
    assert again.members.tolist() == evidence.members.tolist()
    for name, values in evidence.metrics.items():
        np.testing.assert_array_equal(again.metrics[name], values)
    assert again.rows["ranker"].ids.tolist() == ["i1", "i2", "i3"]
    assert again.rows["ranker"].probability.tolist() == [0.8, 0.1, 0.3]


def test_evidence_of_nobody_can_be_saved(tmp_path):
    nobody = gather({}, {}, **DAYS)
    assert Evidence.load(nobody.save(tmp_path / "e.npz")).members.shape == (0,)


def test_a_missing_or_foreign_file_is_refused(tmp_path):
    with pytest.raises(ReleaseError, match=r"e\.npz is missing: evaluate the release again"):
        Evidence.load(tmp_path / "e.npz")
    (tmp_path / "e.npz").write_text("not an archive")
    with pytest.raises(ReleaseError, match="is no evidence file"):
        Evidence.load(tmp_path / "e.npz")
    (tmp_path / "e.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(ReleaseError, match="is no evidence file"):
        Evidence.load(tmp_path / "e.npz")
    np.savez(tmp_path / "e.npz", other=np.ones(2))
    with pytest.raises(ReleaseError, match="is no evidence file"):
        Evidence.load(tmp_path / "e.npz")


def test_an_object_array_is_never_unpickled(tmp_path):
    np.savez(tmp_path / "e.npz", about=np.array([print], dtype=object))
    with pytest.raises(ReleaseError, match="is no evidence file"):
        Evidence.load(tmp_path / "e.npz")


def test_evidence_that_does_not_fit_its_members_is_refused():
    with pytest.raises(DataError, match="names a member twice"):
        Evidence(**DAYS, members=np.array(["a", "a"]))
    with pytest.raises(DataError, match=r"page\.ndcg@10 has shape \(1,\) for 2 members"):
        Evidence(**DAYS, members=np.array(["a", "b"]), metrics={"page.ndcg@10": np.ones(1)})


def test_slices_figures_and_the_calibration_curve_come_back_too(evidence, tmp_path):
    curve = np.array([[0.1, 0.2, 3.0], [np.nan, np.nan, 0.0]])
    cut = gather(
        {}, {"ranker": Scored(["i1", "i2"], ["u7", "u9"], [1, 0], [0.8, 0.1])}, **DAYS,
        slices={"country": {"u7": "GB"}}, figures={"release.size_mb": 1.5}, reliability=curve,
    )  # fmt: skip
    again = Evidence.load(cut.save(tmp_path / "e.npz"))
    assert again.members.tolist() == ["u7", "u9"]
    assert again.slices["country"].tolist() == ["GB", "unknown"]
    assert again.figures == {"release.size_mb": 1.5}
    np.testing.assert_array_equal(again.reliability, curve)


def test_a_file_that_was_saved_before_there_were_slices_still_loads(evidence, tmp_path):
    stored = np.load(evidence.save(tmp_path / "e.npz"), allow_pickle=False)
    older = {name: stored[name] for name in stored.files if not name.startswith(("slices/", "figures/", "reliability"))}
    np.savez_compressed(tmp_path / "older.npz", **older)
    again = Evidence.load(tmp_path / "older.npz")
    assert (again.slices, again.figures, again.reliability) == ({}, {}, None)
    assert again.members.tolist() == evidence.members.tolist()


def test_a_slice_that_does_not_name_every_member_is_refused():
    with pytest.raises(DataError, match=r"slice country has shape \(1,\) for 2 members"):
        Evidence(**DAYS, members=np.array(["a", "b"]), slices={"country": np.array(["GB"])})
