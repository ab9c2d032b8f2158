"""What mixed effects alone promise: kinds, a member's own part, and worths that position does not buy."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipelines.candidates.mixed_effects import FittedMixedEffects, MixedEffects
from pipelines.core.contracts import History, Interactions, Shown

AS_OF = datetime(2026, 1, 10, tzinfo=UTC)
CATALOGUE = np.array([f"m{n:02d}" for n in range(12)])
GENRES = ["drama" if n % 2 else "comedy" for n in range(12)]
MEMBERS, EACH = 200, 40


def titles() -> pa.Table:
    came = pa.array([datetime(2025, 1, 1, tzinfo=UTC)] * 12, pa.timestamp("us", "UTC"))
    return pa.table({"media_id": CATALOGUE, "genres": [[genre] for genre in GENRES], "platform_at": came})


def world(chance, position=lambda media, rng: rng.integers(0, 10, len(media))) -> Interactions:
    """Every member is shown EACH titles; chance(kind, media, position) is how likely each is watched."""
    rng = np.random.default_rng(3)
    member, media = np.repeat(np.arange(MEMBERS), EACH), rng.integers(0, 12, MEMBERS * EACH)
    kind, place = member % 2, position(media, rng)
    watched = rng.random(len(media)) < chance(kind, media, place)
    users = np.char.add("u", member.astype(str))
    at = np.datetime64("2026-01-05", "us") + np.tile(np.arange(EACH), MEMBERS).astype("timedelta64[h]")
    none = np.full(len(media), None, dtype=object)
    told = {"user_id": [f"u{n}" for n in range(MEMBERS)], "country": ["NL" if n % 2 else "JP" for n in range(MEMBERS)]}
    shown = Shown(users, CATALOGUE[media], at, watched.astype(np.float32), place.astype(np.float32), none)
    weight = np.ones(int(watched.sum()), dtype=np.float32)
    return Interactions(
        users[watched], CATALOGUE[media][watched], weight, at[watched], CATALOGUE, titles(), pa.table(told), None, shown
    )


def by_kind(kind, media, place):
    return np.where((media % 2 == 1) == (kind == 1), 0.4, 0.05)


@pytest.fixture(scope="module")
def fitted() -> FittedMixedEffects:
    return MixedEffects().fit(world(by_kind), as_of=AS_OF, seed=7)


def genres_of(codes: np.ndarray) -> list[str]:
    return [GENRES[code] for code in codes.tolist()]


def test_a_stranger_is_shown_what_their_kind_likes(fitted: FittedMixedEffects) -> None:
    codes, _ = fitted.candidates([History(context={"country": "NL"}), History(context={"country": "JP"})], 6)
    assert genres_of(codes[0]) == ["drama"] * 6
    assert genres_of(codes[1]) == ["comedy"] * 6


def test_own_watches_move_a_member_away_from_their_kind() -> None:
    rng = np.random.default_rng(5)
    likes = rng.random(MEMBERS) < 0.5

    def own(kind, media, place):
        return np.where((media % 2 == 1) == likes[np.repeat(np.arange(MEMBERS), EACH)], 0.4, 0.05)

    fitted = MixedEffects().fit(world(own), as_of=AS_OF, seed=7)
    assert fitted.own["genres"] > 0
    drama = History(("m01", "m03", "m05", "m07"), (1.0,) * 4, {"country": "JP"})
    codes, _ = fitted.candidates([drama], 2)
    assert genres_of(codes[0]) == ["drama"] * 2
    assert fitted.because(9, drama) in drama.media


def test_members_part_from_their_kind_as_far_as_they_do_in_each_group_of_attributes(tmp_path: Path) -> None:
    likes = np.random.default_rng(5).random(MEMBERS) < 0.5
    told = titles().append_column("original_language", pa.array(["en" if n % 3 else "nl" for n in range(12)]))

    def own(kind, media, place):
        return np.where((media % 2 == 1) == likes[np.repeat(np.arange(MEMBERS), EACH)], 0.4, 0.05)

    fitted = MixedEffects().fit(replace(world(own), media_table=told), as_of=AS_OF, seed=7)
    assert fitted.own["original_language"] < fitted.own["genres"]
    # A release that was sealed with one number for all groups is read as it was.
    fitted.save(tmp_path)
    stored = tmp_path / "mixed_effects.json"
    stored.write_text(json.dumps(json.loads(stored.read_text()) | {"own": 0.25}))
    assert FittedMixedEffects.load(tmp_path).own == {"genres": 0.25, "original_language": 0.25}


def test_a_title_is_not_worth_more_because_it_stood_higher() -> None:
    def seen(kind, media, place):
        return 0.5 * np.exp(-0.4 * place)

    first = world(
        seen, lambda media, rng: np.where(media == 0, rng.integers(0, 2, len(media)), rng.integers(0, 10, len(media)))
    )
    fitted = MixedEffects().fit(first, as_of=AS_OF, seed=7)
    raw = [first.shown.engaged[first.shown.media == media].mean() for media in CATALOGUE]
    assert raw[0] > 1.5 * np.mean(raw[1:])
    assert fitted.worth[0] - fitted.worth[1:].mean() < 0.4 * np.log(raw[0] / np.mean(raw[1:]))


def test_without_words_or_impressions_worths_alone_answer() -> None:
    whole = world(by_kind)
    bare = Interactions(whole.users, whole.media, whole.weight, whole.at, CATALOGUE)
    fitted = MixedEffects().fit(bare, as_of=AS_OF, seed=7)
    codes, scores = fitted.candidates([History(), History(("m01",), (1.0,))], 12)
    assert (codes[0] >= 0).all()
    assert CATALOGUE.tolist().index("m01") not in codes[1]
    assert np.isfinite(scores[0]).all()


def test_an_attribute_that_nobody_cares_for_shrinks_to_nothing() -> None:
    fitted = MixedEffects().fit(world(lambda kind, media, place: np.full(len(media), 0.2)), as_of=AS_OF, seed=7)
    assert np.abs(fitted.crosses).max() < 0.1
    assert not any(fitted.own.values())
