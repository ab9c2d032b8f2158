"""`marquee up`, `down`, `status`, `demo`: the servers of this machine."""

import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from marquee import console
from marquee.local import DEMO, Stack, Status
from pipelines.core import settings
from pipelines.core.errors import RequestError, StackError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on stdout.")]
Ports = Annotated[list[str] | None, typer.Option("--port", help="SERVER=PORT, as often as needed.", show_default=False)]
Only = Annotated[list[str] | None, typer.Option("--only", help="Start only this server.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (up, down, status, demo):
        app.command()(command)


def up(port: Ports = None, only: Only = None, as_json: Json = False) -> None:
    """Start Airflow, MLflow, Evidently UI and the API, and wait until they are well."""
    from pipelines.promotion import ledger

    ledger.bring_in(settings.load())
    stack = Stack(settings.load().root, say=console.say)
    _show(stack.up(only or (), _ports(port or ())), as_json, stack)


def down(as_json: Json = False) -> None:
    """Stop every server, those of a demo that was cut off too, and check that no process is left."""
    home = settings.load().root
    left = [home / DEMO] if (home / DEMO).exists() else []
    killed = [pid for place in (home, *left) for pid in Stack(place, say=console.say).down()]
    if as_json:
        console.result({"killed": killed})


def status(as_json: Json = False) -> None:
    """Say what is up, and where. Exit code 1 unless everything that was started is up."""
    stack = Stack(settings.load().root, say=console.say)
    found = stack.status()
    _show(found, as_json, stack)
    if not found and not as_json:
        console.say("nothing is up: run `marquee up`")
    if not found or any(server.state != "up" for server in found):
        raise typer.Exit(1)


def demo(
    source: Annotated[str, typer.Option(help="world, kuairand, movielens or tables.")] = "world",
    data: Annotated[Path | None, typer.Option(help="The folder of the real logs.", show_default=False)] = None,
    minutes: Annotated[float, typer.Option(help="Give up after so long.")] = 10.0,
) -> None:
    """Run the whole loop once through the real servers and print what came out."""
    from marquee.demo import run

    if (source == "world") != (data is None):
        raise RequestError(f"--source {source} {'takes no' if data else 'needs'} --data: give a folder of real logs")
    # A plain kill unwinds like Ctrl-C does, so that the servers are stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if not run(settings.load(), source, data, minutes * 60):
        raise StackError("the demo did not finish: the log above says where it stopped")


def _show(found: list[Status], as_json: bool, stack: Stack) -> None:
    if as_json:
        console.result({"home": str(stack.home), "servers": [asdict(server) for server in found]})
    elif found:
        rows = [(server.name, server.state, server.url, server.log) for server in found]
        console.table(f"Marquee in {stack.home}", ("server", "state", "address", "log"), rows)


def _ports(given: tuple[str, ...] | list[str]) -> dict[str, int]:
    """``["api=8000"]`` to ``{"api": 8000}``."""
    ports = {}
    for pair in given:
        name, _, number = pair.partition("=")
        if not number.isdecimal() or not 0 < int(number) < 65536:
            raise RequestError(f"--port {pair} is not SERVER=PORT with a port from 1 to 65535, for example api=8000")
        ports[name] = int(number)
    return ports
