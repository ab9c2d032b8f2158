"""Watermarks: how far a table is complete; the version tells whoever remembers one whether anything changed."""

from datetime import date

from pipelines.core.lake import Lake, Watermark


def advance(lake: Lake, table: str, through: date, *, changed: bool) -> Watermark:
    """Move the table's watermark to ``through``. It stays as it is when no row changed and it was there already."""
    before = lake.watermark(table)
    if before and not changed and before.through >= through:
        return before
    return lake.advance(table, through)
