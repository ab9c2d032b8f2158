"""Which part of each slice a member is in, by what was known of them."""

from datetime import UTC, datetime, timedelta

import pytest

from pipelines.core.contracts import History
from pipelines.evaluation.slices import SLICES, UNKNOWN, Facts, age_band, label, mostly

AT = datetime(2026, 1, 20, tzinfo=UTC)
FACTS = Facts(
    AT,
    histories={
        "ada": History(tuple("aabbbcc"), context={"age": 41, "gender": "f", "country": "GB"}),
        "bob": History(("c",), context={"age": 17.0}),
    },
    joined={"ada": AT - timedelta(days=28), "bob": AT - timedelta(days=27)},
    devices={"ada": "tv", "cleo": "phone"},
    genres={"a": "drama", "b": "comedy", "c": "drama"},
    ratings={"b": "PG"},
)


def words(member):
    return {name: of[member] for name, of in label(["ada", "bob", "cleo"], FACTS).items()}


def test_a_member_of_whom_much_is_known_has_a_word_in_every_slice():
    assert words("ada") == {
        "tenure": "settled",
        "warmth": "warm",
        "age_band": "35-44",
        "gender": "f",
        "device": "tv",
        "country": "GB",
        "genre": "drama",
        "maturity": "PG",
    }
    assert tuple(words("ada")) == SLICES


def test_a_member_who_joined_lately_and_watched_little_is_new_and_cold():
    found = words("bob")
    assert (found["tenure"], found["warmth"], found["age_band"]) == ("new", "cold", "under 18")
    assert (found["gender"], found["maturity"]) == (UNKNOWN, UNKNOWN)


def test_a_stranger_is_unknown_but_cold_and_met_on_a_device():
    assert words("cleo") == dict.fromkeys(SLICES, UNKNOWN) | {"warmth": "cold", "device": "phone"}


@pytest.mark.parametrize(
    ("age", "band"),
    [
        (0, "under 18"), (17.9, "under 18"), (18, "18-24"), (24, "18-24"), (65, "65+"), (130, "65+"),
        (None, UNKNOWN), ("41", UNKNOWN), (float("nan"), UNKNOWN), (-1, UNKNOWN),
    ],
)  # fmt: skip
def test_an_age_falls_into_its_band(age, band):
    assert age_band(age) == band


def test_of_equally_common_words_the_first_in_the_alphabet_counts():
    assert mostly(["b", "a", None, "b", "a", ""]) == "a"
    assert mostly([None, None]) == UNKNOWN
