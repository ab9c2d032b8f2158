"""When a served and a rebuilt value count as the same."""

import math

import numpy as np
import pandas as pd
import pytest

from monitoring.agreement import compare

KEY = ("r1", "u1", "m1")


def gap(kind: str, served: object, rebuilt: object) -> float | None:
    """The largest difference that is named; 0 where both agree."""
    found = compare("f", kind, [KEY], [served], [rebuilt])
    assert (found.example is None) == (found.equal == 1)
    return found.largest if found.example else 0.0


@pytest.mark.parametrize(
    ("kind", "served", "rebuilt"),
    [
        ("numeric", None, math.nan),
        ("numeric", 0.3, 0.3 + 9e-7),
        ("numeric", 1e6 + 0.5, 1e6),
        ("numeric", 3, np.float64(3.0)),
        ("moment", 1768372207.123456, 1768372207.123456),
        ("categorical", None, None),
        ("categorical", "爱", "爱"),
        ("sequence", [], None),
        ("sequence", ["a", "b"], ("a", "b")),
        ("histogram", [1.0, 2.0], np.array([1.0, 2.0, 0.0])),
        ("histogram", None, np.zeros(3)),
        ("embedding", [0.25], np.array([0.25 + 5e-7])),
    ],
)
def test_equal_within_the_tolerance_of_its_kind(kind: str, served: object, rebuilt: object) -> None:
    assert gap(kind, served, rebuilt) == 0.0


@pytest.mark.parametrize(
    ("kind", "served", "rebuilt", "largest"),
    [
        ("numeric", 0.3, 0.300003, 3e-6),
        ("numeric", 1_000_000, 1_000_001, 1.0),
        ("numeric", None, 0.0, math.inf),
        ("moment", 1768372207.0, 1768372207.000001, 1e-6),
        ("histogram", [1.0, 2.0], [1.0, 2.0, 1.0], 1.0),
        ("categorical", "a", None, None),
        ("sequence", ["a", "b"], ["b", "a"], None),
    ],
)
def test_different_beyond_it(kind: str, served: object, rebuilt: object, largest: float | None) -> None:
    assert gap(kind, served, rebuilt) == (None if largest is None else pytest.approx(largest, rel=0.1))


def test_the_example_is_the_row_that_parts_most() -> None:
    keys = [(f"r{n}", "u", "m") for n in range(4)]
    found = compare("f", "numeric", keys, pd.Series([1.0, 2.0, 3.0, 4.0]), pd.Series([1.0, 2.5, 9.0, 4.0]))
    assert (found.rows, found.equal, found.share, found.largest) == (4, 2, 0.5, 6.0)
    assert (found.example.request_id, found.example.served, found.example.rebuilt) == ("r2", 3.0, 9.0)
    assert compare("f", "numeric", [], [], []).share == 1.0
