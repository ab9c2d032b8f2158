"""`marquee ledger`: who trained, judged, approved and served which release, and whether that is as it was written."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from marquee import console
from marquee.data_commands import Json
from pipelines.core import settings as settings_module
from pipelines.core.errors import RequestError
from pipelines.core.ledger import Entry

SHOWN_FACTS = ("verdict", "reason", "before", "accepted", "watermark", "snapshot")
app = typer.Typer(no_args_is_help=False)


def register(front: typer.Typer) -> None:
    """Add this module's commands."""
    front.add_typer(app, name="ledger")


@app.callback(invoke_without_command=True)
def ledger(
    ctx: typer.Context,
    at: Annotated[
        str | None, typer.Option("--at", help="Which release served at this moment (ISO 8601; UTC without a zone).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Every line of the ledger, the newest last."""
    if ctx.invoked_subcommand:
        if at or as_json:
            raise RequestError(
                f"--at and --json of `marquee ledger` go before no command: leave out {ctx.invoked_subcommand}"
            )
        return
    from pipelines.promotion import ledger as book

    entries = book.read(settings_module.load())
    if at is not None:
        _show_served(entries, _moment(at), as_json)
    elif as_json:
        console.result({"entries": [entry.model_dump(mode="json") for entry in entries]})
    else:
        columns = ("", "at", "event", "actor", "release", "version", "facts")
        console.table("Ledger", columns, [_cells(entry) for entry in entries])


@app.command()
def verify(as_json: Json = False) -> None:
    """Check every line by the one before it, its signature and MLflow. Exit code 1 names the first bad one."""
    from pipelines.promotion import ledger as book

    checked = book.verify(settings_module.load())
    if as_json:
        console.result(checked.as_dict())
        return
    console.line(f"the ledger is whole: {checked.entries} entries, the last one {checked.head or 'not written yet'}")
    if checked.anchors is None:
        console.say("MLflow does not answer: that no line is missing at the end was not checked")
    else:
        console.line(f"{checked.anchors} versions in MLflow name a line, and each is there")


@app.command()
def keys(as_json: Json = False) -> None:
    """Make a new set of signing keys and print it as lines for .env; nothing is kept."""
    from pipelines.core.keys import made

    lines = made()
    if as_json:
        console.result(lines)
        return
    for name, value in lines.items():
        console.line(f"{name}={value}")


def _show_served(entries: Sequence[Entry], at: datetime, as_json: bool) -> None:
    from pipelines.core.standing import served_at

    found = served_at(entries, at)
    if as_json:
        told: dict[str, Any] = {"at": at.isoformat(), "release_id": None}
        console.result(found.model_dump(mode="json") | {"at": at.isoformat(), "since": found.at} if found else told)
    elif found is None:
        console.line(f"nothing served at {_short(at)}")
    else:
        console.line(
            f"release {found.release_id} (version {found.version}) served at {_short(at)}, since {_short(found.at)}"
        )


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise RequestError(f"--at {text} is no time: write it like 2026-03-01T20:15:00Z") from exc
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _cells(entry: Entry) -> tuple[object, ...]:
    told = "; ".join(f"{name}: {entry.facts[name]}" for name in SHOWN_FACTS if entry.facts.get(name) not in (None, ""))
    version = "" if entry.version is None else str(entry.version)
    return (entry.sequence, _short(entry.at), entry.event, entry.actor, entry.release_id, version, told)


def _short(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
