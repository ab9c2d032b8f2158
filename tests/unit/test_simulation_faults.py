"""A fault damages what it says and nothing else."""

import pyarrow as pa
import pytest

from pipelines.core.errors import DataError
from pipelines.simulation.faults import swapped_outcomes

ROWS = pa.table(
    {
        "user_id": ["ada", "ada", "ada", "ada", "bob"],
        "split": ["fit", "fit", "fit", "test", "fit"],
        "label": pa.array([1.0, 0.0, None, 1.0, 1.0], pa.float64()),
        "weight": [1.0, 2.0, 3.0, 4.0, 5.0],
    }
)


def test_outcomes_are_swapped_for_the_members_named_and_on_the_days_that_are_learnt_from() -> None:
    damaged = swapped_outcomes(ROWS, {"ada"})
    assert damaged["label"].to_pylist() == [0.0, 1.0, None, 1.0, 1.0]
    assert damaged.drop_columns(["label"]) == ROWS.drop_columns(["label"])
    assert damaged.schema == ROWS.schema


def test_a_fault_of_nobody_is_refused() -> None:
    with pytest.raises(DataError, match="no fit row is of those 1 members"):
        swapped_outcomes(ROWS, {"eve"})
