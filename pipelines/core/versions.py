"""Rows of members and titles that changed: what stood in a snapshot table before, beside what stands there now."""

from typing import Any

import ibis


def every(current: Any, before: Any) -> Any:
    """All versions. before: rows of ``tables.earlier``; a column declared since they were written is null there."""
    types = current.schema()
    held = {c: before[c].cast(types[c]) if c in before.columns else ibis.null(types[c]) for c in current.columns}
    return current.union(before.select(**held))


def since_first(current: Any, before: Any, key: str) -> Any:
    """The rows as they are now, ``available_at`` being when the first version of each became known."""
    first = before.group_by(key).agg(first=before.available_at.min().cast(current.available_at.type()))
    joined = current.left_join(first, key).select(*current.columns, "first")
    return joined.mutate(available_at=joined["first"].coalesce(joined.available_at)).drop("first")
