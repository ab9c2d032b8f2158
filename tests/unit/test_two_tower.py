"""Two towers: what they learn from history, words and context, what they answer without, and that numpy is enough."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipelines.candidates import two_tower
from pipelines.candidates.two_tower import FittedTwoTower, TwoTower
from pipelines.core.contracts import CHOSEN, DEVICE, History, Interactions
from pipelines.core.errors import SettingsError

AS_OF = datetime(2026, 1, 10, tzinfo=UTC)
CATALOGUE = np.array([f"m{n:02d}" for n in range(14)])
WATCHED = 12
"""The last two media of the catalogue have no watch: one is a drama as the even ones are, one a comedy."""

MEDIA = pa.table(
    {
        "media_id": CATALOGUE.tolist(),
        "genres": [["drama", "film"] if n % 2 == 0 else ["comedy", "film"] for n in range(len(CATALOGUE))],
        "title": CATALOGUE.tolist(),
    }
)
MEMBERS = [f"u{n:02d}" for n in range(24)]
WORDS = pa.table(
    {
        "user_id": MEMBERS,
        "country": ["BR" if n % 2 == 0 else "JP" for n in range(24)],
        "age": [20 + n for n in range(24)],
        CHOSEN: [["drama"] if n % 2 == 0 else ["comedy", "film"] for n in range(24)],
    }
)


def world() -> Interactions:
    """Even members watch dramas on a television, odd ones comedies on a telephone, each all but two."""
    pairs = [(u, m) for u in range(24) for m in range(WATCHED) if u % 2 == m % 2 and (u + m) % 6 != 0]
    users, media = (np.array(column) for column in zip(*pairs, strict=True))
    at = np.datetime64("2026-01-08", "us") + (media * 3_600_000_000).astype("timedelta64[us]")
    return Interactions(
        users=np.array(MEMBERS)[users],
        media=CATALOGUE[media],
        weight=np.ones(len(pairs), dtype=np.float32),
        at=at,
        catalogue=CATALOGUE,
        media_table=MEDIA,
        member_table=WORDS,
        device=np.where(users % 2 == 0, "tv", "phone").astype(object),
    )


@pytest.fixture(scope="module")
def fitted() -> FittedTwoTower:
    return TwoTower().fit(world(), as_of=AS_OF, seed=7)


def watched(*media: str, **context: object) -> History:
    return History(media, (1.0,) * len(media), context)


def first(fitted: FittedTwoTower, history: History, k: int) -> set[int]:
    return set(fitted.candidates([history], k)[0][0].tolist())


def test_who_watched_dramas_is_proposed_the_other_dramas(fitted: FittedTwoTower) -> None:
    assert first(fitted, watched("m02", "m04"), 4) <= {0, 6, 8, 10, 12}
    assert first(fitted, watched("m01", "m03", "m05"), 3) <= {7, 9, 11, 13}


@pytest.mark.parametrize(
    "context", [{"country": "BR"}, {CHOSEN: ("drama",)}, {DEVICE: "tv"}, {"country": "BR", "age": 30, DEVICE: "tv"}]
)
def test_who_watched_nothing_is_answered_by_what_else_is_known(fitted: FittedTwoTower, context: dict) -> None:
    scores = fitted.scores([History(context=context)], np.arange(14)[None, :])[0]
    assert scores[::2].mean() > 1.3 * scores[1::2].mean()


def test_a_media_that_nobody_watched_is_placed_by_its_words(fitted: FittedTwoTower) -> None:
    drama, comedy = fitted.scores([watched("m02", "m04")], np.array([[12, 13]]))[0]
    assert drama > comedy + 0.1
    assert fitted.scores([watched("m01")], np.array([[13]])) > fitted.scores([watched("m01")], np.array([[12]]))


def test_a_word_that_training_never_saw_changes_nothing(fitted: FittedTwoTower) -> None:
    plain, strange = watched("m02"), watched("m02", country="XX", device="fridge", **{CHOSEN: ("polka",)})
    np.testing.assert_array_equal(fitted.member_vectors([plain]), fitted.member_vectors([strange]))


def test_a_media_without_watches_and_words_is_not_spoken_of() -> None:
    found = TwoTower().fit(replace(world(), media_table=None), as_of=AS_OF, seed=7)
    assert np.isnan(found.scores([watched("m02")], np.array([[12, 13]]))).all()
    codes, scores = found.candidates([watched("m02")], 14)
    assert set(codes[0].tolist()) == {*range(WATCHED), -1} - {2}
    assert (codes[0, -3:] == -1).all()
    assert np.isneginf(scores[0, -3:]).all()


@pytest.mark.parametrize("missing", ["media_table", "member_table", "device"])
def test_any_table_may_be_missing(missing: str) -> None:
    found = TwoTower().fit(replace(world(), **{missing: None}), as_of=AS_OF, seed=7)
    scores = found.scores([watched("m02", "m04")], np.array([[0, 6, 8, 10, 1, 3, 5, 7]]))[0]
    assert scores[:4].mean() > 1.3 * scores[4:].mean()


def test_one_media_in_the_catalogue_is_proposed_to_who_has_not_watched_it() -> None:
    alone = TwoTower().fit(replace(world(), catalogue=CATALOGUE[:1], media_table=None), as_of=AS_OF, seed=7)
    codes, _ = alone.candidates([History(), watched("m00"), watched("m05")], 3)
    assert codes.tolist() == [[0, -1, -1], [-1, -1, -1], [0, -1, -1]]
    assert np.isfinite(alone.scores([History(), watched("m00")], np.array([[0], [0]]))).all()


def test_a_media_that_has_left_the_catalogue_is_neither_proposed_nor_missed() -> None:
    left = TwoTower().fit(replace(world(), catalogue=CATALOGUE[1:], media_table=MEDIA.slice(1)), as_of=AS_OF, seed=7)
    codes, _ = left.candidates([watched("m00", "m02", "m04")], 3)
    assert set(CATALOGUE[1:][codes[0]]) <= {"m06", "m08", "m10", "m12"}


def test_a_reason_is_the_nearest_of_what_was_watched(fitted: FittedTwoTower) -> None:
    assert fitted.because(6, watched("m01", "m02", "m03")) == "m02"
    assert fitted.because(7, watched("gone", "m02", "m03")) == "m03"
    assert fitted.because(7, watched("gone")) is None


def test_only_the_last_watches_count() -> None:
    short = TwoTower(history=2).fit(world(), as_of=AS_OF, seed=7)
    long, cut = watched("m01", "m03", "m02", "m04"), watched("m02", "m04")
    np.testing.assert_array_equal(short.member_vectors([long]), short.member_vectors([cut]))


ASK_WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from pathlib import Path
from pipelines.candidates.two_tower import FittedTwoTower
from pipelines.core.contracts import History
found = FittedTwoTower.load(Path(sys.argv[1]))
print(found.candidates([History(("m02", "m04"), (1.0, 1.0), {"country": "BR"}), History()], 4)[0].tolist())
"""


def test_what_was_fitted_answers_where_torch_cannot_be_imported(fitted: FittedTwoTower, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["two_tower.npz"]
    asked = subprocess.run(
        [sys.executable, "-c", ASK_WITHOUT_TORCH, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    here = fitted.candidates([watched("m02", "m04", country="BR"), History()], 4)[0].tolist()
    assert asked.stdout.strip() == str(here)


def test_everything_that_is_saved_is_small_numbers_and_words(fitted: FittedTwoTower, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    with np.load(tmp_path / "two_tower.npz", allow_pickle=False) as stored:
        assert {stored[name].dtype.kind for name in stored} <= {"f", "U", "b"}
        assert stored["vectors"].dtype == np.float32
    assert FittedTwoTower.load(tmp_path).fingerprint() == fitted.fingerprint()


def test_fitting_without_torch_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two_tower, "find_spec", lambda name: None)
    assert not two_tower.available()
    with pytest.raises(SettingsError, match="extra 'deep'"):
        TwoTower().fit(world(), as_of=AS_OF, seed=7)
