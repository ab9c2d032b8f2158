"""Faults that data really has, put in on purpose: to see whether the gate, and those who read it, notice."""

from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.core.errors import DataError


def swapped_outcomes(rows: pa.Table, members: Collection[str], split: str = "fit") -> pa.Table:
    """The training rows as an app would have reported them that says *finished* where a title was abandoned, and the
    reverse, to these members and on the days of that split. Rows without a label stay without one.

    Raises:
        DataError: where none of the rows is theirs, so that nothing would be damaged.
    """
    theirs = pc.and_(pc.is_in(rows["user_id"], pa.array(sorted(members), pa.string())), pc.equal(rows["split"], split))
    if not pc.any(theirs).as_py():
        raise DataError(f"no {split} row is of those {len(members)} members: name members who were shown something")
    labels = rows["label"].combine_chunks()
    swapped = pc.subtract(pa.scalar(1, labels.type), labels)
    place = rows.column_names.index("label")
    return rows.set_column(place, rows.schema.field(place), pc.if_else(theirs.combine_chunks(), swapped, labels))
