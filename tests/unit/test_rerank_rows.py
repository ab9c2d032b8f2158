"""Rows of a page, by hand."""

from pipelines.rerank.rows import FOR_YOU, MORE, headings, in_rows

GENRES = ["Drama", "Comedy", "Drama", "Comedy", "Drama", "Comedy", "Crime", "Comedy", "Drama"]
OFFERS = [[genre] for genre in GENRES]


def told(lead: int, rows: int) -> list[str]:
    return [title for _, title in in_rows(OFFERS, lead, rows)]


def test_each_title_stands_once_under_the_heading_that_holds_the_best_of_what_is_left() -> None:
    """Behind two: Drama has 2, 4, 8 (1/2 + 1/2.58 + 1/3.32), Comedy 3, 5, 7 (1/2.32 + 1/2.81 + 1/3.17): less."""
    assert [place for place, _ in in_rows(OFFERS, 2, 10)] == [0, 1, 2, 4, 8, 3, 5, 7, 6]
    assert told(2, 10) == [FOR_YOU] * 2 + ["Drama"] * 3 + ["Comedy"] * 3 + [MORE]


def test_no_more_rows_than_were_asked_for_and_none_of_too_few_titles() -> None:
    assert told(2, 3) == [FOR_YOU] * 2 + ["Drama"] * 3 + [MORE] * 4
    assert told(5, 10) == [FOR_YOU] * 5 + [MORE] * 4
    assert told(20, 10) == [FOR_YOU] * 9
    assert told(2, 1) == [FOR_YOU] * 2 + [MORE] * 7
    assert in_rows([], 5, 10) == []


def test_a_title_may_stand_under_what_speaks_for_it() -> None:
    assert headings("Because you watched X", ["drama"], True) == ["Because you watched X", "New", "Drama"]
    assert headings("Popular in drama", [], False) == []
