"""Words of titles and searches, in whatever script they are written."""

import unicodedata

import pytest

from pipelines.features.text import words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Secret-Night, season 2", ["the", "secret", "night", "season", "2"]),
        ("snake_case & don't", ["snake", "case", "don", "t"]),
        ("ＡＢＣ １２ ﬁn", ["abc", "12", "fin"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("Ночной дозор", ["ночной", "дозор"]),
        ("हिन्दी फ़िल्म", ["हिन्दी", "फ़िल्म"]),
        ("ที่นี่ ครับ", ["ที่นี่", "ครับ"]),
        ("עִבְרִית", ["עִבְרִית"]),
        ("한국 영화", ["한국", "영화"]),
        ("東京物語 1953", ["東京", "京物", "物語", "1953"]),
        ("秋 3月", ["秋", "3", "月"]),
        ("❤️ !!", []),
        ("", []),
    ],
)
def test_a_text_has_the_words_that_its_readers_see(text: str, expected: list[str]) -> None:
    assert words(text) == [unicodedata.normalize("NFKC", word) for word in expected]


def test_a_letter_and_its_mark_are_one_however_they_are_written() -> None:
    assert words("Am\u00e9lie") == words("Ame\u0301lie") == ["amélie"]
