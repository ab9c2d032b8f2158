"""The words of the towers, and what a watch is learnt from."""

from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa

from pipelines.candidates.tower_examples import Examples, examples
from pipelines.candidates.tower_inputs import bags, media_words, member_words, vocabulary_of
from pipelines.core.contracts import CHOSEN, DEVICE, Interactions

AS_OF = datetime(2026, 1, 10, tzinfo=UTC)


def test_words_of_a_media_are_its_categories_lists_truths_and_ranges() -> None:
    table = pa.table(
        {
            "media_id": ["a", "b", "c"],
            "kind": ["film", None, "film"],
            "genres": [["drama", "war"], [], None],
            "colour": [True, False, None],
            "duration_seconds": [60.0, None, 7200.0],
            "release_date": pa.array([date(1999, 1, 1), None, date(2020, 5, 1)]),
            "platform_at": pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * 3, pa.timestamp("us", "UTC")),
        }
    )
    found = media_words(table, 3)
    assert found[0][:4] == [("kind=film", 1.0), ("genres=drama", 0.5), ("genres=war", 0.5), ("colour=True", 1.0)]
    assert [word for word, _ in found[0][4:]] == ["duration_seconds=0", "release_date=1999"]
    assert found[1] == [("colour=False", 1.0)]
    assert [word for word, _ in found[2]] == ["kind=film", "duration_seconds=7", "release_date=2020"]


def test_a_column_of_nulls_has_no_words() -> None:
    table = pa.table({"media_id": ["a"], "revenue": pa.nulls(1, pa.float64()), "kind": pa.nulls(1, pa.string())})
    assert media_words(table, 1) == [[]]
    assert media_words(None, 2) == [[], []]


def test_words_of_a_member_leave_out_what_is_unknown() -> None:
    known = {"country": "BR", "language": None, "age": 34, CHOSEN: ("drama", "war"), DEVICE: "tv", "shoe_size": 43}
    assert member_words(known, 3) == [
        ("watched=2", 1.0),
        ("device=tv", 1.0),
        ("country=BR", 1.0),
        ("age=2", 1.0),
        (f"{CHOSEN}=drama", 0.5),
        (f"{CHOSEN}=war", 0.5),
    ]
    assert member_words({"age": float("nan")}, 0) == [("watched=0", 1.0)]


def test_a_vocabulary_holds_the_commonest_words_that_enough_rows_have() -> None:
    rows = [[("a", 1.0), ("b", 1.0)], [("a", 1.0)], [("c", 1.0), ("c", 1.0)]]
    assert vocabulary_of(rows, most=9, seen_by=2).tolist() == ["a"]
    assert vocabulary_of(rows, most=2).tolist() == ["a", "b"]


def test_bags_are_padded_by_nothing() -> None:
    found = bags([[("a", 0.5), ("b", 0.5)], [("strange", 1.0)], [("b", 1.0)]], {"a": 1, "b": 2})
    assert found.codes.tolist() == [[1, 2], [0, 0], [2, 0]]
    assert found.weight.tolist() == [[0.5, 0.5], [0, 0], [1, 0]]
    assert bags([[], []], {}).codes.shape == (2, 0)


def of(users: list[str], media: list[str], days: list[int], **more: object) -> Examples:
    at = np.datetime64("2026-01-01", "us") + np.array(days) * np.timedelta64(1, "D")
    weight = np.ones(len(users), dtype=np.float32)
    told = Interactions(np.array(users), np.array(media), weight, at, np.array(["a", "b", "c", "d"]), **more)
    return examples(told, as_of=AS_OF, seed=7, history=3, most_words=100, half_life_days=2)


def test_watches_stand_by_member_in_the_order_that_they_happened() -> None:
    found = of(["v", "u", "v", "u", "u"], ["a", "c", "b", "gone", "a"], [5, 3, 2, 1, 9])
    assert found.media.tolist() == [2, 0, 1, 0]
    assert found.member.tolist() == [0, 0, 1, 1]
    assert found.begin.tolist() == [0, 0, 2, 2]


def test_an_older_watch_is_drawn_less_often() -> None:
    chance = of(["u", "v"], ["a", "b"], [5, 3]).chance
    assert np.isclose(chance.sum(), 1)
    assert np.isclose(chance[0], 2 * chance[1])


def test_what_was_watched_at_one_moment_has_no_order_of_its_own() -> None:
    many = [f"u{n}" for n in range(60) for _ in range(2)]
    first = of(many, ["a", "b"] * 60, [1] * 120).media[::2]
    assert 15 < (first == 0).sum() < 45


def test_members_that_the_table_lacks_and_devices_that_nobody_knows_have_no_words() -> None:
    table = pa.table({"user_id": ["u", "w"], "country": ["BR", "JP"]})
    device = np.array(["tv", None], dtype=object)
    found = of(["u", "v"], ["a", "b"], [1, 1], member_table=table, device=device)
    code = {word: n + 1 for n, word in enumerate(found.vocabulary.tolist())}
    assert found.member_words.codes.tolist() == [[code["country=BR"]], [0]]
    assert found.device_words.codes.tolist() == [[code["device=tv"]], [0]]
    assert "country=JP" not in code
