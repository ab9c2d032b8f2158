"""What `marquee features` prints of a refresh that has not happened: its plan, and its dry run."""

from datetime import date
from typing import Any

from marquee import console


def plan(first: date, last: date, figures: dict[str, Any], *, as_json: bool) -> None:
    """The plan as one JSON object, or as a table of views under one line of totals."""
    if as_json:
        console.result(figures)
        return
    views = [
        (name, of["first"], of["last"], "all" if of["anew"] else "", of["partitions"], of["overwritten"])
        for name, of in figures["views"].items()
    ]
    columns = ("view", "snapshots of", "to", "anew", "partitions", "overwritten")
    console.table(f"Features of {first} to {last}", columns, views)
    minutes = "nothing to judge by yet" if figures["minutes"] is None else f"{figures['minutes']} minutes"
    console.line(
        f"reads {figures['events']:,} rows, publishes about {figures['rows']:,} in {figures['partitions']:,} "
        f"partitions, {figures['overwritten']:,} of them overwritten; {minutes}"
    )


def rehearsal(first: date, last: date, found: dict[str, Any], *, as_json: bool) -> None:
    """What a dry run would have published, a line a table."""
    if as_json:
        console.result(found)
        return
    verdicts = ("new", "changed", "same")
    lines = [(table, *(of.get(verdict, 0) for verdict in verdicts)) for table, of in found["partitions"].items()]
    console.table(f"Dry run of {first} to {last}: partitions", ("table", *verdicts), lines)
    console.line(f"{sum(found['rows'].values()):,} rows; nothing was published")
