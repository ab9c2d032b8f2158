"""`marquee skew`: what serving used beside what the lake gives back, feature by feature."""

import math
from datetime import datetime
from typing import Annotated, Any

import typer

from marquee import console
from pipelines.core import settings as settings_module

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on stdout.")]
COLUMNS = ("feature", "rows", "equal", "largest difference", "example request", "served", "rebuilt")


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(skew)


def skew(
    first: Annotated[
        datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="The first day, as served.", show_default=False)
    ],
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="The last day, included; else the first.")
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="Requests to compare at most, drawn by their ids.")] = 500,
    as_json: Json = False,
) -> None:
    """Rebuild the feature vectors that serving logged, as of each request, and compare them; 1 where one differs."""
    from monitoring.skew import measure

    settings = settings_module.load()
    console.say("rebuilding what was served")
    found = measure(settings, first.date(), (last or first).date(), most=most)
    if as_json:
        console.result(found.as_dict())
    else:
        _show(found)
    raise typer.Exit(1 if found.different else 0)


def _show(found: Any) -> None:
    title = f"{found.first} to {found.last}: {found.requests:,} requests, {found.rows:,} titles, worst feature first"
    console.table(title, COLUMNS, [_row(one) for one in found.features])
    for what, why in found.left_out.items():
        console.line(f"not compared: {what}: {why}")
    if found.stale:
        console.line(f"{found.stale:,} requests were answered from the snapshot of an earlier day than their own")
    for one in found.different:
        console.error(f"{one.feature} differs in {one.rows - one.equal:,} of {one.rows:,} rows")
    if not found.different:
        console.line("every feature is in training what it was in serving")


def _row(one: Any) -> tuple[object, ...]:
    parted = one.example
    told = (
        (f"{parted.request_id} {parted.media_id}", _short(parted.served), _short(parted.rebuilt))
        if parted
        else [""] * 3
    )
    return (one.feature, f"{one.rows:,}", f"{one.share:.2%}", _largest(one.largest), *told)


def _largest(value: float | None) -> str:
    return "" if value is None else "absent on one side" if value == math.inf else f"{value:.6g}"


def _short(value: object) -> str:
    said = "absent" if value is None else str(value)
    return said if len(said) <= 40 else said[:37] + "..."
