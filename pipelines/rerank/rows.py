"""R6 Rows: the titles below the first ones of a page under headings that say what they share, each title once."""

from collections.abc import Sequence

import numpy as np

FOR_YOU, MORE, NEWLY = "For you", "More for you", "New"
LEAST = 3
"""Titles that make a row worth its heading."""


def headings(reason: str, genres: Sequence[str], new: bool) -> list[str]:
    """What a title may stand under: the watched title that speaks for it, that it is new, its genres."""
    because = [reason] if reason.startswith("Because") else []
    return [*because, *([NEWLY] if new else []), *(genre.capitalize() for genre in genres)]


def in_rows(offers: Sequence[Sequence[str]], lead: int, rows: int) -> list[tuple[int, str]]:
    """Places 0..n-1 in their new order, each with its heading.

    The first ``lead`` stay where they are, under FOR_YOU: what explores or is pinned among them keeps its slot. Each
    next row is the heading that holds the best of what is left, of LEAST titles or more, ``rows`` in all at most; what
    no row took stands under MORE.

    offers: (n,) the headings that each title may stand under; places are best first, and count 1 / log2(2 + place).
    """
    placed = [(place, FOR_YOU) for place in range(min(lead, len(offers)))]
    left = list(range(len(placed), len(offers)))
    for _ in range(rows - 2):
        title, places = _best(offers, left)
        placed += [(place, title) for place in places]
        left = [place for place in left if place not in set(places)]
    return [*placed, *((place, MORE) for place in left)]


def _best(offers: Sequence[Sequence[str]], left: Sequence[int]) -> tuple[str, list[int]]:
    """The heading whose titles are worth most, the first met of equals; no places where none has LEAST."""
    under: dict[str, list[int]] = {}
    for place in left:
        for title in offers[place]:
            under.setdefault(title, []).append(place)
    enough = {title: np.array(places) for title, places in under.items() if len(places) >= LEAST}
    title = max(enough, key=lambda one: (1 / np.log2(2 + enough[one])).sum(), default="")
    return title, under.get(title, [])
