"""The promises that every registered generator keeps."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from pipelines.candidates import FITTED, GENERATORS
from pipelines.core.contracts import CHOSEN, DEVICE, FittedGenerator, History, Interactions
from pipelines.core.tables import MEDIA

AS_OF = datetime(2026, 1, 10, tzinfo=UTC)
CATALOGUE = np.array([f"m{i:02d}" for i in range(12)])
KINDS, IDS = ("even", "odd"), ("media_id", "user_id")


def titles(catalogue: np.ndarray = CATALOGUE) -> pa.Table:
    """A title's genre is whether its number is even or odd; nothing else is known of it."""
    genres = [[KINDS[int(media[1:]) % 2]] for media in catalogue.tolist()]
    known = {"media_id": pa.array(catalogue.tolist()), "genres": pa.array(genres)}
    return pa.table({f.name: known.get(f.name, pa.nulls(len(catalogue), f.type)) for f in MEDIA.schema()})


def members(users: np.ndarray) -> pa.Table:
    """Even members live in NL, odd ones in BE, and each chose the genre of their own."""
    named = sorted(set(users.tolist()))
    side = [int(user[-1]) % 2 for user in named]
    known = {"country": [("NL", "BE")[n] for n in side], "age": [30.0 + n for n in side]}
    known |= {"language": ["nl"] * len(named), "gender": [None] * len(named), CHOSEN: [[KINDS[n]] for n in side]}
    return pa.table({"user_id": named, **known})


def checkerboard(held_out: str = "m00") -> Interactions:
    """Even members engage with even media and odd with odd; member u00 has not seen ``held_out``."""
    pairs = [
        (f"u{u:02d}", f"m{m:02d}")
        for u in range(20)
        for m in range(12)
        if u % 2 == m % 2 and not (u == 0 and f"m{m:02d}" == held_out)
    ]
    users, media = (np.array(column) for column in zip(*pairs, strict=True))
    at = np.full(len(pairs), np.datetime64("2026-01-08T00:00:00", "us"))
    device = np.array([("tv", "phone")[int(user[1:]) % 2] for user in users.tolist()], dtype=object)
    weight = np.ones(len(pairs), dtype=np.float32)
    return Interactions(users, media, weight, at, CATALOGUE, titles(), members(users), device)


def empty() -> Interactions:
    none = np.array([], dtype=str)
    return Interactions(none, none, np.array([], dtype=np.float32), np.array([], dtype="datetime64[us]"), CATALOGUE)


def alone(name: str, watched: Interactions) -> FittedGenerator:
    return GENERATORS[name]().fit(watched, as_of=AS_OF, seed=7)


