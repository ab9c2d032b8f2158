"""Watermarks: how far a table is complete, and what is new since a version that was seen."""

from datetime import date

from pipelines.core.lake import Lake, Watermark


def advance(lake: Lake, table: str, through: date, *, changed: bool) -> Watermark:
    """Move the table's watermark to ``through``. It stays as it is when no row changed and it was there already."""
    before = lake.watermark(table)
    if before and not changed and before.through >= through:
        return before
    return lake.advance(table, through)


def news(lake: Lake, table: str, seen_version: int | None) -> Watermark | None:
    """The table's watermark when it is newer than the version seen (None = nothing seen); else None."""
    now = lake.watermark(table)
    return now if now and now.version > (seen_version or 0) else None
