"""`marquee takedown`: a title off every page, also where the API is down."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from marquee import console
from pipelines.core import settings as settings_module

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on stdout.")]


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(takedown)


def takedown(
    media: Annotated[str, typer.Argument(help="The media_id.", show_default=False)],
    reason: Annotated[str, typer.Option(help="Why, for whoever asks later.", show_default=False)],
    lift: Annotated[bool, typer.Option("--lift", help="Show it again.")] = False,
    as_json: Json = False,
) -> None:
    """Take a title off every page within seconds; models go on learning from its past."""
    from pipelines.adapters.event_store import EventStore

    with EventStore(settings_module.load().event_store_address) as store:
        store.migrate()
        store.decide_takedown(media, down=not lift, reason=reason, at=datetime.now(UTC))
        held = store.takedowns()
    if not _known(media):
        console.say(f"the lake has no title {media}: look for a typing error")
    if as_json:
        down = [{**row, "decided_at": row["decided_at"].isoformat()} for row in held]
        console.result({"media_id": media, "down": not lift, "taken_down": down})
    else:
        rows = [(row["media_id"], row["decided_at"].isoformat(timespec="seconds"), row["reason"]) for row in held]
        console.table("Taken down", ("media", "since", "why"), rows)


def _known(media: str) -> bool:
    """True too where there is no lake here to ask."""
    from pipelines.core.lake import Lake

    lake = Lake(settings_module.load().lake_path)
    return not lake.exists("media") or media in lake.read("media", columns=["media_id"])["media_id"].to_pylist()