@pytest.fixture(params=sorted(GENERATORS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def fitted(name: str) -> FittedGenerator:
    return GENERATORS[name]().fit(checkerboard(), as_of=AS_OF, seed=7)


def test_candidates_have_the_promised_shape_and_leave_out_the_history(fitted: FittedGenerator) -> None:
    histories = [History(("m02", "m04"), (1.0, 1.0)), History(("m01",), (1.0,))]
    codes, scores = fitted.candidates(histories, 5)
    assert codes.shape == scores.shape == (2, 5)
    assert not {"m02", "m04"} & set(CATALOGUE[codes[0]])
    assert (np.diff(scores, axis=1) <= 0).all()


def test_no_media_is_proposed_twice(fitted: FittedGenerator) -> None:
    codes, _ = fitted.candidates([History(("m02",), (1.0,))], 12)
    proposed = codes[0][codes[0] >= 0]
    assert len(set(proposed.tolist())) == len(proposed)


def test_more_than_the_catalogue_is_padded(fitted: FittedGenerator) -> None:
    codes, scores = fitted.candidates([History(("m02",), (1.0,))], 30)
    assert codes.shape == (1, 30)
    assert (codes[0, 12:] == -1).all()
    assert np.isneginf(scores[0, 12:]).all()


def test_an_unknown_media_in_the_history_is_ignored(fitted: FittedGenerator) -> None:
    with_stranger, _ = fitted.candidates([History(("m02", "gone"), (1.0, 1.0))], 5)
    without, _ = fitted.candidates([History(("m02",), (1.0,))], 5)
    assert (with_stranger == without).all()


def test_an_empty_history_is_answered_without_an_error(fitted: FittedGenerator) -> None:
    codes, _ = fitted.candidates([History()], 5)
    assert codes.shape == (1, 5)


def test_a_reason_is_a_media_of_the_history_or_none(fitted: FittedGenerator) -> None:
    history = History(("m02", "m04", "gone"), (1.0, 1.0, 1.0))
    assert fitted.because(0, history) in {None, "m02", "m04"}
    assert fitted.because(0, History()) is None


def test_nobody_asked_is_nobody_answered(fitted: FittedGenerator) -> None:
    codes, scores = fitted.candidates([], 5)
    assert codes.shape == scores.shape == (0, 5)


def test_a_world_without_watches_proposes_nothing(name: str) -> None:
    codes, _ = GENERATORS[name]().fit(empty(), as_of=AS_OF, seed=7).candidates([History(("m02",), (1.0,))], 5)
    assert (codes == -1).all()


def test_scores_follow_the_order_of_the_candidates(fitted: FittedGenerator) -> None:
    history = History(("m02", "m04"), (1.0, 1.0))
    codes, _ = fitted.candidates([history], 12)
    proposed = codes[:, codes[0] >= 0]
    scores = fitted.scores([history], proposed)
    assert scores.shape == proposed.shape
    assert np.isfinite(scores).all()
    assert (np.diff(scores, axis=1) <= 1e-6).all()


def test_scores_of_a_member_do_not_depend_on_who_else_is_asked_about(fitted: FittedGenerator) -> None:
    histories = [History(("m02",), (1.0,)), History(), History(("m01", "m03"), (1.0, 1.0)), History(("m06",), (1.0,))]
    grid = np.array([[0, 3, -1], [5, -1, -1], [2, 1, 4], [0, 0, 7]])
    together = fitted.scores(histories, grid)
    for history, codes, scores in zip(histories, grid, together, strict=True):
        np.testing.assert_array_equal(fitted.scores([history], codes[None, :])[0], scores)


def test_no_media_has_no_score_and_a_watched_one_has(fitted: FittedGenerator) -> None:
    scores = fitted.scores([History(("m02",), (1.0,))], np.array([[2, -1]]))
    assert np.isfinite(scores[0, 0])
    assert np.isnan(scores[0, 1])


def test_scores_of_nobody_and_of_nothing_are_empty(fitted: FittedGenerator) -> None:
    assert fitted.scores([], np.empty((0, 3), dtype=np.int64)).shape == (0, 3)
    assert fitted.scores([History()], np.empty((1, 0), dtype=np.int64)).shape == (1, 0)


def test_a_world_without_watches_scores_nothing(name: str) -> None:
    fitted = GENERATORS[name]().fit(empty(), as_of=AS_OF, seed=7)
    assert np.isnan(fitted.scores([History(("m02",), (1.0,))], np.array([[0, 1]]))).all()


def test_scores_mean_the_same_when_every_member_is_there_twice(name: str) -> None:
    once = checkerboard()
    users = np.concatenate([once.users, np.char.add("x", once.users)])
    twice = {part: np.tile(getattr(once, part), 2) for part in ("media", "weight", "at", "device")}
    doubled = replace(once, users=users, member_table=members(users), **twice)
    history, codes = History(("m02", "m04"), (1.0, 1.0)), np.array([[0, 1, 6]])
    few, many = (GENERATORS[name]().fit(o, as_of=AS_OF, seed=7).scores([history], codes) for o in (once, doubled))
    np.testing.assert_allclose(few, many, atol=0.1)


def test_saved_and_loaded_it_answers_the_same(name: str, fitted: FittedGenerator, tmp_path) -> None:
    fitted.save(tmp_path)
    again = FITTED[name].load(tmp_path)
    histories = [History(("m02",), (1.0,)), History()]
    for before, after in zip(fitted.candidates(histories, 6), again.candidates(histories, 6), strict=True):
        np.testing.assert_array_equal(before, after)
    codes = np.array([[0, 5], [3, -1]])
    np.testing.assert_array_equal(fitted.scores(histories, codes), again.scores(histories, codes))


def test_the_same_seed_fits_the_same(name: str, fitted: FittedGenerator) -> None:
    again = GENERATORS[name]().fit(checkerboard(), as_of=AS_OF, seed=7)
    histories = [History(("m02",), (1.0,))]
    np.testing.assert_array_equal(fitted.candidates(histories, 6)[1], again.candidates(histories, 6)[1])


STRANGE = {
    "country": "nowhere",
    DEVICE: "a fridge",
    "language": "tlh",
    "gender": "",
    "age": float("nan"),
    CHOSEN: ("a genre of tomorrow",),
}
HISTORIES = [
    History(),
    History(("m02", "m04"), (1.0, 1.0)),
    History(context=STRANGE),
    History(("m03",), (1.0,), STRANGE),
]


def test_a_category_that_the_fit_never_saw_says_nothing(fitted: FittedGenerator) -> None:
    for history in HISTORIES:
        strange = fitted.candidates([History(history.media, history.weight, STRANGE)], 12)
        plain = fitted.candidates([History(history.media, history.weight)], 12)
        for with_it, without in zip(strange, plain, strict=True):
            np.testing.assert_array_equal(with_it, without)


def test_without_tables_and_devices_a_method_does_without(name: str) -> None:
    bare = replace(checkerboard(), media_table=None, member_table=None, device=None)
    fitted = alone(name, bare)
    codes, _ = fitted.candidates(HISTORIES, 5)
    assert codes.shape == (4, 5)
    assert fitted.scores(HISTORIES, np.maximum(codes, 0)).shape == (4, 5)


def test_a_table_in_which_nothing_is_known_is_no_error(name: str) -> None:
    whole = checkerboard()
    blank = {
        table: pa.table({f.name: t[f.name] if f.name in IDS else pa.nulls(len(t), f.type) for f in t.schema})
        for table, t in (("media_table", whole.media_table), ("member_table", whole.member_table))
    }
    fitted = alone(name, replace(whole, device=np.full(len(whole.users), None, dtype=object), **blank))
    assert fitted.candidates(HISTORIES, 5)[0].shape == (4, 5)


def test_a_catalogue_of_one_media_is_answered(name: str) -> None:
    whole = checkerboard()
    one = replace(whole, catalogue=CATALOGUE[2:3], media_table=titles(CATALOGUE[2:3]))
    fitted = alone(name, one)
    codes, _ = fitted.candidates([History(), History(("m02",), (1.0,)), History(("m04",), (1.0,))], 3)
    assert codes.shape == (3, 3)
    assert set(codes.ravel().tolist()) <= {0, -1}
    assert codes[1].tolist() == [-1, -1, -1]
    assert fitted.scores([History(("m02",), (1.0,))], np.array([[0, -1]])).shape == (1, 2)


def test_a_media_removed_since_training_is_never_proposed_and_teaches_no_other_place(name: str) -> None:
    whole = checkerboard()
    left = np.delete(CATALOGUE, 5)
    fitted = alone(name, replace(whole, catalogue=left, media_table=titles(left)))
    codes, _ = fitted.candidates([History(("m01", "m03", "m05"), (1.0,) * 3, whole_context(1))], 3)
    proposed = left[codes[0][codes[0] >= 0]].tolist()
    assert "m05" not in proposed
    assert name == "popularity" or {int(media[1:]) % 2 for media in proposed} == {1}


def whole_context(side: int) -> dict[str, object]:
    """What is known of an even or an odd member."""
    return {"country": ("NL", "BE")[side], DEVICE: ("tv", "phone")[side], CHOSEN: (KINDS[side],)}


def test_collaborative_brings_back_the_held_out_media_first() -> None:
    fitted = GENERATORS["collaborative"]().fit(checkerboard(), as_of=AS_OF, seed=7)
    codes, _ = fitted.candidates([History(("m02", "m04", "m06", "m08", "m10"), (1.0,) * 5)], 1)
    assert CATALOGUE[codes[0, 0]] == "m00"


def test_popularity_prefers_the_lately_watched_over_the_once_watched() -> None:
    at = np.array(["2026-01-09", "2025-12-01", "2025-12-01"], dtype="datetime64[us]")
    watched = Interactions(
        np.array(["a", "b", "c"]), np.array(["m01", "m02", "m02"]), np.ones(3, dtype=np.float32), at, CATALOGUE
    )
    codes, _ = GENERATORS["popularity"]().fit(watched, as_of=AS_OF, seed=0).candidates([History()], 2)
    assert CATALOGUE[codes[0]].tolist() == ["m01", "m02"]
